"""Which try of which task this is, its parameters, and how it waits."""
