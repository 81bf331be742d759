"""What the budget of a key, a person or a team cannot count, for the head of its page."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.concerns.limits import price_form, unpriced_requests
from bridge.configuration import unpriced
from bridge.models import ApiKey, PersonLimits, Team


@dataclass(frozen=True, slots=True)
class UnpricedNote:
    """A sentence, with a form for the price of each model it names, and its requests if any."""

    text: str
    forms: tuple[tuple[str, str], ...]
    requests: str = ""


def unpriced_of(row: ApiKey | PersonLimits | Team) -> UnpricedNote | None:
    """None where its budget counts everything, or there is none."""
    found = unpriced.of_row(row)
    if found is None:
        return None
    forms = tuple((model, price_form(model)) for model in found.shown)
    requests = unpriced_requests(found.holder.ref) if found.is_used else ""
    return UnpricedNote(found.text, forms, requests)
