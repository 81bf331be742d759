"""The page at `/`: what this is, whether it serves, and how to use it."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from bridge.api import models
from bridge.client_settings.variables import YOUR_MODEL, ClientSetup
from bridge.configuration.snapshot import Snapshot
from bridge.keys.authentication import is_loopback
from bridge.pages.client_settings import page, setup
from bridge.pages.own_address import own_address
from bridge.runtime import gateway
from bridge.translation.profiles import ModelFacts
from bridge.translation.sizes import LONGEST_NAME

_STATES = {
    models.DRAINING: ("warn", "Restarting"),
    "ok": ("good", "Serving"),
    "degraded": ("warn", "Degraded"),
    "unhealthy": ("bad", "Not serving"),
}
LONGEST_NUMBER = 9
"""Digits of a window in the address of the page."""


@require_safe
async def welcome(request: HttpRequest) -> HttpResponse:
    """GET or HEAD /. Names and states only; needs no key."""
    parts = gateway.current()
    _, health = models.health(parts)
    shade, word = _STATES[health["status"]]
    context = {
        "shade": shade,
        "state": word,
        "demo": parts.snapshot.is_demo,
        "client_settings": page(settings_for(request, parts.snapshot)),
        "backends": health["backends"],
        "version": settings.VERSION,
    }
    response = render(request, "bridge/welcome.html", context)
    response["Cache-Control"] = "no-store"
    return response


def settings_for(request: HttpRequest, snapshot: Snapshot) -> ClientSetup:
    """For the model that the visitor chose, else the main one.

    A list of models needs a key, so its best name is shown to visitors of this machine only.
    """
    known = setup(snapshot.routes, own_address(request))
    chosen = request.GET.get("model", "")[:LONGEST_NAME]
    if not chosen and (snapshot.is_demo or _is_here(request)):
        return known
    window = request.GET.get("window", "")[:LONGEST_NUMBER]
    context = int(window) if window.isascii() and window.isdecimal() else None
    model = chosen or YOUR_MODEL
    return replace(known, model=model, facts=ModelFacts(model, context=context or None))


def _is_here(request: HttpRequest) -> bool:
    """Whether the visitor sits at this machine: a front on it passes another host name on."""
    host = urlsplit(f"//{request.get_host()}").hostname or ""
    return is_loopback(host) and is_loopback(request.META.get("REMOTE_ADDR") or "")
