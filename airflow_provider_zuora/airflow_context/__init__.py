"""What a running task tells of itself, and how it waits."""
