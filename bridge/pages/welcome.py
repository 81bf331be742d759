"""The page at `/`: what this is, whether it serves, and how to use it."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from bridge.api import models
from bridge.configuration.snapshot import DEMO_CONTEXT, DEMO_MODEL
from bridge.runtime import gateway

_STATES = {
    models.DRAINING: ("warn", "Restarting"),
    "ok": ("good", "Serving"),
    "degraded": ("warn", "Degraded"),
    "unhealthy": ("bad", "Not serving"),
}


@require_safe
async def welcome(request: HttpRequest) -> HttpResponse:
    """GET or HEAD /. Names and states only; needs no key."""
    parts = gateway.current()
    _, health = models.health(parts)
    shade, word = _STATES[health["status"]]
    demo = parts.snapshot.is_demo
    context = {
        "base": f"{request.scheme}://{request.get_host()}",
        "shade": shade,
        "state": word,
        "demo": demo,
        "model": DEMO_MODEL if demo else "YOUR_MODEL",
        "window": DEMO_CONTEXT if demo else "ITS_CONTEXT_WINDOW",
        "key": "any-key" if demo else "YOUR_KEY",
        "backends": health["backends"],
        "version": settings.VERSION,
    }
    response = render(request, "bridge/welcome.html", context)
    response["Cache-Control"] = "no-store"
    return response
