"""What an answer teaches about its backend and model."""

from __future__ import annotations

from bridge.backends.learned import LearnedFacts
from bridge.relay.attempt import UpstreamRequest
from bridge.translation.errors.api_error import ApiError
from bridge.translation.facts import FAMILY, REASONING_FIELD, Fact, value
from bridge.translation.profiles import with_facts
from bridge.translation.response.translate import Answer

SEEN_IN_ANSWERS = "Its answers carry their reasoning in this field."


def learn_from_answer(learned: LearnedFacts, outgoing: UpstreamRequest, answer: Answer) -> None:
    """Of an answer that came to its end."""
    prompt = answer.reported.prompt
    if answer.calls_natively:
        learned.called_natively(outgoing.target)
    learned.count(outgoing.target, outgoing.chat.learnt)
    _learn_reasoning_field(learned, outgoing, answer.reasoning_field)
    if outgoing.trial is not None:
        learned.tried(outgoing.trial, still_true=False)
    if prompt and not outgoing.chat.media:
        learned.counted(outgoing.target, outgoing.chat.text_bytes, prompt)


def learn_from_error(learned: LearnedFacts, outgoing: UpstreamRequest, error: ApiError) -> None:
    """An error in a begun answer may give away whose server it is."""
    if error.family:
        learned.learn(outgoing.target, (Fact(FAMILY, error.family),), error.message)


def _learn_reasoning_field(learned: LearnedFacts, outgoing: UpstreamRequest, field: str) -> None:
    """What a server of an unknown kind sends as reasoning, it may want back in the same field."""
    if field not in ("reasoning_content", "reasoning"):
        return
    known = with_facts(outgoing.profile, outgoing.facts).reasoning_history
    if not known and value(outgoing.facts.learnt, REASONING_FIELD) is None:
        learned.learn(outgoing.target, (Fact(REASONING_FIELD, field),), SEEN_IN_ANSWERS)
