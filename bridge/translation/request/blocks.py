"""Content blocks -> parts: one small function for each kind, and the table of them.

A function gets the block and its `BlockContext` (where it stands, what the backend can do) and
returns parts. A block that means nothing to a backend returns none; an unknown kind is passed on
as its JSON text, since a silent loss is worse than an odd paragraph.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field

from bridge.translation.errors.api_error import ApiError
from bridge.translation.json import JSON, decode, encode_text
from bridge.translation.kept import read_signature
from bridge.translation.profiles import ModelFacts, Profile
from bridge.translation.request.parts import (
    FilePart,
    ImagePart,
    Part,
    ReasoningPart,
    SummaryPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    join_texts,
)
from bridge.translation.request.schema import Block, inner_blocks

IMAGE_OMITTED = "[image omitted: the selected model cannot read images]"
IMAGE_REFUSED = "Could not process image: the selected model does not accept image input"
PDF_REFUSED = "Could not process PDF: this model does not support PDF input"
NO_OUTPUT = "(no output)"
MAX_UNKNOWN = 2000

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG", "image/png"),
    (b"\xff\xd8", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"RIFF", "image/webp"),
)


@dataclass(slots=True)
class BlockContext:
    """Where a block stands and what stands behind it.

    dropped    collects the names of what the backend will not see
    tool_name  a tool's name in the request -> its name at the backend
    pdf_text   the text of a PDF in base64, "" when it has none; None where PDFs are not read
    """

    profile: Profile
    facts: ModelFacts
    refuse_images: bool
    tool_name: Callable[[str], str]
    pdf_text: Callable[[str], str] | None = None
    dropped: dict[str, None] = field(default_factory=dict)
    path: str = ""
    role: str = "user"
    in_result: bool = False

    @property
    def from_assistant(self) -> bool:
        return self.role == "assistant"


def to_pieces(blocks: tuple[Block, ...], context: BlockContext, path: str) -> list[Part]:
    """The pieces of one message's content, in block order."""
    pieces: list[Part] = []
    for i, block in enumerate(blocks):
        context.path = f"{path}.content.{i}"
        pieces += BLOCKS.get(block["type"], _unknown)(block, context)
    return pieces


def _words(text: str) -> list[Part]:
    return [TextPart(text)] if text else []


def _text(block: Block, context: BlockContext) -> list[Part]:
    return _words(block["text"])


def _nothing(block: Block, context: BlockContext) -> list[Part]:
    return []


def _unknown(block: Block, context: BlockContext) -> list[Part]:
    return [TextPart(encode_text(block)[:MAX_UNKNOWN])]


def _thinking(block: Block, context: BlockContext) -> list[Part]:
    if not context.from_assistant:
        return []
    kept = read_signature(block.get("signature"), context.facts.name)
    return (
        [ReasoningPart(block["thinking"], kept)] if block["thinking"] or not kept.is_empty else []
    )


# --- media ------------------------------------------------------------------------------------


def _image(block: Block, context: BlockContext) -> list[Part]:
    if context.from_assistant:
        return [TextPart("[image]")]
    if context.facts.reads_images is not False:
        return [ImagePart(_image_url(block["source"], context))]
    if context.refuse_images:
        raise ApiError.invalid(IMAGE_REFUSED)
    context.dropped["image"] = None
    return [TextPart(IMAGE_OMITTED)]


def _image_url(source: dict[str, JSON], context: BlockContext) -> str:
    path = f"{context.path}.image.source"
    kind = source.get("type")
    match "base64" if kind is None and "data" in source else kind:
        case "base64":
            data = _base64(source, path)
            return f"data:{_media_type(source, data)};base64,{data}"
        case "url" if source.get("url") and isinstance(source["url"], str):
            if not source["url"].lower().startswith(_ADDRESSES):
                raise ApiError.invalid(f"{path}.url: Input should be an http or https address")
            if not context.profile.image_urls:
                raise ApiError.invalid("image: URL sources are not supported by this backend")
            return str(source["url"])
        case "file":
            raise ApiError.invalid(f"{path}: file sources are not supported")
    raise ApiError.invalid(f"{path}: Input should be a base64 or url source")


