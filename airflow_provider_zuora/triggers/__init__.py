"""Wait for jobs in the triggerer; nothing here blocks its event loop."""
