"""The road of one request: choose a target, translate, send, pump the answer, settle.

`exchange` holds what one request has taken: its place within the key's limits, its target, and its
usage record, which it writes to the spool in the end.

`pipeline` reads top to bottom. Imports `translation`, `routing`, `keys`, `ledger`, `configuration`,
`live` and `backends`.
"""
