"""Sending the checks of a probe, one after another.

A backend that cannot be reached, refuses the key, or leaves checks without an answer again and
again ends the run: what would follow tells nothing. Busy and failing answers get a second chance,
so that a moment's trouble is not taken for what the model can do.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from bridge.backends.client import MAX_ERROR_BYTES, BackendClient
from bridge.probe import reply as reply
from bridge.probe.check import Check, Finding, find, plain
from bridge.probe.checks import CHECKS
from bridge.probe.reply import Body, ProbeReply
from bridge.probe.target import ProbeError, ProbeTarget
from bridge.translation.errors.api_error import ApiError
from bridge.translation.errors.from_backend import ErrorContext
from bridge.translation.json import encode

CHECK_SECONDS = 60.0
"""Longest time for the whole of one answer."""
PAUSE_SECONDS = 2.0
LONGEST_PAUSE = 15
DROPPED = 502
KEY_WANTED = (
    "The backend wants a key and none is stored for it; manage.py probe takes one with --key-env"
)
MAX_SILENT = 3
"""So many checks in a row without an answer end the run."""

_BUSY = frozenset({402, 403, 408, 409, 425, 429, 502, 503, 504, 529})
"""Statuses that say nothing about the model: no answer to judge."""
_REPEATED = _BUSY - {402, 403} | {500}
"""A second try may go better."""


@dataclass(frozen=True, slots=True)
class ProbeProgress:
    """One finding more: the `done`-th of `total`."""

    done: int
    total: int
    finding: Finding


async def run(upstream: BackendClient, target: ProbeTarget) -> AsyncGenerator[ProbeProgress]:
    """All checks, each as it is found. Raises ProbeError: what was found is no whole probe."""
    probe = _Probe(upstream, target)
    subject, answer, silent = target.subject, ProbeReply(), 0
    for number, check in enumerate(CHECKS, 1):
        if check.build is not None:
            answer = await probe.answer(check, check.build(subject))
            silent = silent + 1 if answer.silence else 0
        finding = find(check, answer, subject, probe.secrets)
        if number == 1 and (answer.silence or answer.error):
            raise probe.stopped(probe.first_answer_problem(answer))
        if silent == MAX_SILENT:
            raise probe.stopped(f"No answer to {silent} checks in a row, at last: {answer.silence}")
        subject = subject.with_finding(finding)
        yield ProbeProgress(number, len(CHECKS), finding)


class _Probe:
    """Asks one model; every failure of the way there becomes a silence, or ends the run."""

    def __init__(self, upstream: BackendClient, target: ProbeTarget) -> None:
        self._upstream = upstream
        self._target = target
        host = urlsplit(target.backend.url).hostname or ""
        self.secrets = (target.key, target.backend.host, host)
        self._error_context = ErrorContext(
            model=target.subject.model, operator_key=True, secrets=self.secrets
        )

    def stopped(self, why: str) -> ProbeError:
        """The end of the run, in words that may be shown."""
        return ProbeError(plain(why, self.secrets))

    async def answer(self, check: Check, body: Body) -> ProbeReply:
        """What the model answers, after a second chance if it was busy or failed."""
        answer = await self._ask(check, body)
        if answer.error and answer.status in _REPEATED and not _is_understood(answer.error):
            await asyncio.sleep(_pause(answer.error))
            answer = await self._ask(check, body)
        elif answer.silence and answer.status == DROPPED:
            # Often no fault of the model: a server that closes connections it promised to keep.
            answer = await self._ask(check, body)
        if answer.status == 401:
            raise self.stopped(self._key_problem(answer))
        if answer.error and answer.status in _BUSY and not _is_understood(answer.error):
            return replace(answer, silence=answer.words, error=None)
        return answer

    async def _ask(self, check: Check, body: Body) -> ProbeReply:
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                return await self._exchange(check, body)
        except TimeoutError:
            return ProbeReply(status=504, silence=f"nothing complete in {CHECK_SECONDS:g} seconds")
        except ApiError as error:
            if error.unreachable:
                raise self.stopped(f"{error.message} ({self._target.backend.name})") from None
            return ProbeReply(status=error.status, silence=error.message)

    async def _exchange(self, check: Check, body: Body) -> ProbeReply:
        received = await self._upstream.send(self._target.backend, self._target.key, encode(body))
        good = 200 <= received.status < 300
        async with aclosing(received):
            raw = await received.read(check.read_bytes if good else MAX_ERROR_BYTES)
        if good:
            return reply.answer(raw, body, self._error_context)
        return reply.refusal(received.status, received.headers, raw, self._error_context)

    def _key_problem(self, answer: ProbeReply) -> str:
        if not self._target.key:
            return f"{KEY_WANTED} ({answer.words})"
        return f"The backend refused the key ({answer.words})"

    def first_answer_problem(self, answer: ProbeReply) -> str:
        """Why a model that does not even give a plain answer is not probed any further."""
        if answer.status == 403:
            return self._key_problem(answer)
        if answer.error and answer.error.status == 404:
            return f"The backend does not know the model {self._target.subject.model}"
        reason = answer.silence or (answer.error.message if answer.error else "")
        return f"The model gave no plain answer, so nothing can be probed: {reason}"


def _is_understood(error: ApiError) -> bool:
    """Whatever its status, the refusal says that the request is at fault."""
    return error.status in (400, 404, 422)


def _pause(error: ApiError) -> float:
    return min(error.retry_after or PAUSE_SECONDS, LONGEST_PAUSE)
