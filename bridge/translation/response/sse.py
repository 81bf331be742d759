"""Server-sent events: bytes to payloads on the way in, events to frames on the way out.

The reader survives what backends really send (each seen in the wild): ``data:`` with or without
a space, LF, CRLF and CR, several data lines for one event, comments as keep-alive, chunk borders
inside a line or inside a character, a byte order mark, no blank line at the end. It splits at
LF, CR and CRLF only: U+2028, U+2029 and U+0085 are legal inside JSON strings, and a reader that
splits there tears events in two. All work is on bytes, so a split character needs no care.
"""

from __future__ import annotations

from bridge.translation.errors.api_error import ApiError
from bridge.translation.json import encode

MAX_EVENT_BYTES = 32 * 1024 * 1024
BOM = b"\xef\xbb\xbf"
_FIELD = b"data: "
END = b"\n\n"
"""What ends an event."""


class SseReader:
    """Bytes in, event payloads out. Comments and fields other than ``data`` are dropped; what an
    event named ``error`` says in plain words becomes an error object."""

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max = max_event_bytes
        self._tail: list[bytes] = []
        self._tail_size = 0
        self._data: list[bytes] = []
        self._size = 0
        self._at_start = True
        self._is_error = False

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next bytes; return the payloads of the events that they complete."""
        if whole := self.whole(data):
            return whole
        if self._at_start:
            data = self._skip_bom(data)
        payloads: list[bytes] = []
        if b"\n" in data or b"\r" in data or (self._tail and self._tail[-1] == b"\r"):
            *lines, rest = self._split(b"".join((*self._tail, data)))
            self._tail, self._tail_size = [], 0
            for line in lines:
                self._line(line, payloads)
            data = rest
            if data.endswith(b"\r"):
                # It may be the first half of CRLF: it waits for the other, in a piece of its own.
                self._keep(data[:-1])
                data = b"\r"
        self._keep(data)
        if self._size + self._tail_size > self._max:
            raise ApiError.bad_gateway("Backend sent an event that is too large")
        return payloads

    def whole(self, data: bytes) -> list[bytes]:
        """What `feed` would return where it would also keep nothing; else none, and in either case
        nothing is taken."""
        busy = self._at_start or self._tail or self._data or self._is_error
        return [] if busy else _whole_events(data)

    def finish(self) -> list[bytes]:
        """The stream is over: a last event counts even without its blank line."""
        payloads: list[bytes] = []
        self._line(b"".join(self._tail).rstrip(b"\r"), payloads)
        self._line(b"", payloads)
        self._tail = []
        return payloads

    def _keep(self, data: bytes) -> None:
        """The beginning of a line: its pieces are joined once, when it is whole."""
        if data:
            self._tail.append(data)
            self._tail_size += len(data)

    def _line(self, line: bytes, payloads: list[bytes]) -> None:
        if line.startswith(b"data:"):
            value = line[6:] if line[5:6] == b" " else line[5:]
            self._data.append(value)
            self._size += len(value) + 1
        elif not line:
            if self._data:
                payload = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
                payloads.append(_as_error(payload) if self._is_error else payload)
            self._data, self._size, self._is_error = [], 0, False
        elif line.startswith(b"event:"):
            self._is_error = line[6:].strip().lower() == b"error"

    def _skip_bom(self, data: bytes) -> bytes:
        head = b"".join((*self._tail, data))
        self._tail, self._tail_size = [], 0
        if len(head) < len(BOM) and BOM.startswith(head):
            return head
        self._at_start = False
        return head.removeprefix(BOM)

    @staticmethod
    def _split(text: bytes) -> list[bytes]:
        if b"\r" not in text:
            return text.split(b"\n")
        held = b"\r" if text.endswith(b"\r") else b""
        body = text[: len(text) - len(held)]
        lines = body.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        lines[-1] += held
        return lines


def _as_error(payload: bytes) -> bytes:
    """What an event of that name says, as an object that says so itself."""
    if payload.lstrip().startswith((b"{", b"[")):
        return payload
    return encode({"error": payload.decode("utf-8", "replace")})


def _whole_events(data: bytes) -> list[bytes]:
    """The payloads, where this is nothing but events of one line each, as servers mostly send
    them; else none."""
    if not (data.startswith(_FIELD) and data.endswith(END)) or b"\r" in data:
        return []
    payloads = data[len(_FIELD) : -len(END)].split(END + _FIELD)
    return payloads if data.count(b"\n") == len(END) * len(payloads) else []


def head(name: str) -> bytes:
    """What stands in front of an event's payload, as the Messages API writes it: END follows."""
    return b"event: " + name.encode() + b"\ndata: "
