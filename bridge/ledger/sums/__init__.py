"""Sums that follow from those of the hours."""
