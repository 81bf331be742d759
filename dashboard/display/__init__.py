"""Numbers as text, cards, charts: how a value looks. Imports `usage`."""
