"""Fronts that host the gateway below a path, by what docs/how-to/deploy.md shows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.deploy.caddy_front import Front
from tests.deploy.fronts import DEPLOY, FRONT
from tests.deploy.test_nginx import nginx
from tests.fakes.gateway import Gateway

BASE = "/gateway"
SETTINGS = {"BASE_PATH": BASE, "TRUST_FORWARDED_PROTO": "1", "TRUSTED_PROXIES": FRONT}
GUIDE = DEPLOY.parent / "docs" / "how-to" / "deploy.md"


def shown(language: str, name: str) -> str:
    """The block of the guide in this language that has the name in it."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", GUIDE.read_text(), re.M | re.S)
    (found,) = [block for block in blocks if name in block]
    return str(found)


@contextmanager
def behind_nginx(home: Path, gateway: Gateway) -> Iterator[str]:
    """The whole site of deploy/nginx.conf, with the line that the guide changes; its address."""
    before, after = shown("nginx", "location").splitlines()
    front = nginx(home, gateway.port, {before.removeprefix("# instead of: "): after})
    try:
        yield f"https://{FRONT}:{front.port}"
    finally:
        front.stop()


@contextmanager
def behind_caddy(home: Path, gateway: Gateway) -> Iterator[str]:
    """The site of the guide on plain HTTP, which says that browsers came by it; its address."""
    site = shown("caddyfile", "handle_path").replace("example.com", "{$CADDY_DOMAIN}")
    path = home / "Caddyfile"
    path.write_text("{\n\tadmin off\n}\n" + site.replace("127.0.0.1:8080", "{$CADDY_UPSTREAM}"))
    with Front(home, f"{FRONT}:{gateway.port}", path) as front:
        yield front.url