def _base64(source: dict[str, JSON], path: str) -> str:
    data = source.get("data")
    if not data or not isinstance(data, str):
        raise ApiError.invalid(f"{path}.data: Field required")
    if data.startswith("data:"):
        data = data.partition(",")[2]
    if not (packed := "".join(data.split())):
        raise ApiError.invalid(f"{path}.data: Field required")
    return packed


_ADDRESSES = ("http://", "https://", "data:image/")
_REGISTERED = {"image/jpg": "image/jpeg", "image/pjpeg": "image/jpeg", "image/x-png": "image/png"}
"""Media types that clients write -> the registered ones, which is all that some backends take."""


def _media_type(source: dict[str, JSON], data: str) -> str:
    """The media type as given, without parameters; where that is no image's, by the first bytes."""
    given = source.get("media_type")
    kind = given.partition(";")[0].strip().lower() if isinstance(given, str) else ""
    if kind.startswith("image/"):
        return _REGISTERED.get(kind, kind)
    try:
        head = base64.b64decode(data[:16])
    except ValueError:
        head = b""
    return next((kind for magic, kind in _MAGIC if head.startswith(magic)), "image/png")


def _document(block: Block, context: BlockContext) -> list[Part]:
    source = block["source"]
    match source.get("type"):
        case "text" if isinstance(source.get("data"), str):
            return [TextPart(_wrapped(block, source["data"]))]
        case "content":
            return _inline_document(block, source.get("content"), context)
        case "base64":
            return _pdf(block, source, context)
    raise ApiError.invalid(PDF_REFUSED)


def _inline_document(block: Block, content: JSON, context: BlockContext) -> list[Part]:
    inner = inner_blocks(content)
    texts = [t for part in inner if isinstance(t := part.get("text"), str)]
    pieces: list[Part] = [TextPart(_wrapped(block, join_texts(texts)))]
    for part in inner:
        if part.get("type") == "image" and isinstance(part.get("source"), dict):
            pieces += _image(part, context)
    return pieces


def _pdf(block: Block, source: dict[str, JSON], context: BlockContext) -> list[Part]:
    data = _base64(source, f"{context.path}.source")
    if not context.profile.file_parts or context.in_result or context.from_assistant:
        text = context.pdf_text(data) if context.pdf_text else ""
        if not text:
            raise ApiError.invalid(PDF_REFUSED)
        return [TextPart(_wrapped(block, text))]
    name = block.get("title")
    filename = name if isinstance(name, str) and name else "document.pdf"
    return [FilePart(filename, f"data:application/pdf;base64,{data}")]


def _wrapped(block: Block, text: str) -> str:
    """A document's text between tags, with title and context where it has them."""
    title, context = block.get("title"), block.get("context")
    attribute = f' title="{title}"' if isinstance(title, str) and title else ""
    head = f"{context}\n" if isinstance(context, str) and context else ""
    return f"<document{attribute}>\n{head}{text}\n</document>"


def _search_result(block: Block, context: BlockContext) -> list[Part]:
    inner = inner_blocks(block.get("content"))
    texts = [t for part in inner if isinstance(t := part.get("text"), str)]
    source, title = block.get("source", ""), block.get("title", "")
    head = f'<search_result source="{source}" title="{title}">'
    return [TextPart(f"{head}\n{join_texts(texts)}\n</search_result>")]


# --- tools ------------------------------------------------------------------------------------


def _tool_use(block: Block, context: BlockContext) -> list[Part]:
    if not context.from_assistant:
        return []
    text = encode_text(_tool_input(block.get("input")))
    return [ToolCallPart(block["id"], context.tool_name(block["name"]), text)]


def _tool_input(value: JSON) -> dict[str, JSON]:
    """A tool's input as an object; bridges write it as JSON text."""
    if isinstance(value, str):
        try:
            value = decode(value.encode("utf-8", "replace"))
        except ValueError:
            return {"value": value}
        return value if isinstance(value, dict) else {"value": value}
    return value if isinstance(value, dict) else {}


