"""One reading of one provider, from the request to the ledger."""
