"""The only process-wide state: sessions, their tokens and connections; it survives forks."""
