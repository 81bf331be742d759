"""Which role opens a page of the admin that was refused, in words for the visitor."""

from __future__ import annotations

from django.apps import apps
from django.contrib.auth.models import User
from django.http import HttpRequest

from bridge.accounts.roles import ADMIN, AUDITOR, OPERATOR, RIGHTS, role_of

ACTIONS = {
    "changelist": "view",
    "change": "view",
    "history": "view",
    "add": "add",
    "delete": "delete",
    "do": "change",
    "probe": "change",
    "revert": "change",
}
"""The last word of a page's name -> the right that opens it."""
VERBS = {"view": "see", "add": "add", "change": "change", "delete": "delete"}
ARTICLES = {ADMIN: "an admin", OPERATOR: "an operator", AUDITOR: "an auditor"}


def sentence(request: HttpRequest) -> str:
    """Who may do what this page does: "To add backends takes an operator or an admin."

    "" where the page is none of the admin's pages of rows.
    """
    match = request.resolver_match
    app, _, rest = (match.url_name or "").partition("_") if match else ("", "", "")
    model, _, page = rest.partition("_")
    right = ACTIONS.get(page)
    if match is None or match.app_name != "admin" or right is None:
        return ""
    rows = apps.get_model(app, model)._meta.verbose_name_plural
    if isinstance(request.user, User) and role_of(request.user) == ADMIN:
        return f"Nobody may {VERBS[right]} {rows} here, an admin neither."
    held = RIGHTS.get(f"{app}.{model}", {})
    roles = [role for role in (AUDITOR, OPERATOR) if right in held.get(role, ())]
    allowed = " or ".join(ARTICLES[role] for role in (*roles, ADMIN))
    return f"To {VERBS[right]} {rows} takes {allowed}."
