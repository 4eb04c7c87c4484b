"""The prices and overrides of the ledger, for programs that bill by them."""
