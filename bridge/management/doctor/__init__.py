"""Checks of an installation, one module for each part: each yields `CheckResult`s.

They work without a running gateway, database or Redis, write nothing but a key of Redis that is
gone at once, ask for nothing that costs money, and show no secret.
"""
