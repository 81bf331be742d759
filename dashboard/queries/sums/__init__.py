"""Where sums are read: which tables, what is remembered, bars of what is shown."""
