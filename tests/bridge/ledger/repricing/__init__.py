"""Requests that get another cost."""
