"""The counters of limits: one contract, kept in memory and in Redis alike."""
