"""Where a person is signed in with a client, and the end of one of these."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from bridge.models import SignIn
from bridge.models.changes import recorded
from dashboard.pages.own import OwnFrame, Visitor, for_visitors, missing

ENDED = "ended by the person"


def of_visitor(visitor: Visitor) -> Sequence[SignIn]:
    """Those that are still good, the newest first; none for somebody with a key. One query."""
    if visitor.holder is not None or visitor.person is None:
        return ()
    return list(SignIn.objects.of_person(visitor.person).active().with_last_use())


@require_POST
@for_visitors
def end(request: HttpRequest, visitor: Visitor, pk: int) -> HttpResponse:
    """Its client has to sign in again with the next request."""
    row = next((each for each in of_visitor(visitor) if each.pk == pk), None)
    if row is None:
        return missing(request, OwnFrame(request, visitor, comparing=False), "sign-in")
    with recorded(visitor.actor):
        row.end(ENDED)
    client = row.client or "the client without a name"
    messages.success(request, f"The sign-in of {client} has ended: it has to sign in again.")
    return redirect("my")
