"""Prices, and what recorded requests cost by them."""
