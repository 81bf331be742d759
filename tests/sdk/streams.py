"""The streams that every SDK must read alike: all cases of tests/cases, and sixty made-up answers.

The made-up ones are those of the property tests, from a fixed seed.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.properties.listening import Heard, folded, listen, said
from tests.properties.telling import Told, tellings
from tests.shapes import CUT, Json
from tests.translation.transcripts import load, replay

MADE_UP = 60
COUNTS = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
READ = ("id", "type", "role", "model", "stop_reason", "stop_sequence")


@cache
def streams() -> dict[str, Heard]:
    """Every stream under its name; answers that are an error with a status are none."""
    found = {**dict(_cases()), **{f"made up {n}": heard for n, heard in enumerate(_made_up())}}
    return {name: heard for name, heard in found.items() if heard.raised is None}


def _cases() -> Iterator[tuple[str, Heard]]:
    for transcript in load("."):
        outcome = replay(transcript)
        yield transcript.name, Heard(outcome.events, outcome.raised)


def _made_up() -> list[Heard]:
    told: list[Told] = []

    @seed(105)
    @settings(
        max_examples=MADE_UP,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(tellings())
    def collect(example: Told) -> None:
        told.append(example)

    collect()
    return [listen([example.body]) for example in told]


def expected(heard: Heard) -> Json:
    """What an SDK must make of the stream: its message, or its error and the words before it."""
    result = heard.result
    if result["type"] == "error":
        return {"error": result["error"], "text": said(heard.events, "text")}
    return comparable(folded(heard))


def comparable(message: Json) -> Json:
    """The members that all SDKs have; arguments that were cut are each reader's own affair."""
    left_out = ["citations", "parsed_output", *(["input"] if message["stop_reason"] in CUT else [])]
    content = [
        {name: value for name, value in block.items() if name not in left_out}
        for block in message["content"]
    ]
    shown = {name: message[name] for name in READ} | {"content": content}
    return shown | {"usage": {name: message["usage"][name] for name in COUNTS}}


def text_of(message: Json | None) -> str:
    """The visible text of a message, or of what there is of one."""
    return "".join(block.get("text", "") for block in (message or {}).get("content", []))
