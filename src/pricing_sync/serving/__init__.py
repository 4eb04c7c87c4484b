"""The prices of the ledger, for programs that bill by them."""
