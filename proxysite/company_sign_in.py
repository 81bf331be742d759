"""What signing in with a company account adds to Django's settings, where it is on.

Of django-allauth only the tables and the flow of OAuth 2 are used. None of its addresses, pages or
mails is there: `bridge.oidc` has the two addresses that are needed.
"""

from __future__ import annotations

from django.core.exceptions import ImproperlyConfigured

APPS = [
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    # last, since it takes the pages of the others out of the admin
    "bridge.oidc",
]
MIDDLEWARE = ["allauth.account.middleware.AccountMiddleware"]


def require(**values: str) -> None:
    """Raises ImproperlyConfigured for the first that is missing beside OIDC_ISSUER."""
    for name, value in values.items():
        if not value:
            raise ImproperlyConfigured(f"{name}: expected a value beside OIDC_ISSUER")
