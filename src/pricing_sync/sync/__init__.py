"""One reading of one provider, and what it needs."""
