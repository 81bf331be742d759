"""Error bodies of any known shape: the sentence in them, the codes, and the status they name.

The cause of an error may stand deep: a router quotes its provider's reply as JSON text, a proxy
puts an error into the message of its own, some servers answer with an array, others with a flat
object, a third with server-sent text. So a body is walked from the outside in; the innermost
sentence is the one that a reader needs, and all of them are looked at for what they mean.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from bridge.translation.json import JSON, decode

MAX_PAGE = 300
"""Characters of a page or a plain text that are shown."""
_LONGEST = 64 * 1024
"""Characters of one text that are read. What a server says in more than that is no sentence."""
_LONGEST_SENTENCE = 1000
_DEEPEST = 6
_MOST = 5

_TEXTS = ("message", "msg", "error_msg", "errorMessage", "status_msg", "error_description")
_MORE_TEXTS = ("detail", "error", "title", "reason", "errorMsg", "Message", "faultstring")
_ERRORS = ("error", "errors", "Error", "fault", "exception", "detail", "message")
_INSIDE = (*_ERRORS, "base_resp", "innererror", "cause", "metadata")
_CODES = ("code", "type", "status", "status_code", "error_code", "error_type", "err_code")


@dataclass(frozen=True, slots=True)
class BackendErrorBody:
    """What an error body holds.

    text    the innermost sentence, "" when there is none
    texts   every sentence, the outermost first
    codes   every code and type, as text;  statuses   those that are numbers, or known words
    fields  names of request fields that the body points at
    """

    text: str
    texts: tuple[str, ...]
    codes: tuple[str, ...]
    fields: frozenset[str]

    @property
    def everything(self) -> str:
        """All that may name the cause, sentence by sentence."""
        return " \n ".join((*dict.fromkeys(self.texts), *self.codes))


def read_error(body: JSON) -> BackendErrorBody:
    """Take an error body apart. A body that is text is a page, a plain sentence or JSON."""
    walk = _Walk()
    shown = walk.page(body) if isinstance(body, str) else walk.value(body, 0)
    return BackendErrorBody(shown, tuple(walk.texts), tuple(walk.codes), frozenset(walk.fields))


def message_text(body: JSON) -> str:
    """The human sentence in an error body of any known shape; "" when there is none."""
    return read_error(body).text


class _Walk:
    """One walk through a body, collecting on the way. Each method returns the sentence to show."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.codes: list[str] = []
        self.fields: set[str] = set()

    def page(self, text: str) -> str:
        text = text[:_LONGEST]
        for payload in _payloads(text):
            if shown := self.value(payload, 1):
                return shown
        plain = _folded(without_tags(text))
        self.texts.append(plain)
        return plain[:MAX_PAGE].strip()

    def value(self, value: JSON, depth: int) -> str:
        if depth > _DEEPEST:
            return ""
        if isinstance(value, str):
            return self._text(value, depth)
        if isinstance(value, list):
            shown = [self.value(item, depth + 1) for item in value[:_MOST]]
            return next(filter(None, shown), "")
        return self._object(value, depth) if isinstance(value, dict) else ""

    def _text(self, text: str, depth: int) -> str:
        """A sentence; what it quotes as JSON says more than itself."""
        text = text[:_LONGEST]
        plain = _folded(text)
        if plain:
            self.texts.append(plain)
        quoted = _quoted(text)
        return (self.value(quoted, depth + 1) if quoted is not None else "") or plain

    def _object(self, value: dict[str, JSON], depth: int) -> str:
        self._note(value)
        own = ""
        for name in (*_TEXTS, *_MORE_TEXTS):
            text = value.get(name)
            if isinstance(text, str) and text and not own:
                own = self._text(text, depth)
        inside = [self._inside(value, name, depth) for name in _INSIDE]
        return next(filter(None, inside), "") or own

    def _inside(self, value: dict[str, JSON], name: str, depth: int) -> str:
        inner = value.get(name)
        if name == "metadata":
            return self._provider(inner, depth)
        return self.value(inner, depth + 1) if isinstance(inner, (dict, list)) else ""

    def _provider(self, metadata: JSON, depth: int) -> str:
        """What a router quotes of the provider behind it."""
        if not isinstance(metadata, dict):
            return ""
        raw, name = metadata.get("raw"), metadata.get("provider_name")
        shown = self.value(raw, depth + 1) if isinstance(raw, (str, dict, list)) else ""
        named = isinstance(name, str) and name and len(name) <= 80
        return f"{name}: {shown}" if shown and named else shown

    def _note(self, value: dict[str, JSON]) -> None:
        for name in _CODES:
            code = value.get(name)
            if isinstance(code, str) and code:
                self.codes.append(code[:200])
            elif isinstance(code, int) and not isinstance(code, bool):
                prefix = "base_resp " if "status_msg" in value else ""
                self.codes.append(f"{prefix}{code}"[:40])
        for place in (value.get("loc"), value.get("param"), value.get("field")):
            for part in place[:20] if isinstance(place, list) else [place]:
                if isinstance(part, str):
                    self.fields.update(re.findall(r"\w+", part[:500]))


