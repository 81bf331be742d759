"""The endpoints that clients call: messages, token counts, models, health, metrics.

Imports the packages that answer them, `relay` first of all; never `pages` or `admin`.
"""
