"""Visitors of /my/: a person who is logged in, or somebody with a key. What is theirs, and the
frame of their pages.

An open visit of a key goes before a login: whoever pastes a key wants to see that key.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse

from bridge.accounts.key_holders import KeyHolder
from bridge.models import ApiKey
from dashboard.pages import key_holder_session
from dashboard.pages.page import Frame, Link, address, page
from dashboard.queries import own

NAVIGATION = (("my", "Usage"), ("my_requests", "Requests"), ("my_sessions", "Sessions"))


@dataclass(frozen=True, slots=True)
class Visitor:
    """Either of the two is there; `holder` is that of a key which was pasted."""

    person: User | None = None
    holder: KeyHolder | None = None

    @property
    def used(self) -> Q:
        """What is theirs of requests and of sums."""
        if self.holder is not None:
            return Q(key_id=self.holder.key_id, fingerprint=self.holder.fingerprint)
        return own.used_by(self._number)

    def sessions(self) -> Q:
        """What is theirs of sessions. Two queries for a person."""
        return self.used if self.holder is not None else own.sessions_of(self._number)

    def own_keys(self) -> list[ApiKey]:
        """The keys of a person that are no sign-ins; of somebody with a key that one. One query."""
        if self.holder is not None:
            return [self.holder.row] if self.holder.row else []
        return own.keys_of(self._number)

    @property
    def as_holder(self) -> KeyHolder:
        """A key that a person gets by signing in; the key itself of somebody with a key."""
        return self.holder or KeyHolder(row=ApiKey(name=self.actor, person=self.person))

    @property
    def actor(self) -> str:
        """Who does what the history of changes has."""
        if self.person is not None and self.holder is None:
            return self.person.get_username()
        return f"key {self.holder.row.name}" if self.holder and self.holder.row else ""

    @property
    def _number(self) -> int:
        return self.person.pk if self.person is not None else -1


def visitor(request: HttpRequest) -> Visitor | None:
    """Who visits; None for nobody that is known."""
    holder, user = key_holder_session.visitor(request), request.user
    person = user if isinstance(user, User) and user.is_active else None
    return Visitor(person, holder) if holder or person else None


class OwnFrame(Frame):
    """The frame of a page below /my/; its links lead to pages below /my/ alone."""

    def __init__(self, request: HttpRequest, visitor: Visitor, comparing: bool = True) -> None:
        super().__init__(request, comparing)
        self.visitor = visitor

    @property
    def base(self) -> str:
        return "dashboard/my/base.html"

    @property
    def is_own(self) -> bool:
        return True

    @property
    def operates(self) -> bool:
        return False

    def to(self, view: str, *args: object, **changes: str) -> str:
        path = reverse(f"my_{view}", args=args)
        return address(path, {**self.kept, **changes})

    @property
    def first_href(self) -> str:
        return address(reverse("my"), self.kept)

    def navigation(self) -> list[Link]:
        match = self.request.resolver_match
        shown = match.url_name if match and match.url_name else ""
        return [
            Link(title, address(reverse(name), self.kept), shown in (name, name[:-1]))
            for name, title in NAVIGATION
        ]


View = Callable[..., HttpResponseBase]


def for_visitors(view: View) -> View:
    """A page for whoever may see something below /my/, handed over as `visitor`; others are asked
    who they are."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        visits = visitor(request)
        if visits is None:
            return redirect("my")
        response = view(request, visits, *args, **kwargs)
        response["Cache-Control"] = "private, no-store"
        return response

    return guarded


def missing(request: HttpRequest, frame: OwnFrame, what: str) -> HttpResponse:
    """The same for what does not exist and for what belongs to others."""
    return page(request, "my/missing", frame, 404, what=what)
