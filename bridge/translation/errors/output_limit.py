"""Refusals of `max_tokens`: the answer may not be as long as the request allows it to be.

The limit stands in the text, so the same request with a smaller `max_tokens` works. Such a text
must never read as an overflowing prompt: Claude Code would compact a conversation that fits.
"""

from __future__ import annotations

import re

from bridge.translation.errors.context_overflow import is_limit
from bridge.translation.errors.vocabulary import Meaning
from bridge.translation.errors.wording import LONGEST, Kind, Token, behind, compares, tokens

_REFUSING = frozenset(
    ["invalid", "illegal", "unsupported", "bad", "wrong", "incorrect", "must", "should", "cannot"]
)


def recognise(text: str, fields: frozenset[str] = frozenset()) -> bool:
    """Whether the text refuses the length of the answer. `fields` are those an error points at."""
    found = tokens(text)
    speaks = any(_is_output(found, i) for i in range(len(found)))
    pointed = bool(fields & {"max_tokens", "max_completion_tokens", "max_output_tokens"})
    if not speaks and not pointed:
        return False
    bounded = any(token.meaning & Meaning.LIMIT for token in found)
    compared = any(compares(found, i) for i in range(len(found)))
    refused = any(token.text in _REFUSING for token in found)
    return compared or (bounded and (refused or _has_number(found)))


def limit(text: str, max_tokens: int) -> int:
    """The longest answer that the text allows, below the `max_tokens` that was sent; else 0.

    Of several numbers the one that stands with the answer's length counts, behind a limit first. Of
    a number that must not be reached the one below it counts.
    """
    found = tokens(text)
    rated: list[tuple[int, int]] = []
    for i, token in enumerate(found):
        if token.kind is Kind.NUMBER and token.number < max_tokens:
            bound = is_limit(found, i)
            rated.append((2 * bound + _stands_with_output(found, i), token.number))
    longest = max(rated)[1] if rated else 0
    return longest - _is_out_of_reach(text[:LONGEST], longest) if longest else 0


_SEPARATOR = re.compile(r"(?<=\d)[,_](?=\d{3})")
_UP_TO = re.compile(
    r"(?:\b(?:less|lower|smaller|fewer) than|\bbelow|\bunder|(?<!<)<)[ `'\"]{0,2}(\d+)\b"
)
_EXCLUDED = re.compile(r"\b(\d+)[`'\"]? ?[(（](?:exclusive|不含)")


def _is_out_of_reach(text: str, number: int) -> bool:
    """Whether the text asks for less than this number."""
    plain = _SEPARATOR.sub("", text.lower())
    bounds = (found for pattern in (_UP_TO, _EXCLUDED) for found in pattern.findall(plain))
    return str(number) in bounds


def _is_output(found: list[Token], i: int) -> bool:
    return bool(found[i].meaning & Meaning.OUTPUT)


def _has_number(found: list[Token]) -> bool:
    return any(token.kind is Kind.NUMBER for token in found)


def _stands_with_output(found: list[Token], i: int) -> bool:
    near = [*behind(found, i), *found[i + 1 : i + 4]]
    about_prompt = any(token.meaning & (Meaning.CONTEXT | Meaning.PROMPT) for token in near)
    return any(token.meaning & Meaning.OUTPUT for token in near) and not about_prompt
