"""The sentences of refusals, taken apart: words by what they mean, numbers, and where both stand.

Servers word the same refusal in a hundred ways and change it with every release. What stays is
what a sentence must hold to say it at all: a thing that has a size, a limit, and a comparison of
the two. So a text becomes a list of tokens, each with the meanings of its word, and the readers of
one kind of refusal (`context_overflow`, `output_limit`) look at meanings and at their distance.

The scan is one pass over at most `LONGEST` characters and does not backtrack: the text is hostile.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Flag, auto

from bridge.translation.errors.vocabulary import FOREIGN, PHRASES, WORDS, Meaning

LONGEST = 6000
"""Characters that are looked at. Some servers put the whole request into their error message."""

SMALLEST, BIGGEST = 16, 10**10
"""Sizes of prompts and answers lie between; other numbers are indexes, codes and ids."""

_NOT_LATIN = re.compile("[⺀-꓏가-힣]")
_TOKEN = re.compile(
    r"(?P<number>\d+(?:[,_]\d{3})+(?!\d)|\d+(?:\.\d+)?)(?P<tail>\w*)"
    r"|(?P<word>[^\W\d]\w*(?:[-./]\w+)*)"
    r"|(?P<mark><=|>=|[<>≤≥+\[,)])"
    r"|(?P<stop>[.;!?](?=\s|$)|:(?=\s+\D|$)|\n)"
)
_PARTS = re.compile("[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_SCALES = {"k": 1000, "m": 1_000_000}
_BREAKS = Meaning.COMPARE | Meaning.THAN | Meaning.SUM
_ENDS = frozenset(",)")
_NO_SIZE_BEHIND = frozenset(
    ["line", "column", "index", "position", "id", "code", "status", "error", "http", "by"]
)


class Kind(Flag):
    """What a token is, beside what it means."""

    WORD = auto()
    NUMBER = auto()
    STOP = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """One word, number, mark or end of a sentence."""

    text: str
    meaning: Meaning
    kind: Kind = Kind.WORD
    number: int = 0


def tokens(text: str) -> list[Token]:
    """The tokens of a text, in order."""
    text = text[:LONGEST]
    plain = _spelled_out(text)
    found = [token for match in _TOKEN.finditer(plain) for token in _read(match)]
    return [token for i, token in enumerate(found) if not _is_no_size(found, i)]


def _spelled_out(text: str) -> str:
    """The text in lower case, with one spelling for phrases and a word for foreign ones."""
    text = _split_names(text).lower().replace("’", "'")
    for characters, words in FOREIGN if _NOT_LATIN.search(text) else ():
        text = text.replace(characters, words)
    text = _NOT_LATIN.sub(" ", text)
    for phrase, plain in PHRASES:
        text = text.replace(phrase, plain)
    return text


def _split_names(text: str) -> str:
    """Names of errors in words: ContextWindowExceededError is as good as a sentence."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", text)


def _read(match: re.Match[str]) -> Iterator[Token]:
    if match["number"]:
        yield _number(match["number"], match["tail"])
    elif match["mark"]:
        yield Token(match["mark"], WORDS.get(match["mark"], Meaning.NONE))
    elif match["stop"]:
        yield Token(match["stop"], Meaning.NONE, Kind.STOP)
    elif (word := match["word"]).replace("_", "").replace("-", "") in WORDS:
        yield Token(word, WORDS[word.replace("_", "").replace("-", "")])
    else:
        for part in re.split("[_./-]", word):
            yield Token(part, WORDS.get(part, Meaning.NONE))


def _number(digits: str, tail: str) -> Token:
    if tail and tail not in _SCALES and not tail.startswith("tok"):
        return Token(digits + tail, Meaning.NONE)
    plain = digits.replace(",", "").replace("_", "")
    size = float(plain[:20]) * _SCALES.get(tail, 1)
    if not size.is_integer() or not SMALLEST <= size <= BIGGEST:
        return Token(digits, Meaning.NONE)
    return Token(digits, Meaning.NONE, Kind.NUMBER, int(size))


def _is_no_size(found: list[Token], i: int) -> bool:
    """A number that counts lines or names a status, not tokens."""
    token = found[i]
    if token.kind is not Kind.NUMBER or i == 0:
        return False
    before = found[i - 1]
    is_status = 400 <= token.number <= 599 and before.text in ("<", "returned", "with")
    return is_status or before.text in _NO_SIZE_BEHIND


def behind(found: list[Token], i: int, longest: int = 9) -> Iterator[Token]:
    """The words in front of token `i`, nearest first, as far as the sentence or another number."""
    for token in reversed(found[max(0, i - longest) : i]):
        if token.kind is not Kind.WORD:
            return
        yield token


def ahead(found: list[Token], i: int, longest: int = 6) -> Iterator[Token]:
    """The words after token `i`, as far as they can belong to it."""
    for token in found[i + 1 : i + 1 + longest]:
        if token.kind is not Kind.WORD or token.meaning & _BREAKS or token.text in _ENDS:
            return
        yield token


def compares(found: list[Token], i: int) -> bool:
    """Whether token `i` begins a comparison: "exceeds", "too long", "more than"."""
    token = found[i]
    if token.meaning & (Meaning.COMPARE | Meaning.SHORTEN):
        return True
    following = found[i + 1].meaning if i + 1 < len(found) else Meaning.NONE
    if token.meaning & Meaning.TOO:
        return bool(following & Meaning.SIZE)
    return bool(token.meaning & Meaning.SIZE and following & Meaning.THAN)
