"""What never gets from a backend's message to a client or a log."""

from __future__ import annotations

import pytest

from bridge.translation.errors.redaction import redact

SECRET = "upstream-secret-value"
REDACTED: list[tuple[str, str, str]] = [
    ("F128 the key that was sent", f"bad key {SECRET}!", "bad key [redacted]!"),
    ("F128 a bearer token", "got Bearer abc.def-123", "got Bearer [redacted]"),
    ("basic credentials", "Authorization: basic dXNlcjpwdw==", "Authorization: basic [redacted]"),
    (
        "an OpenAI key",
        "Incorrect API key provided: sk-proj-abcDEF123.",
        "Incorrect API key provided: [redacted].",
    ),
    ("a Chutes key with dots", "key cpk_abcdef01.23456789abc.defghijk0", "key [redacted]"),
    ("a key of the gateway", "unknown gw_abcdef123456", "unknown [redacted]"),
    ("the backend's host", "cannot connect to gpu7.example", "cannot connect to [redacted]"),
    ("a file path", "No such file: '/srv/models/q.gguf'", "No such file: '[path]'"),
    ("a path in a URL of a file", "file:///home/u/q.gguf is bad", "file://[path] is bad"),
    ("a Windows path", r"at C:\Users\me\q.gguf failed", "at [path] failed"),
    ("a stack trace", 'boom\nTraceback (most recent call last):\n  File "x.py"', "boom\n"),
    (
        "a model's name is no path",
        "model zai-org/GLM-4.5-Air not found",
        "model zai-org/GLM-4.5-Air not found",
    ),
    (
        "a fraction is no path",
        "1/2 and a/b/c and https://docs.example/a/b",
        "1/2 and a/b/c and https://docs.example/a/b",
    ),
    ("ordinary words", "the key-value cache is full", "the key-value cache is full"),
]


@pytest.mark.parametrize(("text", "shown"), [r[1:] for r in REDACTED], ids=[r[0] for r in REDACTED])
def test_text_is_made_fit_to_be_seen(text: str, shown: str) -> None:
    """The specification, E and G16: keys, tokens, hosts, paths and stack traces are taken out."""
    assert redact(text, (SECRET, "", "gpu7.example")) == shown


def test_frame_of_a_stack_trace_is_no_message() -> None:
    """llama-cpp-python observed: one frame behind the sentence, with the path of its source."""
    told = 'bad value File "llama_cpp/server/app.py", line 376, in create_chat_completion'
    assert "app.py" not in redact(told)
    assert redact(told).startswith("bad value")
