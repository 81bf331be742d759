"""What needs attention: one list, which the admin, the dashboard and nobody else shows.

`gateway.py` has the list. What depends on a range of time that a visitor chose is no concern of
the gateway; the dashboard shows it apart.
"""
