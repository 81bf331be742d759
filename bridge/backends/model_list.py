"""Reading model lists: what each server tells about a model, and under which name. Pure.

`created` is not read: half of the servers put the time of the request there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from bridge.translation.json import JSON


@dataclass(frozen=True, slots=True)
class ListedModel:
    """One model of a list. None (and empty) is "not listed"; sizes in tokens.

    prices   input, output, cache_read, cache_write: US dollars per million tokens, as text
    """

    name: str
    context: int | None
    max_output: int | None
    vision: bool | None
    tools: bool | None
    reasoning: bool | None
    prices: dict[str, str]
    raw: dict[str, JSON]

    @property
    def is_bare(self) -> bool:
        """Tells nothing but the name."""
        facts = (self.context, self.max_output, self.vision, self.tools, self.reasoning)
        return not self.prices and all(value is None for value in facts)

    def columns(self) -> dict[str, Any]:
        """As columns of a row."""
        return {
            "context": self.context,
            "max_output": self.max_output,
            "vision": self.vision,
            "tools": self.tools,
            "reasoning": self.reasoning,
            "prices": self.prices,
            "entry": self.raw,
            "listed": True,
        }


_CONTEXT = (
    "meta.n_ctx",
    "max_model_len",
    "context_length",
    "top_provider.context_length",
    "meta.n_ctx_train",
)
_MAX_OUTPUT = ("max_output_length", "top_provider.max_completion_tokens")
_MODALITIES = ("input_modalities", "architecture.input_modalities")
_FEATURES = ("supported_features", "supported_parameters")
_PRICES = {
    "input": (
        "pricing.prompt",
        "pricing.input",
        "metadata.pricing.input_tokens",
        "price.input.usd",
    ),
    "output": (
        "pricing.completion",
        "pricing.output",
        "metadata.pricing.output_tokens",
        "price.output.usd",
    ),
    "cache_read": (
        "pricing.input_cache_read",
        "pricing.cached_input",
        "metadata.pricing.cache_read_tokens",
        "price.input_cache_read.usd",
    ),
    "cache_write": ("pricing.input_cache_write", "metadata.pricing.cache_write_tokens"),
}
_PER_TOKEN_BELOW = Decimal("0.001")
"""A price is per token when it is smaller, else per million: a thousand dollars per million tokens
is dearer than any model, a thousandth of a dollar per million cheaper than any that is not free."""
_VOLATILE = frozenset({"created", "permission", "status"})
"""Members that change with every read and tell nothing (or, like a command line, too much)."""


def read_list(document: object) -> list[ListedModel]:
    """The models of a list: ``{"data": [...]}``, ``{"models": [...]}`` or a bare list."""
    items: object = document
    if isinstance(document, dict):
        items = document.get("data") or document.get("models")
    entries = (read_entry(item) for item in items) if isinstance(items, list) else ()
    return list({entry.name: entry for entry in entries if entry}.values())


def read_entry(item: object) -> ListedModel | None:
    """One model; None when it has no name."""
    if isinstance(item, str):
        item = {"id": item}
    if not isinstance(item, dict):
        return None
    name = item.get("id") or item.get("name")
    if not isinstance(name, str) or not name or len(name) > 300:
        return None
    features = [feature for path in _FEATURES for feature in _list(item, path)]
    lists_features = any(_at(item, path) is not None for path in _FEATURES)
    modalities = [mode for path in _MODALITIES for mode in _list(item, path)]
    return ListedModel(
        name=name,
        context=_first_size(item, _CONTEXT),
        max_output=_first_size(item, _MAX_OUTPUT),
        vision="image" in modalities if modalities else None,
        tools="tools" in features if lists_features else None,
        reasoning="reasoning" in features if lists_features else None,
        prices=_prices(item),
        raw={key: value for key, value in item.items() if key not in _VOLATILE},
    )


def _at(item: dict[str, JSON], path: str) -> JSON:
    value: JSON = item
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _list(item: dict[str, JSON], path: str) -> Iterator[str]:
    value = _at(item, path)
    if isinstance(value, list):
        yield from (part for part in value if isinstance(part, str))


def _first_size(item: dict[str, JSON], paths: tuple[str, ...]) -> int | None:
    for path in paths:
        value = _at(item, path)
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**31:
            return value
    return None


def _prices(item: dict[str, JSON]) -> dict[str, str]:
    """Dollars per million tokens; empty unless both input and output are listed."""
    prices = {name: _first_price(item, paths) for name, paths in _PRICES.items()}
    if prices["input"] is None or prices["output"] is None:
        return {}
    per_token = max(prices["input"], prices["output"]) < _PER_TOKEN_BELOW
    factor = 1_000_000 if per_token else 1
    return {
        name: f"{(price * factor).normalize():f}"
        for name, price in prices.items()
        if price is not None
    }


def _first_price(item: dict[str, JSON], paths: tuple[str, ...]) -> Decimal | None:
    """The first number; OpenRouter has -1 where the price depends on what answers."""
    for path in paths:
        value = _at(item, path)
        if isinstance(value, (int, float, str)) and not isinstance(value, bool):
            price = _decimal(value)
            if price is not None:
                return price
    return None


def _decimal(value: int | float | str) -> Decimal | None:
    try:
        price = Decimal(str(value))
    except InvalidOperation:
        return None
    return price if price.is_finite() and 0 <= price < 10**6 else None
