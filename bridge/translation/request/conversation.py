"""Turns of pieces -> chat messages: the order of a conversation, and its repair.

Chat completions are stricter about order than the Messages API: a tool message is legal only
directly behind the assistant message that made the call, every call wants an answer, and one side
does not speak twice in a row. Clients break each of these (a session cut in the middle of a call,
text in front of a result, two user messages in a row), so what comes in is put in order here:

    user turn       -> its results as tool messages in block order, then one user message
    assistant turn  -> one assistant message: text, tool calls, earlier reasoning
    call without result    -> a synthetic tool message that says so
    result without call    -> text of the user

Inputs are never changed; ids that two calls share get a suffix, on the call and on its result.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bridge.translation.errors.api_error import ApiError
from bridge.translation.json import JSON
from bridge.translation.profiles import Profile
from bridge.translation.request.blocks import NO_OUTPUT
from bridge.translation.request.parts import (
    ChatTurn,
    FilePart,
    ImagePart,
    Part,
    ReasoningPart,
    SystemPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    join_texts,
)
from bridge.translation.request.system import REMINDER
from bridge.translation.request.tool_ids import STYLES

NOT_EXECUTED = "(no result: the call was not executed)"
CONTINUED = "(continued)"
NO_REASONING = "(no reasoning was kept)"
"""Stands in for reasoning that is gone, where a backend refuses a turn without it."""
UNSIGNED: dict[str, JSON] = {
    "extra_content": {"google": {"thought_signature": "skip_thought_signature_validator"}}
}
"""What Gemini documents for calls that another model made, or whose signature is gone."""
EMPTY = "messages: text content blocks must be non-empty"

ChatMessage = dict[str, JSON]


@dataclass(slots=True)
class Pending:
    """The calls of the assistant message just written that wait for their results.

    `calls` leads from the id sent to the client's id, in order; the two differ where an id came
    twice. `_waiting` leads back.
    """

    calls: dict[str, str] = field(default_factory=dict)
    path: str = ""
    _waiting: dict[str, deque[str]] = field(default_factory=dict)

    def add(self, client_id: str, sent: str) -> None:
        self.calls[sent] = client_id
        self._waiting.setdefault(client_id, deque()).append(sent)

    def answer(self, client_id: str) -> str | None:
        """The id sent for the first waiting call with this id; it waits no longer."""
        waiting = self._waiting.get(client_id)
        if not waiting:
            return None
        sent = waiting.popleft()
        del self.calls[sent]
        return sent


def merge(turns: list[ChatTurn]) -> list[ChatTurn]:
    """Turns of which no two neighbours have the same role; empty ones are gone."""
    merged: list[ChatTurn] = []
    for turn in turns:
        if not turn.pieces:
            continue
        if merged and merged[-1].role == turn.role:
            merged[-1].pieces.extend(turn.pieces)
        else:
            merged.append(ChatTurn(turn.role, turn.path, list(turn.pieces)))
    return merged


def to_chat_messages(turns: list[ChatTurn], profile: Profile, strict: bool) -> list[ChatMessage]:
    """The conversation in the order that chat completions want. `strict` refuses to repair."""
    return _Writer(profile, strict).write(merge(_without_silent_turns(turns)))


def _without_silent_turns(turns: list[ChatTurn]) -> list[ChatTurn]:
    """Without assistant turns that only thought: they leave no message behind."""
    return [
        turn
        for turn in turns
        if turn.role != "assistant" or any(not isinstance(p, ReasoningPart) for p in turn.pieces)
    ]


class _Writer:
    """Writes the messages of one conversation, front to back."""

    def __init__(self, profile: Profile, strict: bool) -> None:
        self._profile = profile
        self._strict = strict
        self._style = STYLES[profile.tool_id_style]
        self._messages: list[ChatMessage] = []
        self._taken: set[str] = set()
        self._suffix: dict[str, int] = {}
        self._pending = Pending()
        self._calls = 0

    def write(self, turns: list[ChatTurn]) -> list[ChatMessage]:
        last_question = _last_question(turns)
        for number, turn in enumerate(turns):
            if turn.role == "assistant":
                self._settle_calls()
                self._assistant(turn, recent=number > last_question)
            else:
                self._user(turn)
        self._settle_calls()
        if not self._messages:
            raise ApiError.invalid(EMPTY)
        return self._messages

    # --- the assistant's side ---

    def _assistant(self, turn: ChatTurn, recent: bool) -> None:
        text = join_texts([p.text for p in turn.pieces if isinstance(p, TextPart)])
        message: ChatMessage = {"role": "assistant", "content": text}
        calls = [p for p in turn.pieces if isinstance(p, ToolCallPart)]
        thoughts = [p for p in turn.pieces if isinstance(p, ReasoningPart)]
        if calls:
            if not text and self._profile.null_content:
                message["content"] = None
            kept = _kept(thoughts)
            made = [self._call(call) | kept.get(call.id, {}) for call in calls]
            if self._profile.demands_signatures and not any("extra_content" in c for c in made):
                made[0] |= UNSIGNED
            message["tool_calls"] = made
            self._pending.path = turn.path
        if reasoning := self._reasoning(thoughts, bool(calls), recent):
            message[self._profile.reasoning_history] = reasoning
        if details := [detail for part in thoughts for detail in part.kept.details]:
            message["reasoning_details"] = details
        if self._profile.user_first and not self._messages:
            self._messages.append({"role": "user", "content": CONTINUED})
        self._messages.append(message)

    def _reasoning(self, parts: list[ReasoningPart], calls: bool, recent: bool) -> str:
        """The turn's earlier reasoning, as far as the family reads it; "" for none."""
        profile = self._profile
        if not profile.reasoning_history:
            return ""
        wanted = {"recent": calls and recent, "tools": calls, "all": True}
        thoughts = [part.text for part in parts if part.text]
        if thoughts and wanted[profile.reasoning_turns]:
            return "\n".join(thoughts)
        return NO_REASONING if calls and profile.demands_reasoning else ""

    def _call(self, call: ToolCallPart) -> ChatMessage:
        self._calls += 1
        wanted = self._style(call.id or f"call_{self._calls}", call.name, self._calls - 1)
        sent, number = wanted, self._suffix.get(wanted, 2)
        while sent in self._taken:
            sent, number = f"{wanted}_{number}", number + 1
        self._suffix[wanted] = number
        self._taken.add(sent)
        self._pending.add(call.id, sent)
        function = {"name": call.name, "arguments": call.arguments}
        return {"id": sent, "type": "function", "function": function}

    def _settle_calls(self) -> None:
        """Answer for the calls that got no result."""
        if not self._pending.calls:
            return
        unanswered, path = self._pending.calls, self._pending.path
        self._pending = Pending()
        if self._strict:
            raise ApiError.invalid(
                f"{path}: `tool_use` ids were found without `tool_result` blocks "
                f"immediately after: {', '.join(unanswered.values())}"
            )
        for sent in unanswered:
            self._messages.append({"role": "tool", "tool_call_id": sent, "content": NOT_EXECUTED})

    # --- the user's side ---

    def _user(self, turn: ChatTurn) -> None:
        rest: list[Part] = []
        shown: list[Part] = []
        for piece in turn.pieces:
            if not isinstance(piece, ToolResultPart):
                rest.append(piece)
            elif (sent := self._pending.answer(piece.tool_use_id)) is not None:
                self._messages.append(_tool_message(sent, piece))
                if piece.pictures:
                    intro = TextPart(f"Images returned by tool call {piece.tool_use_id}:")
                    shown += [intro, *piece.pictures]
            else:
                rest += self._orphan(piece)
        self._settle_calls()
        self._say(shown + rest)

    def _orphan(self, result: ToolResultPart) -> list[Part]:
        if self._strict:
            raise ApiError.invalid(
                f"{result.path}: unexpected `tool_use_id` found in `tool_result` blocks: "
                f"{result.tool_use_id}"
            )
        text = TextPart(f"[tool result {result.tool_use_id}]\n{result.text or NO_OUTPUT}")
        return [text, *result.pictures]

    def _say(self, pieces: list[Part]) -> None:
        """One user message; an instruction in between stays a system message of its own."""
        parts: list[Part] = []
        for piece in pieces:
            if isinstance(piece, SystemPart):
                self._user_message(parts)
                self._messages.append({"role": "system", "content": piece.text})
                parts = []
            else:
                parts.append(piece)
        self._user_message(parts)

    def _behind_tool(self) -> bool:
        return bool(self._messages) and self._messages[-1]["role"] == "tool"

    def _user_message(self, pieces: list[Part]) -> None:
        shown = [piece for piece in pieces if type(piece) in _PARTS]
        if not shown:
            return
        texts = [piece.text for piece in shown if isinstance(piece, TextPart)]
        if len(texts) < len(shown):
            content: JSON = [_PARTS[type(piece)](piece) for piece in shown]
        else:
            content = join_texts(texts)
            if not self._profile.user_after_tool and self._behind_tool():
                self._messages[-1]["content"] += f"\n\n{content}"
                return
        self._messages.append({"role": "user", "content": content})


