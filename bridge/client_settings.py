"""Settings for clients (being written)."""

from typing import Any


def client_settings_context(request: Any, name: str, facts: Any, small: str = "") -> dict[str, Any]:
    return {}
