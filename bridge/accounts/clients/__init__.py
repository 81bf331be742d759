"""Clients that people sign in with: those that wait, and those that are signed in."""
