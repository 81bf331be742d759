"""The ASGI application: `daphne proxysite.asgi:application`.

The data plane's paths are answered by plain ASGI callables that never enter Django; the control
plane's paths go to Django; everything else is a 404 in the envelope that Claude clients read. The
live page has a socket, for pages of our own only.
"""

from __future__ import annotations

import os
from typing import Any

from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from channels.sessions import SessionMiddlewareStack
from django.core.asgi import get_asgi_application
from django.urls import path, re_path

from proxysite.importing import lasting

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "proxysite.settings")
with lasting():
    pages: Any = get_asgi_application()

from bridge import process_settings
from bridge.api import endpoints
from bridge.api.entrance import BELOW, bounded, entrance, unknown
from bridge.api.fronts import believing
from bridge.api.hosted_below import below, whole
from bridge.pages.login_queue import LoginQueue
from bridge.telemetry.forwarding import Signal
from dashboard.live import consumers
from dashboard.live.origins import OwnOrigin
from proxysite import lifespan

# Typed for views; here they route to ASGI applications.
_path: Any = path
_re_path: Any = re_path
settings = process_settings.read()
_pages: Any = bounded(LoginQueue(whole(pages, settings.access.base_path)), settings.bodies)

sockets = URLRouter(
    [
        _path("dashboard/live/socket/", consumers.live),
        _re_path(r"", consumers.nowhere),
    ]
)
requests = URLRouter(
    [
        _path("v1/messages", endpoints.messages),
        _path("v1/messages/count_tokens", endpoints.count_tokens),
        _path("v1/models", endpoints.models),
        _path("v1/usage", endpoints.own_usage),
        _re_path(r"^v1/models/(?P<name>.+)$", endpoints.model),
        *(_path(f"v1/{signal}", endpoints.exports) for signal in Signal),
        _path("health", endpoints.health),
        _path("_schemas", endpoints.schemas),
        _path("metrics", endpoints.prometheus),
        _path("api/hello", endpoints.hello),
        _path("api/oauth/usage", endpoints.spending),
        _path("managed/settings", endpoints.managed),
        _path(".well-known/oauth-authorization-server", _pages),
        _path("oauth/device_authorization", _pages),
        _path("oauth/token", _pages),
        _path("oauth/revoke", _pages),
        _re_path(rf"^$|^({BELOW})(/|$)", _pages),
        _re_path(r"", unknown(endpoints.not_found, _pages)),
    ]
)
_access = settings.access
_sockets = AllowedHostsOriginValidator(OwnOrigin(SessionMiddlewareStack(sockets)))
_checked = believing(entrance(requests, _access), _access.trusted_proxies)
application = ProtocolTypeRouter(
    {
        "http": below(_checked, _access.base_path),
        "websocket": below(_sockets, _access.base_path),
        "lifespan": lifespan.of_process(settings),
    }
)
lifespan.adapt_server(settings)
