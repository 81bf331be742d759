"""Configuration rows into one immutable snapshot; the YAML file and the environment into rows.

Imports `translation`, `routing`, `keys`, `models` and `ledger`.
"""
