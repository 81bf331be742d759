"""Giving recorded requests the cost that they have at today's prices, and their sums with them."""
