"""The addresses of the table of endpoints, those with the most fixed words first."""

from __future__ import annotations

from collections.abc import Iterable

from django.urls import URLPattern, re_path

from bridge.admin_api.route import ApiRoute
from bridge.admin_api.routes import ROUTES
from bridge.admin_api.views import Endpoint, unknown


def addresses(routes: Iterable[ApiRoute]) -> list[URLPattern]:
    """One address for each path, with all its methods."""
    by_path: dict[str, dict[str, ApiRoute]] = {}
    for route in routes:
        by_path.setdefault(route.path, {})[route.method] = route
    paths = sorted(by_path, key=_order)
    return [
        re_path(next(iter(by_path[path].values())).pattern, Endpoint(by_path[path]))
        for path in paths
    ]


def _order(path: str) -> tuple[int, str]:
    words = [word for word in path.split("/")[1:] if not word.startswith("{")]
    return -len(words), path


urlpatterns = [*addresses(ROUTES), re_path(r"", unknown)]