def _quoted(text: str) -> JSON:
    """The JSON document that a text is, or ends with; None when there is none."""
    ends = text.rstrip().rstrip("'\"`.)")
    for opener, closer in (("{", "}"), ("[", "]")):
        start = text.find(opener)
        if start >= 0 and ends.endswith(closer):
            try:
                found = decode(ends[start:].encode("utf-8", "replace"))
            except ValueError:
                continue
            return found if isinstance(found, (dict, list)) else None
    return None


def _payloads(text: str) -> Iterator[JSON]:
    """The documents of server-sent text, or the one document that the text is."""
    if "data:" not in text:
        lines = [text] if text.lstrip()[:1] in ("{", "[") else []
    else:
        lines = [line[5:] for line in text.splitlines() if line.startswith("data:")]
    for line in lines[:_MOST]:
        try:
            yield decode(line.encode("utf-8", "replace"))
        except ValueError:
            continue


def without_tags(text: str) -> str:
    """What a page says to a reader. One pass: an unclosed tag hides the rest."""
    pieces: list[str] = []
    lower, position = text.lower(), 0
    while (start := text.find("<", position)) >= 0:
        pieces.append(text[position:start])
        hidden = next((n for n in ("script", "style") if lower.startswith(n, start + 1)), "")
        end = lower.find(f"</{hidden}", start) if hidden else start
        close = text.find(">", end) if end >= 0 else -1
        if close < 0:
            if not hidden:
                pieces.append(text[start:])
            return " ".join(pieces)
        position = close + 1
    pieces.append(text[position:])
    return " ".join(pieces)


def _folded(text: str) -> str:
    return " ".join(text.split())


# --- the status that an error names -----------------------------------------------------------

_STATUS_WORDS: dict[str, int] = {
    **dict.fromkeys(
        ("invalidrequesterror", "invalidrequest", "badrequest", "badrequesterror"), 400
    ),
    **dict.fromkeys(("invalidargument", "invalidparameter", "invalidparametererror"), 400),
    **dict.fromkeys(("contextlengthexceeded", "validationerror", "unprocessableentity"), 400),
    **dict.fromkeys(("datainspectionfailed", "contentfilter", "unsupportedparameter"), 400),
    **dict.fromkeys(("invalidapikey", "authenticationerror", "unauthenticated"), 401),
    **dict.fromkeys(("unauthorized", "invalidauthentication", "incorrectapikey"), 401),
    **dict.fromkeys(("insufficientquota", "billingerror", "arrearage", "paymentrequired"), 402),
    **dict.fromkeys(("insufficientbalance", "insufficientcredits", "billinghardlimitreached"), 402),
    **dict.fromkeys(("permissionerror", "permissiondenied", "accessdenied", "forbidden"), 403),
    **dict.fromkeys(("notfounderror", "modelnotfound", "notfound", "modelnotexist"), 404),
    **dict.fromkeys(("timeouterror", "deadlineexceeded", "requesttimeout", "timeout"), 504),
    **dict.fromkeys(("requesttoolarge", "payloadtoolarge"), 413),
    **dict.fromkeys(("ratelimiterror", "ratelimitexceeded", "resourceexhausted"), 429),
    **dict.fromkeys(("toomanyrequests", "throttling", "throttlingexception", "ratelimit"), 429),
    **dict.fromkeys(("throttlingratequota", "throttlingallocationquota", "limitrequests"), 429),
    **dict.fromkeys(("servererror", "internalservererror", "internalerror", "internal"), 500),
    **dict.fromkeys(("serviceunavailable", "unavailable", "serviceunavailableerror"), 503),
    **dict.fromkeys(("overloadederror", "overloaded", "engineoverloaded"), 529),
    **dict.fromkeys(("engineoverloadederror", "modeloverloaded", "serveroverloaded"), 529),
}
"""Codes and types that are words, in lower case without other characters."""

