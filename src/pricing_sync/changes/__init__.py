"""What an answer changes: the differences, what to do about them, runs and readings. Pure."""
