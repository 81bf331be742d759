"""Keys of a running gateway's own, with limits."""

import json
from typing import Any

from tests.fakes import books
from tests.fakes.gateway import Gateway

ISSUE = """
import json, sys
from bridge.models import ApiKey
wanted = json.load(sys.stdin)
print(json.dumps({name: ApiKey.issue(name, given)[1] for name, given in wanted.items()}))
"""


def issue(gateway: Gateway, **limits: dict[str, Any]) -> dict[str, str]:
    """A key for each name, with these limits; the gateway knows them when this returns."""
    said = gateway.manage("shell", "-v0", "-c", ISSUE, said=json.dumps(limits))
    keys: dict[str, str] = json.loads(said)
    last = gateway.with_key(list(keys.values())[-1])
    books.until(lambda: last.get("/v1/models").status, lambda status: status == 200, gateway)
    return keys
