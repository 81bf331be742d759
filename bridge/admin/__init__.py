"""The rows of the gateway in Django's admin: one module for each kind, `base` for what they share.

Only registration and forms; what a button does is in `bridge.operations`.
"""

from django.contrib import admin as site

from bridge import admin_users
from bridge.admin import aliases, backends, discovered, history, keys, names

__all__ = ["admin_users", "aliases", "backends", "discovered", "history", "keys", "names"]

site.site.index_title = "Overview"
