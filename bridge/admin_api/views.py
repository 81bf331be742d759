"""One request of the admin API: who sends it, may they, what does it say, and the answer.

Every answer is JSON, every error the envelope of the Messages API. There are no cookies here: a
token in a header is all that counts, so no other site's page can send anything in its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import msgspec
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from bridge.accounts import roles
from bridge.admin_api.authentication import token_of
from bridge.admin_api.reading import check_path, read_body, read_query
from bridge.admin_api.route import ApiCall, ApiReply, ApiRoute
from bridge.ids import mint
from bridge.models import AdminToken
from bridge.models.changes import recorded
from bridge.translation.errors.api_error import ApiError

TAKEN = "Another request made the same thing at this moment; read it again"
NOTHING_HERE = "Not found: /api/admin/v1/openapi.json describes what is here"


class Endpoint:
    """The view of one path: its routes by method."""

    csrf_exempt = True

    def __init__(self, routes: Mapping[str, ApiRoute]) -> None:
        self.routes = routes

    def __call__(self, request: HttpRequest, **path: str) -> HttpResponse:
        request_id = f"req_{mint()}"
        try:
            return _answer(self._reply(request, path), request_id)
        except ApiError as error:
            return _refusal(error, request_id)

    def _reply(self, request: HttpRequest, path: dict[str, str]) -> ApiReply:
        token = token_of(request)
        method = "GET" if request.method == "HEAD" else request.method or ""
        route = self.routes.get(method)
        if route is None:
            known = ", ".join(sorted({*self.routes, *({"HEAD"} if "GET" in self.routes else ())}))
            raise ApiError(405, "Method not allowed", headers={"allow": known})
        if not roles.reaches(token.role, route.role):
            raise ApiError(403, f"This needs the role {route.role}; the token has {token.role}")
        check_path(path)
        return _handled(route, _call(route, request, path, token))


def _call(
    route: ApiRoute, request: HttpRequest, path: dict[str, str], token: AdminToken
) -> ApiCall:
    return ApiCall(
        token,
        path,
        read_query(request.GET, route.query),
        read_body(request.read(), route.body) if route.writes else None,
        request.headers.get("if-match", ""),
        request.headers.get("if-none-match", ""),
    )


def _handled(route: ApiRoute, call: ApiCall) -> ApiReply:
    """What is written is one transaction and one step of the history, in the token's name."""
    try:
        with recorded(call.token.actor) if route.writes else nullcontext():
            return route.handler(call)
    except IntegrityError:
        raise ApiError(409, TAKEN) from None


@csrf_exempt
def unknown(request: HttpRequest, **_: Any) -> HttpResponse:
    """Where nothing is, whoever asks."""
    return _refusal(ApiError(404, NOTHING_HERE), f"req_{mint()}")


def _answer(reply: ApiReply, request_id: str) -> HttpResponse:
    body = b"" if reply.body is None else msgspec.json.encode(reply.body)
    response = HttpResponse(body, status=reply.status, content_type="application/json")
    if reply.body is None:
        del response["content-type"]
    return _marked(response, {**reply.headers, "request-id": request_id})


def _refusal(error: ApiError, request_id: str) -> HttpResponse:
    response = HttpResponse(
        error.body(request_id), status=error.status, content_type="application/json"
    )
    return _marked(response, {**error.reply_headers(), "request-id": request_id})


def _marked(response: HttpResponse, headers: Mapping[str, str]) -> HttpResponse:
    for name, value in {"cache-control": "no-store", **headers}.items():
        response[name] = value
    return response
