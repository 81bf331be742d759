"""Signing in with a company account by OpenID Connect. Loaded only where OIDC_ISSUER is set.

django-allauth carries the code flow (state, PKCE, the exchange of the code) and has the table of
linked accounts; what a provider sends is verified here, and who may come in is decided here.
Imports `keys`, `models`, `accounts` and `pages`.
"""
