"""What is due, and which process takes it."""
