"""Who takes the readings that are due, and where."""
