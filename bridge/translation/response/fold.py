"""Message events -> one message. The plain answer is the streamed one, folded."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from bridge.translation.errors.api_error import ApiError
from bridge.translation.response import events
from bridge.translation.response.tool_arguments import as_object

MOST_PIECES = 4096


class _Pieces:
    """A text of many pieces. Characters that come alone are joined, for the memory they take."""

    def __init__(self) -> None:
        self._long: list[str] = []
        self._short: list[str] = []

    def write(self, text: str) -> None:
        self._short.append(text)
        if len(self._short) >= MOST_PIECES:
            self._long.append("".join(self._short))
            self._short.clear()

    def getvalue(self) -> str:
        return "".join((*self._long, *self._short))


class Fold:
    """A message as it grows. Feed it the events in any number of batches."""

    def __init__(self) -> None:
        self._message: events.Message | None = None
        self._text = _Pieces()
        self._signature = ""

    def feed(self, batch: Iterable[events.Event]) -> None:
        for event in batch:
            self._take(event)

    @property
    def message(self) -> events.Message:
        """The message. Raises ApiError when the stream did not finish."""
        if self._message is None or self._message.stop_reason is None:
            raise ApiError.bad_gateway("Backend did not finish its answer")
        return self._message

    def _take(self, event: events.Event) -> None:
        message = self._message
        match event:
            case events.MessageStart():
                self._message = replace(event.message, content=[])
            case events.ContentBlockStart() if message is not None:
                self._text, self._signature = _Pieces(), ""
                message.content.append(replace(event.content_block))
            case events.ContentBlockDelta(_, events.SignatureDelta(signature)):
                self._signature = signature
            case events.ContentBlockDelta() if message is not None:
                self._text.write(_words(message.content[event.index], event.delta))
            case events.ContentBlockStop() if message is not None:
                self._close(message.content[event.index])
            case events.MessageDelta() if message is not None:
                _end(message, event)

    def _close(self, block: events.Block) -> None:
        text = self._text.getvalue()
        match block:
            case events.TextBlock():
                block.text += text
            case events.ThinkingBlock():
                block.thinking += text
                block.signature = self._signature or block.signature
            case events.ToolUseBlock() | events.ServerToolUseBlock():
                block.input = as_object(text or "{}")


def fold(stream: Iterable[events.Event]) -> events.Message:
    """The message that these events build. Raises ApiError when the stream did not finish."""
    folding = Fold()
    folding.feed(stream)
    return folding.message


def _words(block: events.Block, delta: events.BlockDelta) -> str:
    """What the delta adds to this block; nothing, when it is of another kind."""
    match delta:
        case events.TextDelta(text) if isinstance(block, events.TextBlock):
            return text
        case events.ThinkingDelta(text) if isinstance(block, events.ThinkingBlock):
            return text
        case events.InputJsonDelta(text):
            return text
        case _:
            return ""


def _end(message: events.Message, event: events.MessageDelta) -> None:
    message.stop_reason = event.delta.stop_reason
    message.stop_sequence = event.delta.stop_sequence
    message.stop_details = event.delta.stop_details
    message.safeguard_results = event.delta.safeguard_results
    message.usage = event.usage
    message.context_management = event.context_management
