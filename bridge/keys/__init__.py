"""API keys: authentication, rate limits and budgets, encryption of stored credentials.

Imports `cluster`, `translation` and `routing`. `limits` says what limits mean,
`decisions` how they read; `limiter` enforces them in memory (`memory_limiter`) or in Redis
(`redis_limiter`, `lua/`).
"""
