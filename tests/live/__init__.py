"""Optional tests against servers that are not ours; each is skipped where its server is unset."""
