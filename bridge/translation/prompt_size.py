"""How large a prompt is, before it is known where it goes: by its bytes alone, and rather less.

Left out is what a backend may not get: thinking of earlier turns, and tools that are loaded later.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bridge.translation.json import encode
from bridge.translation.request.schema import Block, MessagesRequest, block_size, inner_blocks
from bridge.translation.tokens import BYTES_PER_TOKEN, PDF_BYTES_PER_TOKEN, estimate

_OF_A_TOOL = ("name", "description", "input_schema")


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
    media = [block for block in _with_inner(blocks) if block.get("type") in ("image", "document")]
    text_bytes = sum(len(text.encode()) for text in request.system)
    text_bytes += sum(map(block_size, blocks))
    text_bytes += sum(_tool_size(tool) for tool in request.tools if not tool.get("defer_loading"))
    return PromptSize(
        text_bytes + sum(map(_text_document, media)),
        sum(block["type"] == "image" for block in media),
        sum(map(_pdf_bytes, media)),
    )


def _with_inner(blocks: Iterable[Block]) -> Iterable[Block]:
    """The blocks, and those inside of tool results."""
    for block in blocks:
        yield block
        if block.get("type") == "tool_result":
            yield from inner_blocks(block.get("content"))


def _tool_size(tool: dict[str, object]) -> int:
    return len(encode({name: tool[name] for name in _OF_A_TOOL if tool.get(name)}))


def _text_document(block: Block) -> int:
    source = block.get("source") or {}
    data = source.get("data")
    is_text = block["type"] == "document" and source.get("type") == "text"
    return len(data.encode()) if is_text and isinstance(data, str) else 0


def _pdf_bytes(block: Block) -> int:
    source = block.get("source") or {}
    data = source.get("data")
    is_pdf = block["type"] == "document" and source.get("type") == "base64"
    return len(data) * 3 // 4 if is_pdf and isinstance(data, str) else 0
