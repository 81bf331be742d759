"""Text that came from a backend, made fit for a client's eyes and for a log line.

Taken out: credentials of any known shape, the secrets and addresses that the caller names, local
file paths and stack traces (some servers put both into their error messages).
"""

from __future__ import annotations

import re

REDACTED = "[redacted]"
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?i)\b(bearer|basic)\s+[a-z0-9._~+/=-]{4,}"), rf"\1 {REDACTED}"),
    (re.compile(r"\b(sk|cpk|gw|hf|key|rk|pk)[-_][A-Za-z0-9_.-]{6,}[A-Za-z0-9]"), REDACTED),
    (re.compile(r"\bfile://[^\s'\"<>]+"), "file://[path]"),
    (re.compile(r'\s*File "[^"]*", line \d+(, in \S+)?'), ""),
    (re.compile(r"Traceback \(most recent call last\).*", re.S), ""),
    (re.compile(r"(?<![\w:/.])(?:/[\w.@+-]+){2,}/?"), "[path]"),
    (re.compile(r"\b[A-Za-z]:\\(?:[\w.@+-]+\\?)+"), "[path]"),
)


def redact(text: str, secrets: tuple[str, ...] = ()) -> str:
    """`text` without credentials, without `secrets`, without file paths or stack traces."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, REDACTED)
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text
