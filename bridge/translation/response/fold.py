"""Message events -> one message. The plain answer is the streamed one, folded."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from bridge.translation.errors.api_error import ApiError
from bridge.translation.response import events
from bridge.translation.response.tool_arguments import as_object


def fold(stream: Iterable[events.Event]) -> events.Message:
    """The message that these events build. Raises ApiError when the stream did not finish."""
    message: events.Message | None = None
    arguments: list[str] = []
    for event in stream:
        match event:
            case events.MessageStart():
                message = replace(event.message, content=[])
            case events.ContentBlockStart():
                arguments = []
                if message is not None:
                    message.content.append(replace(event.content_block))
            case events.ContentBlockDelta() if message is not None:
                _add(message.content[event.index], event.delta, arguments)
            case events.ContentBlockStop() if message is not None:
                block = message.content[event.index]
                if isinstance(block, events.ToolUseBlock):
                    block.input = as_object("".join(arguments) or "{}")
            case events.MessageDelta() if message is not None:
                _end(message, event)
    if message is None or message.stop_reason is None:
        raise ApiError.bad_gateway("Backend did not finish its answer")
    return message


def _add(block: events.Block, delta: events.BlockDelta, arguments: list[str]) -> None:
    match delta:
        case events.TextDelta(text) if isinstance(block, events.TextBlock):
            block.text += text
        case events.ThinkingDelta(text) if isinstance(block, events.ThinkingBlock):
            block.thinking += text
        case events.SignatureDelta(text) if isinstance(block, events.ThinkingBlock):
            block.signature = text
        case events.InputJsonDelta(text):
            arguments.append(text)


def _end(message: events.Message, event: events.MessageDelta) -> None:
    message.stop_reason = event.delta.stop_reason
    message.stop_sequence = event.delta.stop_sequence
    message.stop_details = event.delta.stop_details
    message.usage = event.usage
    message.context_management = event.context_management
