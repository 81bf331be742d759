"""Sums of usage, the periods they cover, and whose usage it is. Pure."""
