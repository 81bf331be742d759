"""How long pages take over a ledger of millions of requests: measured by hand, never a test."""
