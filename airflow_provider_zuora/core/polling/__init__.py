"""When to ask again, and what came of it."""
