"""The welcome page, client settings, and the content security policy of every page.

Imports `translation`, `configuration`, `runtime` and `api`.
"""
