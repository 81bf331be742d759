"""The way to the backends: HTTP client, circuit breakers, discovery, what their answers taught.

Imports `translation`, `routing`, `models` and `configuration`.
"""
