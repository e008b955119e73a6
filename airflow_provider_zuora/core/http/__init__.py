"""One request until its answer is final."""
