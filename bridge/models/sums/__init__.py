"""Tables of sums beside those of the hours."""
