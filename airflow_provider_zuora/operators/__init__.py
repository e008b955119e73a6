"""What a DAG author writes; no HTTP words."""
