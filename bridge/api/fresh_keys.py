"""A session key may be younger than the snapshot of the process that its first request comes to.

Such a request waits for one look at the rows. Whoever makes up keys makes nobody look: session keys
carry a tag that only this installation can make.
"""

from __future__ import annotations

from collections.abc import Mapping

from bridge.keys import authentication
from bridge.runtime.gateway import Gateway
from bridge.sign_in import tokens


async def wait(gateway: Gateway, headers: Mapping[str, str]) -> None:
    """Return when the snapshot knows the keys of a request that it can know."""
    known, secret = gateway.snapshot.keys, gateway.settings.keys.secret_key
    for key in authentication.presented(headers):
        if tokens.is_session_key(key, secret) and authentication.digest(key) not in known:
            await gateway.store.look()
            return
