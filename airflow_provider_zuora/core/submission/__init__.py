"""Exactly once: submit an order, note what was sent, and find out what became of it."""
