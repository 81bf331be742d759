"""Ways to requests: errors by message, the search by id, saved views of the list."""
