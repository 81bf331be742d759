"""Read queries: sums, charts and percentiles from the hourly sums, lists from the rows."""
