"""The endpoints by topic: their structs, their handlers and their rows of the table."""
