"""What a check is: how it asks, and how its answer becomes a finding. Pure.

    works = True    it worked when it was tried
    works = False   it was tried, and did not work
    works = None    the trial shows neither

Facts are stricter than that: a check writes one only where the answer proves it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from bridge.probe.reply import Body, ProbeReply
from bridge.translation.errors.redaction import redact
from bridge.translation.json import JSON
from bridge.translation.profiles import ModelFacts, Profile
from bridge.translation.request.translate import clamp

MAX_EVIDENCE = 200
READABLE = 10_000
"""Characters of evidence that are looked at for what must not be shown."""
ROOM = 300
"""Tokens that an ordinary check allows for its answer."""
THINKING_ROOM = 1000
"""So many more for a model that was seen thinking: it thinks before each of its answers."""
_SMALL_PROMPT = 300
READ_BYTES = 1024 * 1024

Message = dict[str, JSON]


@dataclass(frozen=True, slots=True)
class CheckVerdict:
    """What one answer shows. `facts`: by the names of `DiscoveredModel.FACTS`, only proven ones."""

    works: bool | None
    evidence: str
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finding:
    """A verdict, with the check that led to it."""

    check: str
    title: str
    works: bool | None
    evidence: str
    facts: Mapping[str, Any] = field(default_factory=dict)

    def document(self) -> dict[str, JSON]:
        """As it is stored and shown."""
        return {
            "check": self.check,
            "title": self.title,
            "works": self.works,
            "evidence": self.evidence,
        }


@dataclass(frozen=True, slots=True)
class Subject:
    """The model under probe, and the findings so far by the names of their checks."""

    model: str
    profile: Profile
    facts: ModelFacts
    earlier: Mapping[str, Finding] = field(default_factory=dict)

    def worked(self, check: str) -> bool | None:
        return self.earlier[check].works if check in self.earlier else None

    @property
    def thinks(self) -> bool:
        """It was seen thinking."""
        return any(finding.facts.get("reasoning") for finding in self.earlier.values())

    def with_finding(self, finding: Finding) -> Subject:
        return replace(self, earlier={**self.earlier, finding.check: finding})


Build = Callable[[Subject], Body]
Judge = Callable[[ProbeReply, Subject], CheckVerdict]


def _no_facts(reply: ProbeReply) -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to find out.

    build            makes the request; None: the answer to the check before shows this too
    judge            reads the answer; a refusal only with `judges_refusals`, else it means "no"
    read_bytes       no more of the answer is waited for
    refusal_facts    what a refusal proves
    """

    name: str
    title: str
    build: Build | None
    judge: Judge
    judges_refusals: bool = False
    read_bytes: int = READ_BYTES
    refusal_facts: Callable[[ProbeReply], Mapping[str, Any]] = _no_facts


def find(
    check: Check, reply: ProbeReply, subject: Subject, secrets: tuple[str, ...] = ()
) -> Finding:
    """The finding of a check; `secrets` do not appear in its evidence."""
    verdict = _verdict(check, reply, subject)
    facts = dict(verdict.facts)
    if reply.thought.strip():
        facts["reasoning"] = True
    return Finding(check.name, check.title, verdict.works, plain(verdict.evidence, secrets), facts)


def _verdict(check: Check, reply: ProbeReply, subject: Subject) -> CheckVerdict:
    if reply.silence:
        return CheckVerdict(None, f"No answer to judge: {reply.silence}")
    if reply.error and not check.judges_refusals:
        return CheckVerdict(False, f"Answered with {reply.words}", check.refusal_facts(reply))
    verdict = check.judge(reply, subject)
    if verdict.works is False and reply.cut and not reply.error and reply.is_blank:
        return CheckVerdict(None, f"{spent(reply)} went into thinking, so nothing is known")
    return verdict


def known_facts(findings: Iterable[Finding]) -> dict[str, Any]:
    """The facts that these findings prove; a later one wins."""
    facts: dict[str, Any] = {}
    for finding in findings:
        facts |= finding.facts
    return facts


def ask(subject: Subject, *messages: Message, room: int = ROOM, **fields: JSON) -> Body:
    """A request for the model under probe, in the spelling of its family."""
    body: Body = {"model": subject.model, "messages": list(messages), "stream": False, **fields}
    if subject.worked("temperature"):
        body["temperature"] = 0
    limit = room + THINKING_ROOM if subject.thinks else room
    body[subject.profile.max_tokens_field] = clamp(limit, _SMALL_PROMPT, subject.facts)
    return body


def user(content: JSON) -> Message:
    return {"role": "user", "content": content}


def system(text: str) -> Message:
    return {"role": "system", "content": text}


def assistant(text: str) -> Message:
    return {"role": "assistant", "content": text}


# --- words of the evidence --------------------------------------------------------------------


def plain(text: str, secrets: tuple[str, ...] = ()) -> str:
    """One line of at most 200 characters, without control characters, secrets and addresses."""
    text = redact("".join(_printable(character) for character in text[:READABLE]), secrets)
    folded = re.sub(r"\s+", " ", text).strip()
    return folded if len(folded) <= MAX_EVIDENCE else f"{folded[: MAX_EVIDENCE - 1]}…"


def _printable(character: str) -> str:
    kind = unicodedata.category(character)
    if kind in ("Cc", "Zl", "Zp"):
        return " "
    return "" if kind in ("Cf", "Cs", "Co", "Cn") else character


def quoted(text: str) -> str:
    """The answer's words. They stand last in a sentence that is cut once its secrets are out."""
    return f'"{text.strip()}"'


def answer_in_words(reply: ProbeReply) -> str:
    """What came in place of what was wanted."""
    if reply.calls:
        return f"it called {', '.join(map(str, reply.calls))}"
    return f"it answered {quoted(reply.text)}" if reply.text.strip() else "the answer was empty"


def spent(reply: ProbeReply) -> str:
    """The tokens of an answer that was cut."""
    count = reply.usage.completion if reply.usage else None
    return f"All {count} tokens" if count else "All tokens"
