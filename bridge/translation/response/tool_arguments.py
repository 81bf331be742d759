"""The arguments of one tool call: pieces of hopeful JSON in, pieces of one JSON object out.

Clients parse what they are sent strictly, and models write JSON loosely. So each piece goes
through an incremental scanner that forwards a valid prefix of a JSON object as it arrives and
mends on the way what can be mended without looking back:

    raw control characters in strings    escaped
    escapes that JSON does not know      ``\\&`` -> ``&``, ``\\d`` -> ``\\\\d``
    'single quotes'                      double quotes
    True, False, None                    true, false, null
    a comma before a closer              dropped
    text or code fences before ``{``     dropped
    anything after the closing brace     dropped (a second document, a closing fence)
    a text in quotes that spells it      the object that it spells, whole at the closing quote

What decides later is held back: the opening brace until the next character shows that an object
really begins, a comma until something follows it, a literal until it is whole. A document that
breaks nevertheless is only collected from there on; `finish` then sends the collected rest as it
came (the client reports it to the model as unparsable, as it would with the vendor), or, when
nothing had been forwarded, wraps the whole in an object.

A document that ends too early is a cut one: a client would run a command of which half is missing.
So nothing is invented at the end. Containers are closed only behind a complete value, and not
even there when the token limit was met; anything else stays open and is `left_open`.
"""

from __future__ import annotations

import re
from enum import Enum, auto

from bridge.translation.json import JSON, QuotedText, decode, encode_text


class _At(Enum):
    """Where in the document the scanner stands, i.e. what may come next."""

    START = auto()
    FIRST_KEY = auto()
    KEY = auto()
    COLON = auto()
    VALUE = auto()
    FIRST_ITEM = auto()
    NEXT = auto()
    STRING = auto()
    ESCAPE = auto()
    UNICODE = auto()
    QUOTE = auto()
    ATOM = auto()
    END = auto()
    BROKEN = auto()


_RUN = {'"': re.compile(r'[^"\\\x00-\x1f]*'), "'": re.compile(r"[^'\"\\\x00-\x1f]*")}
_ATOM_RUN = re.compile(r"[A-Za-z0-9+\-.]*")
_SPACE_RUN = re.compile(r"[ \t\r\n]+")
_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")
_PYTHON = {"True": "true", "False": "false", "None": "null"}
_LITERALS = _PYTHON | {word: word for word in _PYTHON.values()}
_HALF = "\\ufffd"
_HEX = frozenset("0123456789abcdefABCDEF")
_CONTROL = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}
_CLOSER = {"{": "}", "[": "]"}
LONGEST_ATOM = 400
"""Characters of a number or literal. What is longer is none."""
MOST_LAYERS = 3
"""How often a text may spell a text that spells the object."""
_BEGINNINGS = ("{", "[", '"')


