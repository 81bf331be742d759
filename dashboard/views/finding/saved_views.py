"""Saved views of the list of requests: each user keeps and deletes their own."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from dashboard.pages.access import for_readers
from dashboard.pages.page import Frame, missing
from dashboard.queries.finding import saved_views
from dashboard.queries.finding.known_names import KnownNames
from dashboard.queries.keys import KnownKeys
from dashboard.tables.filter_bar import OF_TIME
from dashboard.tables.request_filters import request_filters

BESIDE = (*OF_TIME, "sort", "agent_id", "agent_type", "parent_agent_id", "compaction", "compacted")
"""Parameters of the list that are no filters of its bar."""


@require_POST
@for_readers
def keep(request: HttpRequest) -> HttpResponse:
    """Save the filters of the form's address under its name."""
    name, query = " ".join(request.POST.get("name", "").split()), _query(request)
    if problem := saved_views.keep(request.user.pk or 0, name, query):
        messages.error(request, problem)
    else:
        messages.success(request, f"These filters are saved as {name}.")
    return _back(query)


@require_POST
@for_readers
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    """The same answer for what does not exist and for what belongs to others."""
    name = saved_views.forget(request.user.pk or 0, pk)
    if not name:
        return missing(request, Frame(request), "saved view", "requests")
    messages.success(request, f"The view {name} is gone.")
    return _back(_query(request))


def _query(request: HttpRequest) -> str:
    """The parameters that the list knows, of those that the form sent."""
    known = request_filters(KnownKeys(), KnownNames((), (), {}, {}, ()), ())
    return saved_views.cleaned(request.POST.get("query", ""), {*known, *BESIDE})


def _back(query: str) -> HttpResponse:
    path = reverse("dashboard:requests")
    return redirect(f"{path}?{query}" if query else path)
