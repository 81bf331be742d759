"""The requests that run now, as the live page of the dashboard shows them.

Imports `cluster`, `models` and `ledger`.
"""
