"""`bridge.admin.formatting` for templates."""

from __future__ import annotations

from django import template

from bridge.admin import formatting

register = template.Library()
register.filter("colour", formatting.colour)
register.filter("number", formatting.number)
register.filter("short", formatting.short)
register.filter("money", formatting.money)
register.filter("fact", formatting.fact)
register.filter("moment", formatting.moment)
