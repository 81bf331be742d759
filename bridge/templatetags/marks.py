"""`bridge.admin.marks` for templates."""

from __future__ import annotations

from django import template

from bridge.admin import marks

register = template.Library()
register.filter("number", marks.number)
register.filter("short", marks.short)
register.filter("money", marks.money)
register.filter("fact", marks.fact)
register.filter("moment", marks.moment)
