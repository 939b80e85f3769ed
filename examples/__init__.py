"""Programs to copy and start from."""
