"""Errors as clients see them, and how a backend's errors become ours."""
