"""Context overflow: any wording in, the two that Claude Code acts on out.

``prompt is too long: N tokens > M maximum`` makes it compact the conversation and repeat;
``input length and `max_tokens` exceed context limit: N + C > M`` makes it repeat with a smaller
`max_tokens`. So which of the two comes out, and with which numbers, decides whether a session
heals. A text is about an overflow when a prompt, a context or a number of tokens is compared with
a limit (`wording`); a limit over time, and a limit of the answer alone, are something else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from bridge.translation.errors.api_error import ApiError, Remedy
from bridge.translation.errors.vocabulary import Meaning
from bridge.translation.errors.wording import Kind, Token, ahead, behind, compares, tokens
from bridge.translation.json import JSON

MARGIN = 32
"""Tokens left free when `max_tokens` is cut to fit: templates add a few of their own."""
SMALLEST_USEFUL = 256
"""Below this a cut `max_tokens` would not give an answer worth having."""
BYTES_PER_TOKEN = 4
TOO_LONG_CODE = "capability_rejected: prompt_too_long"
"""Says the same as the sentence, independent of its wording, in the contract of Claude Code."""
TOO_LONG_IN_WORDS = f" ({TOO_LONG_CODE})"

_SUBJECTS = Meaning.PROMPT | Meaning.CONTEXT | Meaning.OUTPUT
_PART_OF_PROMPT = re.compile(r"(?<!\d)(\d{1,10}) of \w{1,20} input")


@dataclass(frozen=True, slots=True)
class Sizes:
    """Token counts named by a refusal; 0 where it names none. `at_least` marks a lower bound,
    `in_bytes` that the counts are of bytes."""

    prompt: int = 0
    completion: int = 0
    context: int = 0
    at_least: bool = False
    in_bytes: bool = False

    def filled(self, estimate: int, context: int, max_tokens: int) -> Sizes:
        """With the gateway's own knowledge where the backend reported nothing, or too little."""
        if self.in_bytes:
            return self._in_tokens().filled(estimate, context, max_tokens)
        prompt = max(self.prompt, estimate) if self.at_least else self.prompt or estimate
        limit = self.context or context
        completion = self.completion
        if not completion and 0 < self.prompt < limit:
            completion = max_tokens
        return replace(self, prompt=prompt, context=limit, completion=completion)

    def _in_tokens(self) -> Sizes:
        prompt, context = self.prompt // BYTES_PER_TOKEN, self.context // BYTES_PER_TOKEN
        return Sizes(prompt, 0, context, self.at_least)


def recognise(text: str, body: JSON, max_tokens: int = 0) -> Sizes | None:
    """The sizes, if this refusal is about the context length at all; else None.

    `max_tokens` is what the request asked for: it tells that number from the others.
    """
    error = body.get("error", body) if isinstance(body, dict) else None
    error = error if isinstance(error, dict) else {}
    names = " : ".join(str(error[k]) for k in ("type", "code") if isinstance(error.get(k), str))
    found = tokens(text)
    if not _is_overflow(found) and not _is_overflow(tokens(names)):
        return None
    sizes = _sizes(found, max_tokens)
    return replace(
        sizes,
        prompt=_whole(error.get("n_prompt_tokens")) or _parts(text) or sizes.prompt,
        context=_whole(error.get("n_ctx")) or sizes.context,
        at_least="at least" in text.lower(),
    )


def to_error(sizes: Sizes) -> ApiError:
    """The 400 for these sizes. Where a smaller `max_tokens` would fit, it comes as a remedy."""
    n, c, m = sizes.prompt, sizes.completion, sizes.context
    if 0 < n < m and n + c > m and c:
        message = (
            f"input length and `max_tokens` exceed context limit: {n} + {c} > {m}, "
            "decrease input length or `max_tokens` and try again"
        )
        room = m - n - MARGIN
        remedy = Remedy(max_tokens=room) if room >= SMALLEST_USEFUL else None
        return ApiError(400, message, remedy=remedy, context_limit=m)
    return too_long(n, m or max(n - 1, 1))


