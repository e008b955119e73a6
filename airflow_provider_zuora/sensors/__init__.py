"""Wait for jobs, deferred or poking."""
