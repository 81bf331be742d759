"""The table of all endpoints. URLs, rights and the description follow from it."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from bridge.accounts.roles import AUDITOR
from bridge.admin_api import openapi, rows
from bridge.admin_api.resources import (
    budgets,
    configuration,
    effective_limits,
    keys,
    people,
    records,
    spend_limits,
    transfer,
    usage,
)
from bridge.admin_api.route import ApiCall, ApiReply, ApiRoute


def _described(call: ApiCall) -> ApiReply:
    return ApiReply(openapi.document(ROUTES, settings.VERSION))


ROUTES: tuple[ApiRoute, ...] = (
    ApiRoute(
        "GET",
        "/openapi.json",
        AUDITOR,
        "Describe this API",
        _described,
        dict[str, Any],
    ),
    *people.ROUTES,
    *keys.routes(),
    *usage.ROUTES,
    *budgets.ROUTES,
    *spend_limits.ROUTES,
    *effective_limits.ROUTES,
    *(route for resource in configuration.RESOURCES for route in rows.routes(resource)),
    *transfer.ROUTES,
    *records.ROUTES,
)
