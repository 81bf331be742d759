"""count_tokens: exact where the backend counts for us and the operator wants it, else an estimate.

The chat endpoint is never called for it. A backend that does not answer in two seconds, or with
something else than a number, costs those two seconds and nothing more.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal

from bridge.keys.authentication import Caller
from bridge.keys.limits import Account, AccountKind, AccountRef, Limits
from bridge.places import FullError
from bridge.relay.counting import tokenizer
from bridge.relay.parts import RelayParts
from bridge.routing.types import Target
from bridge.translation.errors.api_error import ApiError
from bridge.translation.json import JSON, decode, encode
from bridge.translation.request.translate import ChatRequest

logger = logging.getLogger(__name__)

LIMIT_SECONDS = 2.0
BUSY = "count_tokens: too many requests are waiting to be counted"
FORWARDED_BOOKS = 4096
MAX_BYTES = 16 * 1024 * 1024
_COUNTED = ("input_tokens", "count")
"""Where llama.cpp, and where vLLM and SGLang, put the number."""


async def check_rate(parts: RelayParts, caller: Caller) -> None:
    """Count a request against the minute that each key has for counting. Raises a 429."""
    most = parts.settings.count_tokens_rpm
    if not most:
        return
    account = Account(_book(caller), caller.name, Limits(rpm=most))
    decision = await parts.limiter.admit((account,), 0, parts.clocks.wall())
    if decision.reservation is None:
        message = f"count_tokens: rate limit of {most} requests per minute exceeded"
        raise ApiError(429, message, retry_after=decision.retry_after)
    await parts.limiter.settle(decision.reservation, 0, Decimal(), parts.clocks.wall())


def _book(caller: Caller) -> AccountRef:
    """Where the limiter keeps a key's counting. Numbers of rows are positive.

    Keys that are forwarded share some thousands of books, so that made-up ones fill no memory.
    """
    if caller.issued is not None:
        return AccountRef(AccountKind.COUNTING, caller.issued.id)
    return AccountRef(AccountKind.COUNTING, -(int(caller.fingerprint, 16) % FORWARDED_BOOKS))


@asynccontextmanager
async def place(parts: RelayParts, size: int) -> AsyncIterator[None]:
    """A place among those who count. Raises a 529 when too many wait."""
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(parts.counting.take(size))
        except FullError:
            raise ApiError(529, BUSY, retry_after=1) from None
        yield


async def count_tokens(parts: RelayParts, target: Target, chat: ChatRequest, key: str) -> int:
    """Tokens of the prompt, at least 1."""
    if parts.settings.exact_token_counts and target.backend.profile.count_path:
        exact = await _by_backend(parts, target, chat.body, key)
        if exact:
            return exact
    return await tokenizer.count_tokens(chat.body)


async def _by_backend(
    parts: RelayParts, target: Target, body: dict[str, JSON], key: str
) -> int | None:
    counted = {name: body[name] for name in ("model", "messages", "tools") if name in body}
    path = target.backend.profile.count_path
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            reply = await parts.upstream.post(target.backend, key, path, encode(counted))
            try:
                return _number(decode(await reply.read(MAX_BYTES)))
            finally:
                await reply.aclose()
    except (ApiError, TimeoutError, ValueError) as error:
        logger.info("no exact count from %s: %s", target.backend.name, error)
        return None


def _number(document: JSON) -> int | None:
    counts = (document.get(name) for name in _COUNTED) if isinstance(document, dict) else ()
    found = (n for n in counts if isinstance(n, int) and not isinstance(n, bool) and n > 0)
    return next(found, None)