_NUMBERS: dict[str, int] = {
    # Zhipu and Z.ai.
    **dict.fromkeys(("1000", "1001", "1002", "1003", "1004"), 401),
    **dict.fromkeys(("1110", "1111", "1112", "1121"), 403),
    "1113": 402,
    "1211": 404,
    **dict.fromkeys(("1210", "1213", "1214", "1215", "1261", "1300", "1301"), 400),
    **dict.fromkeys(("1302", "1303", "1304", "1305", "1308"), 429),
    "1234": 502,
    # MiniMax, which names its codes in `base_resp`.
    "base_resp 1000": 500,
    **dict.fromkeys(("base_resp 1002", "base_resp 1039", "base_resp 2056"), 429),
    **dict.fromkeys(("base_resp 1004", "base_resp 2049"), 401),
    "base_resp 1008": 402,
    "base_resp 1001": 504,
    **dict.fromkeys(("base_resp 1013", "base_resp 1024", "base_resp 1033"), 500),
    **dict.fromkeys(("base_resp 1026", "base_resp 1027", "base_resp 1042", "base_resp 2013"), 400),
    # Spark, Ark and others use the HTTP status itself, which needs no row.
}
"""Codes of single vendors -> status."""

_NOT_ALNUM = re.compile("[^a-z0-9]")


def status_of_code(code: str) -> int:
    """The status that one code or type amounts to; 0 for one that names none."""
    if code.isdecimal() and len(code) == 3 and code[0] in "45":
        return int(code)
    word = _NOT_ALNUM.sub("", code.lower())
    return _NUMBERS.get(code) or _STATUS_WORDS.get(word, 0)


_IN_WORDS: tuple[tuple[re.Pattern[str], int], ...] = (
    (re.compile(r"rate.?limit|too many requests|throttl|\bqps\b|\b[rt]pm\b|频率|限流", re.I), 429),
    (re.compile(r"overload|at capacity|over capacity|capacity .{0,20}exceed|繁忙", re.I), 529),
    (re.compile(r"insufficient.{0,9}(balance|credit|quota|fund)|余额不足|欠费", re.I), 402),
    (re.compile(r"unauthori[sz]ed|not authenticated|(invalid|incorrect) api.?key", re.I), 401),
)
"""What a sentence speaks of -> the status that its server does not name."""


def fault_status(error: JSON) -> int:
    """The status that an error inside an answer names: by code, else by type, else in words; 0 when
    it does not.

    The innermost number counts, since routers wrap the errors of others; without one a word, of
    which those that only repeat the class of a status say less than the others.
    """
    read = read_error(error)
    numbers = [status_of_code(code) for code in read.codes if code[-1].isdecimal()]
    words = [status_of_code(code) for code in read.codes if not code[-1].isdecimal()]
    precise = [status for status in words if status not in (0, 400, 500)]
    found = [*filter(None, words), *precise, *filter(None, numbers)]
    return found[-1] if found else _status_in_words(read.text[:_LONGEST_SENTENCE])


def _status_in_words(sentence: str) -> int:
    return next((status for pattern, status in _IN_WORDS if pattern.search(sentence)), 0)
