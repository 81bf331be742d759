"""Two backends behind one gateway in this process, and what tests ask of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bridge.runtime.gateway import Gateway
from tests.bridge.roads import Answer
from tests.fakes.backend import ALPHA
from tests.fakes.chunks import finish, role, text, usage

GOOD = (role(), text("Hello"), finish("stop"), usage(5, 2))
LISTED = ("listed", f"goes to main: {ALPHA}, then spare: {ALPHA}")
"""How the route of a model begins that both of them list."""


def change(engine: Gateway, **routes: Any) -> None:
    """Another configuration."""
    known = engine.snapshot
    engine.store.current = replace(known, routes=replace(known.routes, **routes))


def with_main(engine: Gateway, **fields: Any) -> None:
    """The first backend, otherwise configured."""
    main, *others = engine.snapshot.routes.backends
    change(engine, backends=(replace(main, **fields), *others))


def failures(engine: Gateway) -> list[int]:
    """What the breakers have counted, backend by backend."""
    return [engine.health.of(b).breaker.failures for b in engine.snapshot.routes.backends]


def well(answer: Answer, stream: bool) -> bool:
    """Whether the client got the whole usual answer."""
    message = answer.message if stream else answer.json
    return bool(message["content"] == [{"type": "text", "text": "Hello"}])
