"""A Claude Code that was signed in to the gateway, as its own files say after `/login`.

The key stands in its credential store beside the mark by which it trusts a gateway on loopback. So
the client acts on managed settings, budgets and the like, which it ignores behind a base URL.
"""

import json
import time
from pathlib import Path

from tests.e2e.claude_code import ClaudeCode
from tests.e2e.terminal import AS_INSTALLED

HOUR = 3600
LOOPBACK, TRUSTED = "127.0.0.1", "http-loopback"
SIGNED_IN = AS_INSTALLED | {
    "ANTHROPIC_BASE_URL": "",
    "ANTHROPIC_API_KEY": "",
    "ANTHROPIC_AUTH_TOKEN": "",
    "ANTHROPIC_MODEL": "",
}
"""Variables of a client that knows its gateway from signing in alone."""


def settings_folder(client: ClaudeCode) -> Path:
    return client.home / "settings"


def sign_in(client: ClaudeCode, key: str) -> dict[str, str]:
    """Sign this client in; its variables."""
    folder = settings_folder(client)
    folder.mkdir(exist_ok=True)
    expires = int((time.time() + HOUR) * 1000)
    store = {
        "enterpriseGateway": {"url": client.gateway.url, "jwt": key, "expiresAt": expires},
        "gatewayTrust": {LOOPBACK: TRUSTED},
    }
    path = folder / ".credentials.json"
    path.write_text(json.dumps(store))
    path.chmod(0o600)
    return SIGNED_IN | {"CLAUDE_CONFIG_DIR": str(folder)}
