"""The admin's theme: names, colours, the menu."""

from __future__ import annotations

from typing import Any

from django.templatetags.static import static
from django.urls import reverse_lazy


def _stylesheet(request: Any) -> str:
    return static("bridge/admin.css")


def _item(title: str, icon: str, name: str, permission: str) -> dict[str, Any]:
    """One entry of the menu, for those who may see the page."""
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{name}"),
        "permission": lambda request: request.user.has_perm(permission),
    }


def _rows(title: str, icon: str, model: str, app: str = "bridge") -> dict[str, Any]:
    return _item(title, icon, f"{app}_{model}_changelist", f"{app}.view_{model}")


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Claude bridge",
    "SITE_HEADER": "Claude bridge",
    "SITE_SYMBOL": "deployed_code",
    "SHOW_BACK_BUTTON": True,
    "DASHBOARD_CALLBACK": "bridge.admin.start.context",
    "STYLES": [_stylesheet],
    "COLORS": {
        "primary": {
            "50": "#fdf4f0",
            "100": "#fae5dc",
            "200": "#f5cbb9",
            "300": "#eda98d",
            "400": "#e28462",
            "500": "#c2603c",
            "600": "#a9492a",
            "700": "#8b3a21",
            "800": "#6f3020",
            "900": "#5b2a1e",
            "950": "#32140c",
        },
    },
    "SIDEBAR": {
        "show_search": False,
        "navigation": [
            {
                "title": "Routing",
                "items": [
                    _rows("Backends", "dns", "backend"),
                    _rows("Aliases", "alt_route", "modelalias"),
                    _rows("Models", "neurology", "discoveredmodel"),
                    _rows("Tool names", "build", "toolnamemap"),
                    _rows("Prices", "payments", "price"),
                    _item(
                        "Where does a name lead?",
                        "travel_explore",
                        "bridge_route",
                        "bridge.view_modelalias",
                    ),
                ],
            },
            {
                "title": "Access",
                "separator": True,
                "items": [
                    _rows("API keys", "key", "apikey"),
                    _item("Client settings", "terminal", "bridge_client", "bridge.view_modelalias"),
                    _rows("Users", "person", "user", "auth"),
                    _rows("Groups", "group", "group", "auth"),
                ],
            },
            {
                "title": "Record",
                "separator": True,
                "items": [_rows("Changes", "history", "change")],
            },
        ],
    },
}
