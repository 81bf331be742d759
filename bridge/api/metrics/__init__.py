"""`GET /metrics`: what Prometheus reads.

Totals are the ledger's, which all processes share: whichever of them is asked, counters never jump
back. The rest is of the process that answers. Labels hold names of backends, models and aliases,
and, where METRICS_BY says so, names of keys, people and teams; never the text of a key.

docs/reference/metrics.md has every metric in a table.
"""
