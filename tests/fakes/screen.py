"""What a terminal shows of the bytes that a program wrote to it: text only, no colours.

    screen = Screen(rows=50, columns=120)
    screen.feed(os.read(descriptor, 65536))
    assert screen.holds("Hello there")

A program that draws by moving the cursor writes only what changed, often without the spaces, so the
bytes alone do not read as lines. Lines that leave the screen at its top are kept.
"""

import codecs
import re
import unicodedata

_PIECE = re.compile(
    r"\x1b\[(?P<given>[0-9;:<=>?]*)[ -/]*(?P<final>[@-~])"
    r"|\x1b[\]PX^_].*?(?:\x07|\x1b\\)"
    r"|\x1b(?![\[\]PX^_])[ -/]*(?P<short>[0-~])"
    r"|(?P<control>[\x00-\x1a\x1c-\x1f\x7f])"
    r"|(?P<text>[^\x00-\x1f\x7f]+)",
    re.DOTALL,
)
"""One sequence, control character or run of text. What begins and does not match is unfinished."""
TAB = 8


def squeezed(text: str) -> str:
    """The text without white space: a line may be broken anywhere."""
    return "".join(text.split())


class Screen:
    """A grid of characters with a cursor, and the lines that went off it."""

    def __init__(self, rows: int, columns: int) -> None:
        self._rows, self._columns = rows, columns
        self._lines = [[" "] * columns for _ in range(rows)]
        self._gone: list[str] = []
        self._row, self._column = 0, 0
        self._saved = (0, 0)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._unread = ""

    def feed(self, data: bytes) -> None:
        self._unread += self._decoder.decode(data)
        at = 0
        while (piece := _PIECE.match(self._unread, at)) is not None:
            self._take(piece)
            at = piece.end()
        self._unread = self._unread[at:]

    @property
    def lines(self) -> list[str]:
        """What is shown now."""
        return ["".join(line).rstrip() for line in self._lines]

    @property
    def text(self) -> str:
        """All lines, those that went off the screen first."""
        return "\n".join([*self._gone, *self.lines])

    def holds(self, text: str) -> bool:
        """Whether this text is shown or was pushed off the top, white space apart."""
        return squeezed(text) in squeezed(self.text)

    def shows(self, text: str) -> bool:
        """Whether this text is shown now, white space apart."""
        return squeezed(text) in squeezed("\n".join(self.lines))

    def _take(self, piece: re.Match[str]) -> None:
        if text := piece["text"]:
            for character in text:
                self._write(character)
        elif control := piece["control"]:
            self._control(control)
        elif final := piece["final"]:
            if not piece["given"].startswith(("<", "=", ">", "?")):
                numbers = [int(n) if n.isdecimal() else 0 for n in piece["given"].split(";")]
                self._move(final, numbers)
        elif piece["short"] == "7":
            self._saved = (self._row, self._column)
        elif piece["short"] == "8":
            self._row, self._column = self._saved

    def _write(self, character: str) -> None:
        width = 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if unicodedata.combining(character):
            return
        if self._column + width > self._columns:
            self._column = 0
            self._feed_line()
        line = self._lines[self._row]
        line[self._column] = character
        if width == 2:
            line[self._column + 1] = ""
        self._column += width

    def _control(self, control: str) -> None:
        match control:
            case "\r":
                self._column = 0
            case "\n":
                self._feed_line()
            case "\b":
                self._column = max(self._column - 1, 0)
            case "\t":
                self._column = min(self._column // TAB * TAB + TAB, self._columns - 1)

    def _feed_line(self) -> None:
        if self._row < self._rows - 1:
            self._row += 1
            return
        self._gone.append("".join(self._lines.pop(0)).rstrip())
        self._lines.append([" "] * self._columns)

    def _move(self, final: str, numbers: list[int]) -> None:
        first = numbers[0]
        step = max(first, 1)
        match final:
            case "A":
                self._row = max(self._row - step, 0)
            case "B":
                self._row = min(self._row + step, self._rows - 1)
            case "C":
                self._column = min(self._column + step, self._columns - 1)
            case "D":
                self._column = max(self._column - step, 0)
            case "G":
                self._column = min(step, self._columns) - 1
            case "H" | "f":
                column = numbers[1] if len(numbers) > 1 else 1
                self._row = min(step, self._rows) - 1
                self._column = min(max(column, 1), self._columns) - 1
            case "J":
                self._erase_lines(first)
            case "K":
                self._erase(self._row, first)

    def _erase(self, row: int, kind: int) -> None:
        """0: from the cursor, 1: up to it, 2: the whole line."""
        start = 0 if kind else self._column
        end = self._column + 1 if kind == 1 else self._columns
        for column in range(start, min(end, self._columns)):
            self._lines[row][column] = " "

    def _erase_lines(self, kind: int) -> None:
        if kind != 3:
            self._erase(self._row, kind)
        below, above = range(self._row + 1, self._rows), range(self._row)
        for row in {0: [*below], 1: [*above], 2: [*above, *below]}.get(kind, []):
            self._erase(row, 2)
