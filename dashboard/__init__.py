"""Usage reports: read queries over the rows that `bridge` writes, and the pages that show them."""
