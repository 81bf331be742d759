"""How large a prompt is, before it is known where it goes: by its bytes alone, and rather less.

Left out is what a backend may not get: thinking of earlier turns, and tools that are loaded later.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bridge.translation.json import JSON, encode
from bridge.translation.request.schema import Block, MessagesRequest, block_size, inner_blocks
from bridge.translation.tokens import BYTES_PER_TOKEN, PDF_BYTES_PER_TOKEN, estimate

_OF_A_TOOL = ("name", "description", "input_schema")
_APART = frozenset({"image", "document", "search_result"})
"""Blocks that `block_size` does not count."""


@dataclass(frozen=True, slots=True)
class PromptSize:
    """Bytes of text, number of images, and bytes of PDFs."""

    text_bytes: int = 0
    images: int = 0
    pdf_bytes: int = 0

    @classmethod
    def of_tokens(cls, tokens: int) -> PromptSize:
        """A text that is estimated at this many tokens."""
        return cls(round(tokens * BYTES_PER_TOKEN))

    def tokens(self, bytes_per_token: float = BYTES_PER_TOKEN) -> int:
        """The estimate for a model with this many bytes of text in a token."""
        pdf_tokens = round(self.pdf_bytes / PDF_BYTES_PER_TOKEN)
        return estimate(self.text_bytes, self.images, bytes_per_token) + pdf_tokens


def prompt_size(request: MessagesRequest) -> PromptSize:
    """The size of a request's prompt."""
    blocks = [block for message in request.messages for block in message.content]
    others = [block for block in _with_inner(blocks) if block.get("type") in _APART]
    text_bytes = sum(len(text.encode()) for text in request.system)
    text_bytes += sum(map(block_size, blocks))
    text_bytes += sum(_tool_size(tool) for tool in request.tools if not tool.get("defer_loading"))
    return PromptSize(
        text_bytes + sum(map(_text_apart, others)),
        sum(block["type"] == "image" for block in others),
        sum(map(_pdf_bytes, others)),
    )


def _with_inner(blocks: Iterable[Block]) -> Iterable[Block]:
    """The blocks, those inside of tool results, and those inside of the documents among them."""
    for block in blocks:
        kind = block.get("type")
        if kind == "text" or (kind == "tool_result" and isinstance(block.get("content"), str)):
            yield block
            continue
        inner = inner_blocks(block.get("content")) if kind == "tool_result" else ()
        for outer in (block, *inner):
            yield outer
            yield from _of_document(outer)


def _of_document(block: Block) -> tuple[Block, ...]:
    """The blocks that a document is made of, where it is made of blocks."""
    source = _source(block)
    return inner_blocks(source.get("content")) if source.get("type") == "content" else ()


def _source(block: Block) -> dict[str, JSON]:
    """Where a document's content is; empty for any other block."""
    source = block.get("source") if block.get("type") == "document" else None
    return source if isinstance(source, dict) else {}


def _tool_size(tool: dict[str, object]) -> int:
    return len(encode({name: tool[name] for name in _OF_A_TOOL if tool.get(name)}))


def _text_apart(block: Block) -> int:
    """Bytes of text in documents and search results."""
    if block["type"] == "search_result":
        return _texts(inner_blocks(block.get("content")))
    source = _source(block)
    data = source.get("data") if source.get("type") == "text" else None
    return (len(data.encode()) if isinstance(data, str) else 0) + _texts(_of_document(block))


def _texts(blocks: Iterable[Block]) -> int:
    return sum(len(text.encode()) for b in blocks if isinstance(text := b.get("text"), str))


def _pdf_bytes(block: Block) -> int:
    source = _source(block)
    data = source.get("data") if source.get("type") == "base64" else None
    return len(data) * 3 // 4 if isinstance(data, str) else 0