def too_long(tokens: int, maximum: int, status: int = 400, more: str = "") -> ApiError:
    """The error on which Claude Code compacts: the sentence, then the token in its details.

    The sentence always states more tokens than the maximum. A backend's overflow ends with it, for
    clients that read it as a whole; `more` is what the gateway says of its own limits.
    """
    sentence = f"prompt is too long: {max(tokens, maximum + 1)} tokens > {maximum} maximum"
    return ApiError(status, sentence + more, error_code=TOO_LONG_CODE, context_limit=maximum)


# --- whether it is one ------------------------------------------------------------------------


def _is_overflow(found: list[Token]) -> bool:
    every = _united(found)
    comparisons = [i for i in range(len(found)) if compares(found, i)]
    numbers = [token for token in found if token.kind is Kind.NUMBER]
    if _names_context(found) and (comparisons or len(numbers) > 1 or _bounds_context(found)):
        return not every & Meaning.OUTPUT or _context_is_bound(found, comparisons)
    if every & Meaning.RATE:
        return False
    if any(_is_of_prompt(found, i) for i in comparisons) or _bounds_prompt(found):
        return True
    if not every & Meaning.TOKENS or every & (Meaning.OUTPUT | Meaning.OTHER):
        return False
    if not comparisons:
        return _counts_beyond_bound(found)
    return bool(every & Meaning.LIMIT) or len(numbers) > 1


def _counts_beyond_bound(found: list[Token]) -> bool:
    """Two numbers of tokens and no comparison: the bound is the smaller one."""
    counts = [
        i
        for i, token in enumerate(found)
        if token.kind is Kind.NUMBER and _united(list(ahead(found, i, 2))) & Meaning.TOKENS
    ]
    bounds = [found[i].number for i in counts if is_limit(found, i)]
    sent = [found[i].number for i in counts if not is_limit(found, i)]
    return bool(bounds and sent) and min(sent) > max(bounds)


def _united(found: list[Token]) -> Meaning:
    meaning = Meaning.NONE
    for token in found:
        meaning |= token.meaning
    return meaning


def _names_context(found: list[Token]) -> bool:
    """A context with its length, window or limit."""
    for i, token in enumerate(found):
        if token.meaning & Meaning.CONTEXT:
            near = _united([*found[max(0, i - 2) : i], *found[i + 1 : i + 4]])
            if near & (Meaning.SIZE | Meaning.LIMIT | Meaning.COMPARE):
                return True
    return False


def _bounds_context(found: list[Token]) -> bool:
    """A sentence that does nothing but name the largest context."""
    numbers = (i for i, token in enumerate(found) if token.kind is Kind.NUMBER)
    return any(is_limit(found, i) and _subject(found, i) & Meaning.CONTEXT for i in numbers)


def _context_is_bound(found: list[Token], comparisons: list[int]) -> bool:
    """Beside a limit of the answer: the context is what is exceeded, not mentioned in passing."""
    if any(_is_of_prompt(found, i) for i in comparisons):
        return True
    numbers = [i for i, token in enumerate(found) if token.kind is Kind.NUMBER]
    if any(is_limit(found, i) and _subject(found, i) & Meaning.OUTPUT for i in numbers):
        return False
    return not numbers or any(_subject(found, i) & Meaning.CONTEXT for i in numbers)


def _bounds_prompt(found: list[Token]) -> bool:
    """A sentence without a comparison that gives the length of a prompt its limit in numbers."""
    for sentence in _sentences(found):
        every = _united(sentence)
        if every & (Meaning.OTHER | Meaning.OUTPUT) or not every & Meaning.LIMIT:
            continue
        units = Meaning.SIZE | Meaning.TOKENS | Meaning.BYTES
        sized = every & Meaning.PROMPT and every & units
        if sized and any(token.kind is Kind.NUMBER for token in sentence):
            return True
    return False


def _sentences(found: list[Token]) -> Iterator[list[Token]]:
    sentence: list[Token] = []
    for token in found:
        if token.kind is Kind.STOP:
            yield sentence
            sentence = []
        else:
            sentence.append(token)
    yield sentence


