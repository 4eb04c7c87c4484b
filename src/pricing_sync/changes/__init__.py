"""What an answer changes in the store, the plan for it, runs and readings. Pure."""
