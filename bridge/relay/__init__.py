"""The road of one request: choose a target, translate, send, pump the answer, settle.

`pipeline` reads top to bottom. Imports `translation`, `routing`, `keys`, `ledger`, `live`,
`backends` and `runtime`.
"""
