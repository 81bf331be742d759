"""The rows of the gateway in Django's admin: one module for each kind, `base` for what they share.

Only registration and forms; what a button does is in `bridge.admin.backend_actions`.
"""

from django.contrib import admin as site

from bridge.admin import aliases, backends, history, models, tool_names, warnings
from bridge.admin.costs import prices
from bridge.admin.people import group_mappings, keys, sign_ins, teams, tokens, users

__all__ = [
    "aliases",
    "backends",
    "group_mappings",
    "history",
    "keys",
    "models",
    "prices",
    "sign_ins",
    "teams",
    "tokens",
    "tool_names",
    "users",
    "warnings",
]

site.site.index_title = "Overview"