def _is_of_prompt(found: list[Token], i: int) -> bool:
    """Whether what is compared at `i` is the prompt: it stands before, or right behind."""
    for token in reversed(found[max(0, i - 12) : i]):
        if token.kind is Kind.STOP or token.meaning & Meaning.OTHER:
            break
        if token.meaning & Meaning.PROMPT:
            return True
        if token.meaning & Meaning.OUTPUT and not _is_summed(found, i):
            break
    following = found[i + 1 : i + 7]
    for position, token in enumerate(following):
        if token.kind is Kind.STOP or token.meaning & (Meaning.OTHER | Meaning.OUTPUT):
            return False
        if token.meaning & Meaning.PROMPT:
            near = _united(following[max(0, position - 3) : position + 3])
            return bool(near & (Meaning.SIZE | Meaning.LIMIT)) or bool(
                found[i].meaning & Meaning.SHORTEN
            )
    return False


def _is_summed(found: list[Token], i: int) -> bool:
    return bool(_united(found[max(0, i - 12) : i]) & Meaning.SUM)


# --- its numbers ------------------------------------------------------------------------------


def _sizes(found: list[Token], max_tokens: int) -> Sizes:
    prompts: list[int] = []
    used: list[int] = []
    limits: list[int] = []
    completion = 0
    for i, token in enumerate(found):
        if token.kind is not Kind.NUMBER:
            continue
        subject, bound = _subject(found, i), is_limit(found, i)
        if not bound and _is_sum(found, i) and token.number > max_tokens > 0:
            # The request with its answer: what is too long may be the answer alone.
            prompts.append(token.number - max_tokens)
            completion = max_tokens
        elif token.number == max_tokens or (subject & Meaning.OUTPUT and not bound):
            completion = completion or token.number
        elif bound:
            limits.append(token.number)
        else:
            (prompts if subject & Meaning.PROMPT else used).append(token.number)
    prompt, context = _paired(prompts, [n for n in used if n != completion], limits)
    if prompt and not prompts and completion and _says_total(found) and prompt > completion:
        prompt -= completion
    every = _united(found)
    in_bytes = bool(every & Meaning.BYTES) or any(token.text == "size" for token in found)
    in_bytes = in_bytes and not every & (Meaning.TOKENS | Meaning.CONTEXT)
    return Sizes(prompt, completion, context, in_bytes=in_bytes)


def _paired(prompts: list[int], used: list[int], limits: list[int]) -> tuple[int, int]:
    """(prompt, limit). Where words do not tell two numbers apart, the larger one was sent."""
    sent = prompts + used
    if sent and not limits and len(sent) > 1:
        return max(sent), min(sent)
    if len(limits) > 1 and not sent:
        return max(limits), min(limits) if max(limits) > min(limits) else 0
    return (sent[0] if sent else 0), (limits[0] if limits else 0)


def _subject(found: list[Token], i: int) -> Meaning:
    """Of what the number `i` is a size: what follows it tells, else what stands before."""
    for token in (*ahead(found, i), *behind(found, i)):
        if token.meaning & _SUBJECTS:
            return token.meaning
    return Meaning.NONE


def is_limit(found: list[Token], i: int) -> bool:
    """Whether the number `i` is a bound and no count of what was sent."""
    following = next(ahead(found, i, 1), None)
    if following is not None and following.text in ("max", "maximum", "limit"):
        return True
    for token in behind(found, i):
        if token.meaning & Meaning.USED:
            return False
        if token.meaning & (Meaning.LIMIT | Meaning.COMPARE | Meaning.CONTEXT | Meaning.THAN):
            return True
    return False


def _is_sum(found: list[Token], i: int) -> bool:
    """Whether the number `i` is said to be that of a prompt and its answer."""
    before = _united(list(behind(found, i)))
    both = Meaning.SUM | Meaning.OUTPUT | Meaning.PROMPT
    return before & both == both


def _says_total(found: list[Token]) -> bool:
    return any(token.text == "total" for token in found)


def _parts(text: str) -> int:
    """A prompt counted in parts: "(N of text input, N of tool input, ..."."""
    return sum(int(n) for n in _PART_OF_PROMPT.findall(text[:6000]))


def _whole(value: JSON) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
