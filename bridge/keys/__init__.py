"""API keys: authentication, rate limits and budgets, encryption of stored credentials.

Imports `cluster`, `translation` and `routing`. `limits` says what a key's limits mean;
`limiter` enforces them in memory (`memory_limiter`) or in Redis (`redis_limiter`, `lua/`).
"""
