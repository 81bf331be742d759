"""Who may see what: roles of operators, the login throttle, key holders.

Imports `translation`, `routing`, `keys`, `models` and `configuration`.
"""
