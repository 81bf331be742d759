"""Short ways through the checks of a probe: a subject, an answer, the finding."""

import json
from typing import Any

from bridge.probe import reply
from bridge.probe.check import Check, Finding, Subject, find
from bridge.probe.checks import CHECKS
from bridge.translation.errors.from_backend import ErrorContext
from bridge.translation.profiles import PROFILES, ModelFacts, for_model
from tests.bridge.making import wire
from tests.fakes.chunks import Json, call, fold, text

BY_NAME = {check.name: check for check in CHECKS}
LISBON = '{"city": "Lisbon"}'


def subject(family: str = "generic", model: str = "m", **facts: Any) -> Subject:
    return Subject(model, for_model(PROFILES[family], model), ModelFacts(model, **facts))


def knowing(works: bool | None, *checks: str, **facts: Any) -> Subject:
    """A subject of which these checks said so before."""
    known = subject()
    for name in checks:
        known = known.with_finding(Finding(name, name, works, "", facts))
    return known


def asked(check: Check, about: Subject) -> Json:
    """The request of the check, or of the one before it whose answer it reads too."""
    position = CHECKS.index(check)
    build = next(c.build for c in reversed(CHECKS[: position + 1]) if c.build)
    return build(about)


def judged(name: str, *said: Json | str, about: Subject | None = None) -> Finding:
    """The finding when the model says this, in the mode in which the check asks."""
    about = about or subject()
    body = asked(BY_NAME[name], about)
    chunks = [chunk if isinstance(chunk, dict) else text(chunk) for chunk in said]
    raw = wire(*chunks) if body["stream"] else json.dumps(fold(chunks, "m")).encode()
    return find(BY_NAME[name], reply.answer(raw, body, ErrorContext()), about)


def refused(
    name: str, message: str, status: int = 400, about: Subject | None = None, **more: Any
) -> Finding:
    raw = json.dumps({"error": {"message": message, **more}}).encode()
    answer = reply.refusal(status, {}, raw, ErrorContext())
    return find(BY_NAME[name], answer, about or subject())


def weather(index: int = 0, arguments: str = LISBON, name: str = "get_weather") -> Json:
    return call(index, f"c{index}", name, arguments)