class ArgumentStream:
    """One call's arguments. `complete` says that the object has been closed."""

    def __init__(self) -> None:
        self._at = _At.START
        self._stack: list[str] = []
        self._raw: list[str] = []
        self._out: list[str] = []
        self._sent = self._is_key = False
        self._held = self._atom = self._first = self._high = ""
        self._quote = '"'
        self._quoted = QuotedText()
        self._space: list[str] = []
        self.unread = ""

    @property
    def complete(self) -> bool:
        return self._at is _At.END

    @property
    def broken(self) -> bool:
        return self._at is _At.BROKEN

    @property
    def left_open(self) -> bool:
        """After `finish`: the document ended too early, and stays open."""
        return self._at not in (_At.END, _At.BROKEN)

    @property
    def raw(self) -> str:
        """Everything that came, as it came."""
        return "".join(self._raw)

    def feed(self, text: str) -> str:
        """Take a piece; return what of it, and of what was held, may go to the client now.

        What stands behind the closing brace is left in `unread`.
        """
        self._raw.append(text)
        position = 0
        while position < len(text) and self._at is not _At.END:
            position = self._step(text, position)
        self.unread = text[position:]
        return self._take()

    def finish(self, cut: bool = False) -> str:
        """The rest of the document, with the closers that are missing behind a complete value.

        `cut` says that the backend met its token limit: then nothing is closed.
        """
        if self._at is _At.END:
            return self._take()
        if not self._sent and self._at in (_At.START, _At.BROKEN):
            return self._whole(cut)
        if self._at is _At.NEXT and not cut:
            while self._stack:
                self._emit(_CLOSER[self._stack.pop()])
            self._at = _At.END
            return self._take()
        begun = {_At.ESCAPE: "\\", _At.UNICODE: "\\u"}.get(self._at, "")
        return self._take() + self._held + begun + self._atom

    # --- output ---

    def _take(self) -> str:
        text = "".join(self._out)
        self._out.clear()
        self._sent = self._sent or bool(text)
        return text

    def _emit(self, text: str) -> None:
        self._out.append(self._held + text)
        self._held = ""

    def _whole(self, cut: bool) -> str:
        """No object began: decide over the whole text."""
        raw = self.raw.strip()
        if raw in ("", "null", "None"):
            # A call that was cut before its arguments began must not run without them.
            self._at = _At.FIRST_KEY if cut else _At.END
            return "{" if cut else "{}"
        self._at = _At.BROKEN
        return encode_text(unparsed(raw) if cut and raw[-1] not in '"]}' else as_object(raw))

    # --- scanning ---

    def _step(self, text: str, position: int) -> int:
        """Consume at least one character (or change the state); return the new position."""
        match self._at:
            case _At.STRING:
                return self._in_string(text, position)
            case _At.ATOM:
                return self._in_atom(text, position)
            case _At.BROKEN:
                self._out.append(text[position:] if self._sent else "")
                return len(text)
            case _At.START:
                return self._before(text, position)
            case _At.UNICODE:
                return self._in_unicode(text, position)
        character = text[position]
        if self._at is _At.ESCAPE:
            self._escape(character)
        elif found := _SPACE_RUN.match(text, position):
            if self._at is _At.QUOTE:
                self._space.append(found[0])
            elif not self._held:
                self._emit(found[0])
            return found.end()
        else:
            return self._token(text, position, character)
        return position + 1

    def _before(self, text: str, position: int) -> int:
        self._first = self._first or text[position:].strip()[:1]
        if self._first == '"':
            return self._in_quotes(text, position)
        brace = text.find("{", position)
        if brace < 0 or self._first == "[":
            return len(text)  # an array is a whole document of its own: it is wrapped at the end
        self._held, self._at = "{", _At.FIRST_KEY
        self._stack.append("{")
        return brace + 1

    def _in_quotes(self, text: str, position: int) -> int:
        """What spells no object is wrapped at the end, with what stands behind its quotes."""
        end = self._quoted.end(text, position)
        found = object_in("".join([*self._raw[:-1], text[:end]]).strip()) if end else None
        if found is None:
            return len(text)
        self._emit(encode_text(found))
        self._at = _At.END
        return end

    def _token(self, text: str, position: int, character: str) -> int:
        """A character outside strings and literals that is not white space."""
        at = self._at
        if at is _At.QUOTE:
            self._after_quote(character)
            return position
        if character in "\"'" and at in (_At.FIRST_KEY, _At.KEY, _At.VALUE, _At.FIRST_ITEM):
            self._emit('"')
            self._quote, self._is_key = character, at in (_At.FIRST_KEY, _At.KEY)
            self._at = _At.STRING
        elif character == ":" and at is _At.COLON:
            self._emit(character)
            self._at = _At.VALUE
        elif character == "," and at is _At.NEXT:
            self._held = ","
            self._at = _At.KEY if self._stack[-1] == "{" else _At.VALUE
        elif character in "}]" and self._may_close(character):
            self._close_container(character)
        elif at in (_At.VALUE, _At.FIRST_ITEM):
            return self._begin_value(position, character)
        else:
            return self._break(text, position)
        return position + 1

    def _begin_value(self, position: int, character: str) -> int:
        if character in "{[":
            self._emit(character)
            self._stack.append(character)
            self._at = _At.FIRST_KEY if character == "{" else _At.FIRST_ITEM
            return position + 1
        self._at, self._atom = _At.ATOM, ""
        return position

    def _may_close(self, character: str) -> bool:
        if not self._stack or _CLOSER[self._stack[-1]] != character:
            return False
        after_comma = self._held == "," and self._at in (_At.KEY, _At.VALUE)
        return after_comma or self._at in (_At.FIRST_KEY, _At.FIRST_ITEM, _At.NEXT)

    def _close_container(self, character: str) -> None:
        if self._held == ",":
            self._held = ""
        self._emit(character)
        self._stack.pop()
        self._at = _At.NEXT if self._stack else _At.END

    def _in_string(self, text: str, position: int) -> int:
        if text[position] != "\\":
            self._lone_half()
        found = _RUN[self._quote].match(text, position)
        end = found.end() if found else position
        if end > position:
            self._emit(text[position:end])
        if end == len(text):
            return end
        character = text[end]
        if character == "\\":
            self._at = _At.ESCAPE
        elif character == '"':
            if self._quote == '"':
                self._end_string()
            else:
                self._emit('\\"')
        elif character == self._quote:
            self._at = _At.QUOTE
        else:
            self._emit(_CONTROL.get(character) or f"\\u{ord(character):04x}")
        return end + 1

    def _after_quote(self, character: str) -> None:
        """An apostrophe inside single quotes ends the string only before : , } or ]."""
        space, self._space = "".join(self._space), []
        if character in ":,}]":
            self._end_string()
            self._emit(space)
        else:
            self._emit("'" + "".join(_CONTROL.get(c, c) for c in space))
            self._at = _At.STRING

    def _escape(self, character: str) -> None:
        if character == "u":
            self._atom, self._at = "", _At.UNICODE
            return
        self._lone_half()
        if character in '"\\/bfnrt':
            self._emit("\\" + character)
        elif character.isalnum():
            self._emit("\\\\" + character)
        else:
            self._emit(_CONTROL.get(character, character))
        self._at = _At.STRING

    def _in_unicode(self, text: str, position: int) -> int:
        """The four digits behind ``\\u``; without them the escape is plain text."""
        if text[position] not in _HEX:
            self._spoilt_unicode()
            return position
        self._atom += text[position]
        if len(self._atom) == 4:
            self._code_unit(self._atom)
            self._atom, self._at = "", _At.STRING
        return position + 1

    def _code_unit(self, digits: str) -> None:
        """One escaped UTF-16 unit. Half a character becomes U+FFFD, a NUL vanishes."""
        unit, pair = int(digits, 16), self._high
        self._high = ""
        if 0xDC00 <= unit <= 0xDFFF:
            self._emit(f"\\u{pair}\\u{digits}" if pair else _HALF)
            return
        if pair:
            self._emit(_HALF)
        if 0xD800 <= unit <= 0xDBFF:
            self._high = digits
        elif unit:
            self._emit(f"\\u{digits}")

    def _lone_half(self) -> None:
        if self._high:
            self._high = ""
            self._emit(_HALF)

    def _spoilt_unicode(self) -> None:
        self._lone_half()
        self._emit("\\\\u" + self._atom)
        self._atom, self._at = "", _At.STRING

    def _end_string(self) -> None:
        self._lone_half()
        self._emit('"')
        self._at = _At.COLON if self._is_key else _At.NEXT

    def _in_atom(self, text: str, position: int) -> int:
        found = _ATOM_RUN.match(text, position)
        end = min(found.end() if found else position, position + LONGEST_ATOM)
        self._atom += text[position:end]
        if len(self._atom) < LONGEST_ATOM and (end == len(text) or self._end_atom()):
            return end
        return self._break(text, end)

    def _end_atom(self) -> bool:
        atom = self._atom
        literal = atom if _NUMBER.fullmatch(atom) else _LITERALS.get(atom)
        if literal is None:
            self._at = _At.BROKEN
            return False
        self._emit(literal)
        self._atom, self._at = "", _At.NEXT
        return True

    def _break(self, text: str, position: int) -> int:
        """Not JSON any more: from here on the text is only passed on, or collected."""
        self._at = _At.BROKEN
        if self._sent or self._out:
            self._emit(self._atom)
            self._atom = ""
            self._sent = True
        return position


