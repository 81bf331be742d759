"""A script that uses the admin API, in this process."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpResponse
from django.test import Client

from bridge.models import AdminToken

BASE = "/api/admin/v1"


@dataclass(slots=True)
class Script:
    """Sends a token with each request; `api` is the client below it."""

    text: str
    api: Client = field(default_factory=lambda: Client(raise_request_exception=True))

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> HttpResponse:
        """One request; `body` as JSON, bytes as they are."""
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body)
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        given = {"authorization": f"Bearer {self.text}"} | given
        return self.api.generic(  # type: ignore[return-value]
            method, f"{BASE}{path}", raw, "application/json", headers=given
        )

    def get(self, path: str, **headers: str) -> Any:
        return self.send("GET", path, **headers)

    def put(self, path: str, body: Any, **headers: str) -> Any:
        return self.send("PUT", path, body, **headers)

    def patch(self, path: str, body: Any, **headers: str) -> Any:
        return self.send("PATCH", path, body, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.send("POST", path, body, **headers)

    def delete(self, path: str, **headers: str) -> Any:
        return self.send("DELETE", path, **headers)


def a_script(role: str = "operator", name: str = "ci") -> Script:
    """A script with a new token of this role."""
    _, text = AdminToken.issue(name, role, "test")
    return Script(text)


def message(answer: Any, status: int = 400) -> str:
    """The message of a refusal, which has this status."""
    assert answer.status_code == status, answer.content
    error: dict[str, str] = answer.json()["error"]
    return error["message"]
