"""Which family a backend belongs to, by what its replies give away: header names and error texts.

A model list that names no owner leaves a proxy unknown until it answers. The texts are hostile: an
error may quote a request, so a sign counts only near the beginning of the sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_HEADERS: tuple[tuple[str, str], ...] = (("x-litellm-", "litellm"),)
"""Beginning of a header name, in lower case -> family."""

_SENTENCES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(^|.{0,40}?\W)litellm\.[a-z]", re.I), "litellm"),
)
"""Beginning of an error's sentence -> family."""


def by_headers(names: Iterable[str]) -> str:
    """The family that these header names give away; "" for none."""
    lower = [name.lower() for name in names]
    found = (family for prefix, family in _HEADERS if any(n.startswith(prefix) for n in lower))
    return next(found, "")


def by_sentence(text: str) -> str:
    """The family that an error's sentence gives away; "" for none."""
    return next((family for pattern, family in _SENTENCES if pattern.match(text)), "")
