"""How long the ledger keeps what, and how much of it."""
