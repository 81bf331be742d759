"""The description of the admin API, OpenAPI 3.1, from the table of endpoints and their structs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from bridge.accounts.roles import MEANINGS
from bridge.admin_api.route import WIDE, ApiRoute

BASE = "/api/admin/v1"
SCHEMAS = "#/components/schemas/{name}"
_MEANINGS = {200: "Done.", 201: "Made.", 204: "Deleted."}


class ErrorDetail(msgspec.Struct, kw_only=True):
    """What is wrong; where it is a member, the message begins with its name."""

    type: str
    message: str


class ErrorReply(msgspec.Struct, kw_only=True):
    """Every error."""

    type: str
    error: ErrorDetail
    request_id: str


def document(routes: Iterable[ApiRoute], version: str) -> dict[str, Any]:
    """The description of these endpoints."""
    table = list(routes)
    kinds = [kind for route in table for kind in (route.answer, route.body) if kind is not None]
    kinds = list(dict.fromkeys([*kinds, ErrorReply]))
    found, components = msgspec.json.schema_components(kinds, ref_template=SCHEMAS)
    schemas = dict(zip(kinds, found, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in table:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Claude bridge: admin API", "version": version},
        "servers": [{"url": BASE}],
        "security": [{"token": []}],
        "tags": [{"name": name} for name in dict.fromkeys(route.tag for route in table)],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": components,
        },
    }


def _operation(route: ApiRoute, schemas: dict[Any, Any]) -> dict[str, Any]:
    words = [word.strip("{}").replace(".", "_") for word in route.path.split("/")[1:]]
    operation: dict[str, Any] = {
        "operationId": "_".join([route.method.lower(), *words]),
        "summary": f"{route.summary}.",
        "description": f"Needs the role {route.role}. {MEANINGS[route.role]}",
        "tags": [route.tag],
        "x-role": route.role,
        "parameters": [*map(_in_path, route.parameters), *_in_query(route)],
        "responses": {
            **{str(status): _response(route, status, schemas) for status in route.statuses},
            "default": {"description": "Refused.", "content": _json(schemas[ErrorReply])},
        },
    }
    if route.body is not None:
        content = _json(schemas[route.body])
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _in_path(name: str) -> dict[str, Any]:
    note = {"description": "May hold slashes, as they are or as %2F."} if name in WIDE else {}
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}, **note}


def _in_query(route: ApiRoute) -> list[dict[str, Any]]:
    if route.query is None:
        return []
    (reference,), components = msgspec.json.schema_components([route.query], ref_template="{name}")
    schema = components[reference["$ref"]]
    return [
        {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", ()),
            "schema": kind,
        }
        for name, kind in schema["properties"].items()
    ]


def _response(route: ApiRoute, status: int, schemas: dict[Any, Any]) -> dict[str, Any]:
    response: dict[str, Any] = {"description": _MEANINGS[status]}
    if route.answer is not None and status != 204:
        response["content"] = _json(schemas[route.answer])
    return response


def _json(schema: Any) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