def _kept(thoughts: list[ReasoningPart]) -> dict[str, ChatMessage]:
    """Members that the backend gave its calls and wants back, by the id of the call."""
    kept: dict[str, ChatMessage] = {}
    for part in thoughts:
        for identity, members in part.kept.calls.items():
            if members:
                kept.setdefault(identity, members)
    return kept


def _tool_message(sent_id: str, result: ToolResultPart) -> ChatMessage:
    text = result.text or ("" if result.pictures else NO_OUTPUT)
    if result.pictures:
        note = f"[{len(result.pictures)} image(s) attached below]"
        text = f"{text}\n{note}" if text else note
    return {"role": "tool", "tool_call_id": sent_id, "content": text}


def _file(piece: FilePart) -> dict[str, JSON]:
    return {"type": "file", "file": {"filename": piece.filename, "file_data": piece.data_url}}


_PARTS: dict[type, Callable[[Any], dict[str, JSON]]] = {
    TextPart: lambda piece: {"type": "text", "text": piece.text},
    ImagePart: lambda piece: {"type": "image_url", "image_url": {"url": piece.url}},
    FilePart: _file,
}
"""What a user message may hold, as content parts."""


def _last_question(turns: list[ChatTurn]) -> int:
    """Number of the last turn with words of the user's own; -1 when there is none."""
    for number in range(len(turns) - 1, -1, -1):
        if turns[number].role == "user" and any(map(_is_spoken, turns[number].pieces)):
            return number
    return -1


def _is_spoken(piece: Part) -> bool:
    """Reminders stand in the user's turns, but the user did not say them."""
    if isinstance(piece, TextPart):
        return not piece.text.lstrip().startswith(REMINDER)
    return isinstance(piece, (ImagePart, FilePart))
