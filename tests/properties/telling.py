"""Answers in which every word is known: what is told, and the message that must come of it.

Such an answer is well-formed, but told the way backends tell it: in any order, calls in turns and
numbered in one of the ways that servers have, with noise between. The expectation is the
specification (D3 to D5) once more, over the plain list of what was told, so that it shares nothing
with the state machine: blocks in order of first appearance, white space before a text held.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from tests.properties.noise import NOISE
from tests.properties.values import OBJECTS, TEXT, mended, pieces, written
from tests.shapes import Json

DONE = b"data: [DONE]\n\n"
KINDS = ("thinking", "text", "refusal", "call")


@dataclass(frozen=True, eq=False)
class Call:
    """A tool call: the object that it passes, and the JSON text of that in pieces."""

    identity: str
    name: str
    arguments: Json
    pieces: list[str]


@dataclass
class Told:
    """What a backend told: events on the wire, and entries (kind, text or call) as they came.

    numbering  "index", "id" or "zero": how its server tells its calls apart
    repeats    id and name stand on every fragment
    reasoning  the member where its server puts it
    """

    calls: list[Call]
    numbering: str
    repeats: bool
    reasoning: str
    raw: bool
    events: list[bytes] = field(default_factory=list)
    entries: list[tuple[str, Any]] = field(default_factory=list)
    reason: str = ""
    done: int = 0
    sent: dict[int, int] = field(default_factory=dict)

    # --- to tell ------------------------------------------------------------------------------

    def words(self, kind: str, text: str) -> None:
        member = {"thinking": self.reasoning, "text": "content"}.get(kind, kind)
        self._chunk({"delta": {member: text}})
        if whole := mended(text):
            self.entries.append((kind, whole))

    def call(self, number: int) -> None:
        """The next piece of this call, if there is one."""
        call, place = self.calls[number], self.sent.get(number, 0)
        if place == len(call.pieces):
            return
        self.sent[number] = place + 1
        if not place:
            self.entries.append(("call", call))
        self._chunk({"delta": {"tool_calls": [self._fragment(number, call, place)]}})

    def _fragment(self, number: int, call: Call, place: int) -> Json:
        named = not place or self.repeats
        fragment: Json = {"function": {"arguments": call.pieces[place]}}
        if self.numbering != "id":
            fragment["index"] = number if self.numbering == "index" else 0
        if named or self.numbering != "index":
            fragment["id"] = call.identity
        if named:
            fragment["function"]["name"] = call.name
        return fragment

    def finish(self, reason: str) -> None:
        self.reason = self.reason or reason
        self._chunk({"delta": {}, "finish_reason": reason})

    def end(self, done: int) -> None:
        """The rest of all calls that were begun, and the end marks."""
        for number in self.sent:
            for _ in self.calls[number].pieces:
                self.call(number)
        self.done = done

    def _chunk(self, choice: Json) -> None:
        self.events.append(b"data: " + written({"choices": [choice]}, self.raw).encode() + b"\n\n")

    @property
    def body(self) -> bytes:
        return b"".join(self.events) + DONE * self.done

    @property
    def plain(self) -> bytes:
        """The same content as one completion."""
        message: Json = {self.reasoning: self.all("thinking"), "content": self.all("text")}
        message["refusal"] = self.all("refusal")
        message["tool_calls"] = [
            {
                "id": call.identity,
                "function": {"name": call.name, "arguments": "".join(call.pieces)},
            }
            for call in self.begun
        ]
        choice = {"index": 0, "message": message, "finish_reason": self.reason or None}
        return written({"choices": [choice]}, self.raw).encode()

    # --- what must come of it -----------------------------------------------------------------

    @property
    def begun(self) -> list[Call]:
        return [value for kind, value in self.entries if kind == "call"]

    def all(self, kind: str) -> str:
        """All words of this kind."""
        return "".join(value for said, value in self.entries if said == kind)

    @property
    def complete(self) -> bool:
        """Whether this is a whole answer: a reason to stop, or the end mark behind something."""
        whole = all("".join(call.pieces) for call in self.begun)
        return bool(self.reason or (self.done and self.entries and whole))

    @property
    def stop_reason(self) -> str:
        if self.reason == "length":
            return "max_tokens"
        if self.all("refusal") or self.reason == "content_filter":
            return "refusal"
        return "tool_use" if self.begun else "end_turn"

    @property
    def content(self) -> list[Json]:
        """The blocks of the message, without ids and signatures."""
        return blocks(self.entries, self.reason == "length")

    @property
    def plain_content(self) -> list[Json]:
        """The same for the plain form, which has one place for each kind."""
        entries = sorted(self.entries, key=lambda entry: KINDS.index(entry[0]))
        return blocks(entries, self.reason == "length")


NEVER_BEGUN = {"__unparsedToolInput": {"raw": "{", "len": 1}}
"""The input of a call that was cut before its first argument: it must not run."""


def blocks(entries: list[tuple[str, Any]], cut: bool = False) -> list[Json]:
    """What a message shows of these entries."""
    shown: list[Json] = []
    blank = ""
    for kind, value in entries:
        if kind == "call":
            blank = ""
            never_begun = cut and not "".join(value.pieces).strip()
            given = NEVER_BEGUN if never_begun else mended(value.arguments)
            shown.append({"name": value.name, "input": given})
            continue
        member = "thinking" if kind == "thinking" else "text"
        if shown and member in shown[-1]:
            shown[-1][member] += value
        elif member == "thinking" or (blank + value).strip():
            shown.append({member: value if member == "thinking" else blank + value})
            blank = blank if member == "thinking" else ""
        else:
            blank += value
    return shown or [{"text": ""}]


# --- strategies -------------------------------------------------------------------------------

_IDENTITIES = st.sampled_from(["call_1", "functions.Bash:0", "toolu_01", "x" * 70, "é", "7"])
_CALLS = st.lists(
    st.tuples(
        _IDENTITIES,
        st.sampled_from(["Bash", "get_weather", "x.y"]),
        OBJECTS,
        st.lists(st.integers(0, 99), max_size=3),
        st.sampled_from([None, 1, (", ", " : ")]),
        st.booleans(),
    ),
    max_size=3,
    unique_by=lambda call: call[0],
)
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("text"), TEXT),
        st.tuples(st.just("thinking"), TEXT),
        st.tuples(st.just("call"), st.integers(0, 2)),
        st.tuples(st.just("call"), st.integers(0, 2)),
        st.tuples(st.sampled_from(["text", "thinking", "refusal"]), TEXT),
        st.tuples(st.just("text"), st.sampled_from([" ", "\n\n", "\u2028", "a", "\n b"])),
        st.tuples(st.just("noise"), NOISE),
    ),
    max_size=10,
)
_REASONS = st.sampled_from(
    ["stop", "tool_calls", "length", "content_filter", "function_call", "eos", "no such reason"]
)


def _call(identity: str, name: str, given: Json, cuts: list[int], form: Any, omitted: bool) -> Call:
    """`omitted`: an empty object is told as no text at all."""
    indent, separators = (form, None) if form == 1 else (None, form)
    text = written(given, raw=False, indent=indent, separators=separators)
    return Call(identity, name, given, [""] if omitted and not given else pieces(text, cuts))


@st.composite
def tellings(draw: st.DrawFn) -> Told:
    """An answer of a backend of any manners."""
    told = Told(
        [_call(*call) for call in draw(_CALLS)],
        draw(st.sampled_from(["index", "id", "zero"])),
        draw(st.booleans()),
        draw(st.sampled_from(["reasoning_content", "reasoning"])),
        draw(st.booleans()),
    )
    steps = draw(_STEPS)
    finish_at = draw(st.one_of(st.none(), st.just(len(steps)), st.integers(0, len(steps))))
    for number, (kind, value) in enumerate([*steps, ("end", 0)]):
        if number == finish_at:
            told.finish(draw(_REASONS))
        _tell(told, kind, value)
    told.end(draw(st.sampled_from([0, 1, 1, 2])))
    return told


def _tell(told: Told, kind: str, value: Any) -> None:
    if kind == "noise":
        told.events.append(value)
    elif kind == "call" and value < len(told.calls):
        told.call(value)
    elif kind in ("text", "thinking", "refusal"):
        told.words(kind, value)
