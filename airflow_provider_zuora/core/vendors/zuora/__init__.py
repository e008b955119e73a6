"""Zuora; its words are read here and nowhere else."""
