"""The beginning of a JSON document, without credentials, file paths and media.

Works on the document's source, a string literal at a time: each is decoded, cleaned as text and
encoded again. So a document that is cut off, or is none at all, is cleaned as well as a whole one,
and no more of it is read than is kept.
"""

from __future__ import annotations

import json
import re
from collections import Counter

from bridge.translation.errors.redaction import PATH, REDACTED, is_secret, redact_text
from bridge.translation.json import clean, encode_text

LEFT_OUT = "[left out]"
CREDENTIAL, LOCAL_PATH, IMAGE, FILE = "credential", "path", "image", "file"
"""Kinds of what is taken out."""
SHORTEST = 8
"""Characters. No credential is shorter, apart from the value of a member that is named so."""
_MEDIA = re.compile(r'"[A-Za-z0-9+/=_-]{200}')
_IMAGES = ('"iVBORw0KGgo', '"/9j/', '"R0lGOD', '"UklGR')
"""How PNG, JPEG, GIF and WebP begin in base64, behind the quotation mark."""
_LITERAL = re.compile(r'"(?:[^"\\]++|\\.)*+"', re.S)
_DECODABLE = re.compile(r'(?:[^"\\]++|\\["\\/bfnrt]|\\u[0-9A-Fa-f]{4})*+')
_STRUCTURE = re.compile(r"[\s{}\[\]:,]*+(?:true|false|null|[-+.0-9eE]{1,40})?[\s{}\[\]:,]*+")


def redact_json(source: str, limit: int, taken: Counter[str] | None = None) -> str:
    """The first `limit` characters of a JSON document, or a little more, fit to be kept.

    `taken` is told how much of which kind was taken out.
    """
    taken = Counter() if taken is None else taken
    kept, size, position, member = list[str](), 0, 0, ""
    while position < len(source) and size < limit:
        start = source.find('"', position)
        end = len(source) if start < 0 else start
        between = source[position : min(end, position + limit)]
        kept.append(between if _STRUCTURE.fullmatch(between) else _redacted(between, taken))
        size += end - position
        if start < 0 or size >= limit:
            break
        member = member if between.strip() == ":" else ""
        member, shown, position = _literal(source, start, member, 2 * limit, taken)
        kept.append(shown)
        size += len(shown)
    return "".join(kept)


def _literal(
    source: str, start: int, member: str, most: int, taken: Counter[str]
) -> tuple[str, str, int]:
    """(decoded text, what is shown of it, where it ends) of the string literal at `start`.

    `member` is the name that it is the value of, "" for none. One that does not end within `most`
    characters counts as cut off there, and as the last one of its document.
    """
    if member == "data" and _MEDIA.match(source, start):
        taken[IMAGE if source.startswith(_IMAGES, start) else FILE] += 1
        return "", f'"{LEFT_OUT}"', source.find('"', start + 1) + 1 or len(source)
    whole = _LITERAL.match(source, start, start + most)
    inside = source[start + 1 : whole.end() - 1 if whole else start + most]
    text = _decoded(inside)
    if text and is_secret(member):
        fit = REDACTED
        taken[CREDENTIAL] += 1
    else:
        fit = text if len(text) < SHORTEST else _redacted(text, taken)
    shown = encode_text(fit)
    return (text, shown, whole.end()) if whole else ("", shown[:-1], len(source))


def _redacted(text: str, taken: Counter[str]) -> str:
    """Some texts have the marks already: only what is new counts."""
    shown = redact_text(text)
    if shown != text:
        taken[CREDENTIAL] += max(0, shown.count(REDACTED) - text.count(REDACTED))
        taken[LOCAL_PATH] += max(0, shown.count(PATH) - text.count(PATH))
    return shown


def _decoded(inside: str) -> str:
    """The text that stands between the quotation marks, up to the first escape that is none."""
    found = _DECODABLE.match(inside)
    text: str = json.loads(f'"{found.group() if found else ""}"', strict=False)
    return clean(text, "\ufffd")
