"""Payment runs: they collect what is due."""