def _tool_result(block: Block, context: BlockContext) -> list[Part]:
    pieces: list[Part] = []
    context.in_result = True
    for inner in inner_blocks(block.get("content")):
        pieces += IN_RESULT.get(inner.get("type", ""), _unknown)(inner, context)
    context.in_result = False
    text = "\n".join(piece.text for piece in pieces if isinstance(piece, TextPart))
    pictures = tuple(piece for piece in pieces if isinstance(piece, ImagePart))
    if block.get("is_error") is True:
        text = _marked_as_error(text)
    if context.from_assistant:
        return [TextPart(f"[tool result {block['tool_use_id']}] {text}")]
    return [ToolResultPart(block["tool_use_id"], text, pictures, context.path)]


def _marked_as_error(text: str) -> str:
    marked = text.lower().startswith(("error", "<tool_use_error>"))
    return text if marked else f"Error: {text or NO_OUTPUT}"


def _loaded_tool(block: Block, context: BlockContext) -> list[Part]:
    return [TextPart(f"Loaded tool: {block.get('tool_name', '')}")]


def _browser_state(block: Block, context: BlockContext) -> list[Part]:
    return [TextPart(encode_text(block.get("tabs")))]


def _compaction(block: Block, context: BlockContext) -> list[Part]:
    summary = block.get("content")
    if not isinstance(summary, str):
        return []
    return [SummaryPart(f"<conversation_summary>{summary}</conversation_summary>")]


# --- what ran on the vendor's side: sent as text ----------------------------------------------


def _server_use(block: Block, context: BlockContext) -> list[Part]:
    server = f"{block['server_name']}." if isinstance(block.get("server_name"), str) else ""
    return [TextPart(f"[{server}{block.get('name')} {encode_text(block.get('input') or {})}]")]


def _server_result(block: Block, context: BlockContext) -> list[Part]:
    return _words("\n".join(line for line in _result_lines(block.get("content")) if line))


def _result_lines(content: JSON) -> list[str]:
    if isinstance(content, str):
        return [content]
    if isinstance(content, list):
        return [line for item in content for line in _result_lines(item)]
    if not isinstance(content, dict):
        return []
    if "error_code" in content:
        return [f"error: {content['error_code']}"]
    if content.get("type") == "web_search_result":
        return [f"{content.get('title')} - {content.get('url')}"]
    if "stdout" in content or "stderr" in content:
        streams = [str(content.get(name) or "") for name in ("stdout", "stderr")]
        return [*streams, f"return code {content.get('return_code')}"]
    plain = content.get("media_type") in (None, "text/plain")
    names = ("url", "text", "data", "tool_name") if plain else ("url",)
    own = [v for k in names if isinstance(v := content.get(k), str)]
    nested = [content.get(k) for k in ("content", "source", "tool_references")]
    return own + [line for item in nested for line in _result_lines(item)]


_SERVER_RESULTS = (
    "web_search_tool_result",
    "web_fetch_tool_result",
    "code_execution_tool_result",
    "bash_code_execution_tool_result",
    "text_editor_code_execution_tool_result",
    "tool_search_tool_result",
    "advisor_tool_result",
    "mcp_tool_result",
)

BLOCKS: dict[str, Callable[[Block, BlockContext], list[Part]]] = {
    "text": _text,
    "image": _image,
    "document": _document,
    "search_result": _search_result,
    "thinking": _thinking,
    "tool_use": _tool_use,
    "tool_result": _tool_result,
    "server_tool_use": _server_use,
    "mcp_tool_use": _server_use,
    **dict.fromkeys(_SERVER_RESULTS, _server_result),
    "compaction": _compaction,
    **dict.fromkeys(
        (
            "redacted_thinking",
            "tool_reference",
            "container_upload",
            "fallback",
            "mcp_tool_listing",
            "tool_addition",
            "tool_removal",
        ),
        _nothing,
    ),
}

IN_RESULT: dict[str, Callable[[Block, BlockContext], list[Part]]] = {
    "text": _text,
    "image": _image,
    "document": _document,
    "search_result": _search_result,
    "tool_reference": _loaded_tool,
    "browser_state": _browser_state,
}
