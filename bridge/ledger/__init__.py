"""Usage records: one line in the spool for each request, then rows, hourly sums, prices and
reports.

Imports `cluster`, `translation`, `keys` and `models`. `writer` turns spool lines into rows.
"""
