"""The model list as Claude Code's model picker takes it.

The picker keeps only ids that contain `claude` or `anthropic`, so a list of open models would be
empty there: each name comes with the prefix without which the gateway looks names up as well.
Shown are a name that people can read, and one line on what the model can do and costs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

from bridge.ledger.pricing import Prices
from bridge.routing import served
from bridge.routing.resolve import PREFIX
from bridge.routing.served import EVERYTHING, Access
from bridge.routing.types import Route, Routes, Target
from bridge.translation.profiles import ModelFacts

_CLIENT = "claude-code/"


def is_meant(user_agent: str) -> bool:
    """Whether this client fills its picker from the list."""
    return user_agent.startswith(_CLIENT)


def identities(
    routes: Routes, names: Mapping[str, Route], access: Access = EVERYTHING
) -> dict[str, str]:
    """The id of each name: with the prefix, unless with it the name would lead elsewhere."""
    ids = {name: _prefixed(name) for name in names}
    others = {name for name in names if ids[name] != name}
    for name in others:
        route = served.find(routes, ids[name], access)
        if route is None or _place(route) != _place(names[name]):
            ids[name] = name
    return ids


def _prefixed(name: str) -> str:
    return name if name.startswith(PREFIX) else PREFIX + name


def _place(route: Route) -> tuple[str, str, str]:
    target = route.targets[0]
    return route.alias, target.backend.name, target.model


def display_names(names: Iterable[str]) -> dict[str, str]:
    """Each name without its vendor, unless two would look the same."""
    short = {name: name.rpartition("/")[2] or name for name in names}
    times = Counter(short.values())
    return {name: text if times[text] == 1 else name for name, text in short.items()}


def descriptions(targets: Mapping[str, Target], prices: Prices) -> dict[str, str]:
    """One line on each name: window, price, and what the model takes and does."""
    return {
        name: ", ".join([*_size(target.facts), *_price(target, prices), *_abilities(target.facts)])
        for name, target in targets.items()
    }


def _size(facts: ModelFacts) -> Iterator[str]:
    if facts.context:
        yield f"{_rounded(facts.context)} tokens"


def _rounded(tokens: int) -> str:
    if tokens >= 1_000_000:
        return f"{tokens / 1_000_000:.3g}M"
    return f"{tokens / 1000:.3g}k" if tokens >= 1000 else str(tokens)


def _price(target: Target, prices: Prices) -> Iterator[str]:
    rates = prices.rates(target.backend.name, target.model)
    if rates is not None:
        yield f"${_dollars(rates.input)} in and ${_dollars(rates.output)} out per million"


def _dollars(micro: int) -> str:
    return f"{Decimal(micro).scaleb(-6).normalize():f}"


def _abilities(facts: ModelFacts) -> Iterator[str]:
    known = (("images", facts.reads_images), ("tools", facts.tools), ("thinking", facts.reasoning))
    yield from (word for word, can in known if can)
    if facts.tools is False:
        yield "no tools"
