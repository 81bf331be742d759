"""Refusals of an effort of thinking: beside tools, and of one level where others are taken.

Read like those of `refusals.py`: by meaning, since nobody can list the texts.
"""

from __future__ import annotations

import re

from bridge.translation import facts
from bridge.translation.errors.api_error import ApiError
from bridge.translation.errors.context import BackendRefusal, ErrorContext
from bridge.translation.errors.refusals import FIXABLE, refuses, rejected
from bridge.translation.facts import Fact
from bridge.translation.profiles import ALL_EFFORTS

_NONE_INSTEAD = re.compile(r"(set|use|to|be)\b.{0,40}?[`'\"]?\bnone\b", re.I)


def beside_tools(refusal: BackendRefusal, error_context: ErrorContext) -> ApiError | None:
    """An effort beside tools is refused unless it is "none"."""
    text = refusal.everything
    sent = error_context.sent.get("reasoning_effort")
    if sent in (None, "none") or "reasoning_effort" not in text or refusal.status not in FIXABLE:
        return None
    if not error_context.sent.get("tools") or not _NONE_INSTEAD.search(text) or not refuses(text):
        return None
    return rejected(refusal, Fact(facts.EFFORT_BESIDE_TOOLS, "none"))


_USUAL_EFFORTS = ("low", "medium", "high")
_ABOUT_EFFORT = re.compile(r"\beffort\b|reasoning.?effort", re.I)
_FIELD_UNKNOWN = re.compile(
    r"extra (input|field|key)|unrecogni[sz]ed|not permitted"
    r"|(unknown|unexpected) (field|parameter|argument|name|key)",
    re.I,
)


def refused_level(refusal: BackendRefusal, error_context: ErrorContext) -> ApiError | None:
    """This effort is refused where others are taken, mostly "none" by a model that always thinks.

    The ones that are taken stand in the text as often as not; else the usual three are.
    """
    text = refusal.everything
    sent = error_context.sent.get("reasoning_effort")
    is_about = _ABOUT_EFFORT.search(text) or "reasoning_effort" in refusal.fields
    if sent not in ALL_EFFORTS or not is_about or refusal.status not in FIXABLE:
        return None
    if _FIELD_UNKNOWN.search(text) or not refuses(text):
        return None
    words = set(re.findall(r"[a-z]+", text.lower()))
    taken = [effort for effort in ALL_EFFORTS if effort in words and effort != sent]
    if len(taken) < 2 and sent in words and sent not in _USUAL_EFFORTS:
        taken = [*_USUAL_EFFORTS]
    return rejected(refusal, Fact(facts.EFFORTS, " ".join(taken))) if len(taken) > 1 else None
