"""Events sent to others: as webhooks to programs, as messages to people."""
