"""One gateway process: its parts, started and stopped together, and the servers that run it.

Imports what it composes: `cluster`, `translation`, `keys`, `ledger`, `configuration`, `live`
and `backends`.
"""
