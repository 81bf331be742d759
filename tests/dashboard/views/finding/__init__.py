"""Ways to requests: filters, search, errors by message, saved views, numbers that are links."""