def as_object(raw: str) -> dict[str, object]:
    """`raw` as a tool input whatever it is: an object, the object that a text spells, a wrapped
    value, or the text itself."""
    try:
        value = decode(raw.encode("utf-8", "replace"))
    except ValueError:
        return unparsed(raw)
    found = object_in(value)
    return {"value": value} if found is None else found


def object_in(value: JSON) -> dict[str, object] | None:
    """The object that a value is, or that a text spells."""
    for _ in range(MOST_LAYERS + 1):
        value = spelled(value) if isinstance(value, str) else value
    return value if isinstance(value, dict) else None


def spelled(text: str) -> JSON:
    """The value that a text spells in JSON, its slips mended; None where it spells none."""
    if not text.lstrip().startswith(_BEGINNINGS):
        return None
    stream = ArgumentStream()
    mended = stream.feed(f'{{"value":{text}}}')
    if not stream.complete or stream.unread.strip():
        return None
    try:
        found = decode(mended.encode("utf-8", "replace"))
    except ValueError:
        return None
    return found["value"] if len(found) == 1 else None


def unparsed(raw: str) -> dict[str, object]:
    """Arguments that are no JSON, in the shape that Claude Code itself uses for them."""
    return {"__unparsedToolInput": {"raw": raw, "len": len(raw.encode("utf-8", "replace"))}}
