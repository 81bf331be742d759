"""Where in a text a call may stand: at the start of a line, outside fences and backquotes.

Follows Markdown as far as that needs: fences of three and more backquotes or tildes, code spans
between equal runs of backquotes, which a blank line ends. In doubt the text is quoted, so that an
example is never taken for a call: a fence may stand in a list, as deep as it likes, and three
backquotes inside a line, as behind "- ", quote until three more come.
"""

from __future__ import annotations

import re

_TOKENS = re.compile(r"`+|~+|\n|[^`~\n]+")
INDENT = 3
"""Blanks in front of a mark. A line with more is code."""
FENCE = 3
"""Backquotes or tildes of a fence, at least."""


class Quoting:
    """Feed it the text; `is_open` says whether what comes next is quoted."""

    def __init__(self) -> None:
        self._fence = ""
        self._fence_lead = 0
        self._span = 0
        self._run = ""
        self._lead: int | None = 0
        self._blank = True
        self._opens = self._closes = ""

    @property
    def is_open(self) -> bool:
        """What comes next is inside a fence or between backquotes. Asked at a line's start."""
        return bool(self._fence or self._span)

    def feed(self, text: str) -> None:
        if not (self._run or "`" in text or "~" in text or "\n" in text):
            self._words(text)
            return
        for found in _TOKENS.finditer(text):
            piece = found[0]
            if piece[0] in "`~":
                self._more(piece)
                continue
            self._settle()
            if piece == "\n":
                self._line_over()
            else:
                self._words(piece)

    def _more(self, token: str) -> None:
        """A run may come in pieces: it counts when something else follows."""
        if self._run and self._run[0] != token[0]:
            self._settle()
        self._run = (self._run + token)[:1000]

    def _words(self, text: str) -> None:
        if not text.isspace():
            self._lead, self._blank, self._closes = None, False, ""
        elif self._lead is not None:
            self._lead += len(text)

    def _settle(self) -> None:
        """A run of backquotes or tildes is over."""
        run, self._run = self._run, ""
        if not run:
            return
        lead, self._lead, self._blank = self._lead, None, False
        if self._fence:
            closes = lead is not None and lead <= self._fence_lead + INDENT
            self._closes = run if closes and run.startswith(self._fence) else ""
        elif lead is not None and len(run) >= FENCE and not self._span:
            self._opens, self._fence_lead = run, lead
        elif run[0] == "`":
            self._span_mark(len(run))

    def _span_mark(self, length: int) -> None:
        if self._opens.startswith("`"):
            # Backquotes behind backquotes on one line: a code span, not a fence.
            self._span, self._opens = len(self._opens), ""
        if not self._span:
            self._span = length
        elif self._span == length:
            self._span = 0

    def _line_over(self) -> None:
        if self._closes:
            self._fence = ""
        elif self._opens:
            self._fence = self._opens
        elif self._blank and self._span < FENCE:
            self._span = 0
        self._lead, self._blank, self._opens, self._closes = 0, True, "", ""
