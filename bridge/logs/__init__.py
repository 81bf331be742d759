"""How the lines of the log look: for people, or one JSON object each. Same facts in both.

Text of clients, models and backends is in them, so no character of it ends a line or moves a
cursor.
"""
