"""Every page as somebody opens it: all ranges, the filters of lists and their orders."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from urllib.parse import urlencode

from django.contrib.auth.models import User
from django.test import Client

from bridge.models import UsageRecord, UsageSession
from tests.addresses import addresses

RANGES = ("24h", "7d", "30d", "90d")
VISITOR = 10_000_000
"""A number that no row of a sequence has come to."""
KEY, PERSON, MODEL = 7, 2, "vendor/model-1"
"""The key is one of the person's."""
FILTERS: Mapping[str, tuple[dict[str, str], ...]] = {
    "dashboard/requests/": (
        {"key_id": str(KEY)},
        {"key": "key-7"},
        {"model": MODEL},
        {"backend": "lab"},
        {"alias": "claude-1-*"},
        {"outcome": "error"},
        {"outcome": "answered"},
        {"outcome": "refused,error"},
        {"status": "529"},
        {"error": "busy"},
        {"error": "no message has this"},
        {"error_type": "api_error"},
        {"person": "person-3"},
        {"team": "team-3"},
        {"client": "claude"},
        {"client": "curl"},
        {"failed_at": "lab"},
        {"trait": "retried"},
        {"trait": "unpriced"},
        {"request_class": "compaction"},
        {"tokens_from": "45k"},
        {"cost_from": "5"},
        {"seconds_from": "40"},
        {"model": MODEL, "outcome": "error", "seconds_from": "3"},
        {"sort": "-duration"},
        {"sort": "cost"},
        {"sort": "time"},
    ),
    "dashboard/errors/": (
        {"model": MODEL},
        {"key_id": str(KEY)},
        {"team": "team-3"},
        {"outcome": "error"},
        {"outcome": "refused,error"},
        {"status": "529"},
        {"error": "busy"},
        {"backend": "lab"},
        {"sort": "last"},
    ),
    "dashboard/keys/": ({"sort": "cost"}, {"sort": "key"}),
    "dashboard/sessions/": ({"sort": "-cost"}, {"sort": "turns"}, {"key_id": str(KEY)}),
}


def visitor() -> Client:
    """An admin."""
    user, _ = User.objects.update_or_create(
        pk=VISITOR, defaults={"username": "visitor", "is_superuser": True, "is_staff": True}
    )
    client = Client(HTTP_HOST="localhost")
    client.force_login(user)
    return client


def person() -> Client:
    """Somebody with keys, who looks at what is their own."""
    client = Client(HTTP_HOST="localhost")
    client.force_login(User.objects.get(pk=PERSON))
    return client


def page_addresses() -> Iterator[str]:
    """Without those that are no page but a button, or an API."""
    for address in sorted(addresses()):
        top = address.partition("/")[0]
        if top not in ("admin", "dashboard", "my", "device") or "(?P<" in address:
            continue
        if re.search(r"/(do|delete|revert|logout|probe|leave|rotate|end|name|r|jsi18n)/", address):
            continue
        page = _named(address)
        if top in ("dashboard", "my"):
            yield from _in_ranges(page)
        else:
            yield f"/{page}"


def _in_ranges(page: str) -> Iterator[str]:
    for name in RANGES:
        yield f"/{page}?range={name}"
    for told in FILTERS.get(page, ()):
        for name in RANGES[2:]:
            yield f"/{page}?{urlencode({'range': name, **told})}"


def _named(address: str) -> str:
    """An address with rows in the places of its parameters."""
    session = UsageSession.objects.filter(key_id=KEY).order_by("-last_at").first()
    request = UsageRecord.objects.filter(key_id=KEY).order_by("-time").first()
    assert session is not None and request is not None
    known = {
        "<slug:slug>": str(KEY),
        "<path:name>": MODEL,
        "<str:request_id>": request.request_id,
        "sessions/<int:pk>": f"sessions/{session.pk}",
    }
    for part, value in known.items():
        address = address.replace(part, value)
    return re.sub(r"<[^>]*>", "1", address)
