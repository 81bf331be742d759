"""The admin's theme: names, colours, the menu."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from django.templatetags.static import static
from django.urls import reverse_lazy

START = "admin:index"


def _served(name: str) -> Any:
    """A static file, as the theme asks for it."""
    return lambda request: static(f"bridge/{name}")


def _item(title: str, icon: str, name: str, permission: str = "") -> dict[str, Any]:
    """One entry of the menu, for those who may see the page."""
    return {
        "name": name,
        "title": title,
        "icon": icon,
        "link": reverse_lazy(name),
        "active": lambda request: _entry_of(request.path) == name,
        "permission": lambda request: not permission or request.user.has_perm(permission),
    }


def _rows(title: str, icon: str, model: str, app: str = "bridge") -> dict[str, Any]:
    return _item(title, icon, f"admin:{app}_{model}_changelist", f"{app}.view_{model}")


@lru_cache(maxsize=128)
def _entry_of(path: str) -> str:
    """The entry of the menu that a page belongs to: some addresses lie below others.

    Every entry asks, and each answer resolves the addresses of all of them.
    """
    items = [item for group in UNFOLD["SIDEBAR"]["navigation"] for item in group["items"]]
    fitting = {str(item["link"]): str(item["name"]) for item in items if _fits(item, path)}
    return fitting[max(fitting, key=len)] if fitting else ""


def _fits(item: dict[str, Any], path: str) -> bool:
    link = str(item["link"])
    return path == link if item["name"] == START else path.startswith(link)


UNFOLD: dict[str, Any] = {
    "LOGIN": {"form": "bridge.pages.sign_in.login.LoginForm"},
    "SITE_TITLE": "Claude bridge",
    "SITE_HEADER": "Claude bridge",
    "SITE_URL": reverse_lazy("welcome"),
    "SITE_SYMBOL": "deployed_code",
    "SHOW_BACK_BUTTON": True,
    "DASHBOARD_CALLBACK": "bridge.admin.overview.context",
    "STYLES": [_served("admin.css")],
    "SCRIPTS": [_served("times.js"), _served("keyboard.js")],
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": _served("icon.svg")}],
    "COLORS": {
        "primary": {
            "50": "#fdf4f0",
            "100": "#fae5dc",
            "200": "#f5cbb9",
            "300": "#eda98d",
            "400": "#e3926f",
            "500": "#d67a55",
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
            {"items": [_item("Overview", "home", START)]},
            {
                "title": "Routing",
                "items": [
                    _rows("Backends", "dns", "backend"),
                    _rows("Aliases", "alt_route", "modelalias"),
                    _rows("Models", "neurology", "discoveredmodel"),
                    _rows("Learned habits", "school", "learnedfact"),
                    _rows("Tool names", "build", "toolnamemap"),
                    _rows("Prices", "payments", "price"),
                    _item(
                        "Where does a name lead?",
                        "travel_explore",
                        "admin:bridge_route",
                        "bridge.view_modelalias",
                    ),
                ],
            },
            {
                "title": "Access",
                "separator": True,
                "items": [
                    _rows("API keys", "key", "apikey"),
                    _rows("Sign-ins", "login", "signin"),
                    _rows("Teams", "groups", "team"),
                    _rows("Limits of people", "speed", "personlimits"),
                    _item(
                        "Client settings",
                        "terminal",
                        "admin:bridge_client",
                        "bridge.view_modelalias",
                    ),
                    _rows("Company groups", "badge", "groupmapping"),
                    _rows("API tokens", "token", "admintoken"),
                    _rows("Users", "person", "user", "auth"),
                    _rows("Groups", "group", "group", "auth"),
                ],
            },
            {
                "title": "Record",
                "separator": True,
                "items": [
                    _rows("Changes", "history", "change"),
                    _rows("Warnings", "notifications", "warningevent"),
                    _rows("Warning rules", "rule_settings", "warningrule"),
                    _item("Reports", "monitoring", "dashboard:overview", "bridge.view_change"),
                ],
            },
        ],
    },
}


def with_company_accounts() -> dict[str, Any]:
    """The theme where people sign in with company accounts: its menu has one entry more."""
    entry = _rows("Company accounts", "link", "socialaccount", "socialaccount")
    place = {"active": lambda request: request.path_info.startswith("/admin/socialaccount/")}
    routing, access, record = UNFOLD["SIDEBAR"]["navigation"][1:]
    access = access | {"items": [*access["items"], entry | place]}
    navigation = [UNFOLD["SIDEBAR"]["navigation"][0], routing, access, record]
    return UNFOLD | {"SIDEBAR": UNFOLD["SIDEBAR"] | {"navigation": navigation}}
