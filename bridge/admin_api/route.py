"""What a row of the table of endpoints is, and what a handler gets and gives."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from bridge.models import AdminToken

WIDE = frozenset({"name", "pattern", "model", "group"})
"""Parameters of paths that may hold a slash, as names of models do."""
_PARAMETER = re.compile(r"\{(\w+)\}")
_SEGMENT = re.compile(r"\{(\w+)\}|([^{}]+)")


@dataclass(frozen=True, slots=True)
class ApiCall:
    """One request whose sender may make it.

    path    the parameters in the path, by name
    query, body   structs of the route's types; None where the route has none
    if_match, if_none_match   the headers, "" for none
    """

    token: AdminToken
    path: Mapping[str, str]
    query: Any = None
    body: Any = None
    if_match: str = ""
    if_none_match: str = ""


@dataclass(frozen=True, slots=True)
class ApiReply:
    """An answer. `body`: a struct or plain data; None for an empty one."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[ApiCall], ApiReply]


@dataclass(frozen=True)
class ApiRoute:
    """One endpoint.

    path      below `/api/admin/v1`, with {parameters}
    role      the lowest role that may use it
    summary   one line of the description, with a verb first
    statuses  of good answers, the usual one first
    query, body, answer   structs, None for none
    """

    method: str
    path: str
    role: str
    summary: str
    handler: Handler
    answer: Any = None
    query: type[Any] | None = None
    body: Any = None
    statuses: tuple[int, ...] = (200,)

    @property
    def tag(self) -> str:
        return self.path.split("/")[1]

    @property
    def parameters(self) -> list[str]:
        return _PARAMETER.findall(self.path)

    @property
    def writes(self) -> bool:
        return self.method != "GET"

    @cached_property
    def pattern(self) -> str:
        """The path as a regular expression, for what comes behind `/api/admin/v1/`."""
        return f"^{''.join(map(_piece, _SEGMENT.finditer(self.path[1:])))}/?$"


def _piece(found: re.Match[str]) -> str:
    name, literal = found.groups()
    if not name:
        return re.escape(literal)
    return f"(?P<{name}>{'.+?' if name in WIDE else '[^/]+'})"
