"""The message stream: deltas in, message events out. THE state machine.

The grammar of what comes out, whatever goes in:

    stream  =  start *ping *block delta stop          a finished answer
            |  start *ping *block *fragment error     one that died: an error event ends it
    block   =  block_start(i) *block_delta(i) block_stop(i)      i = 0, 1, 2, ... without gaps
    thinking blocks end with exactly one signature_delta; a delta fits the type of its block

Clients hold the gateway to it: a gap in the indexes is an IndexError in the Python SDK, a delta
for a closed block ends a Claude Code session, content inside a block start is lost.

Phases:  NEW --open--> OPEN --finish reason--> FINISHING --finish()--> DONE
         any of them --fail()--> FAILED, where nothing is taken or given any more

In phase NEW nothing has been sent, so `fail` raises: the caller can still answer with a status.
`open` is implied by the first delta that shows; a caller that cannot wait calls it earlier.

One block is open at a time, but backends interleave: a newline of text between two pieces of
arguments, two calls in turns. What cannot be shown yet waits in `_queue`, in order of first
appearance, until the open call's JSON is complete or the reply is over. White space in front of a
text block is held too: servers send blank lines around tool calls that are not text to anybody.

Finish reasons of servers are not trusted for tool use: `stop_reason` is `tool_use` exactly when a
tool block was sent and the reply was not cut. Nor are they trusted for the cut: a reply that used
up its tokens is cut whatever its server calls it, and so is one whose last call stays open. A reply
that ends without a finish reason is an error, never an `end_turn` that no backend sent.
"""

from __future__ import annotations

from collections import deque

from bridge.translation.errors.api_error import ApiError
from bridge.translation.kept import Kept, signature
from bridge.translation.response import deltas, events
from bridge.translation.response.declared_arguments import DeclaredArguments
from bridge.translation.response.deltas import ContentDelta
from bridge.translation.response.events import Event
from bridge.translation.response.stream_options import SHOWN_AS, Phase, Shown, StreamOptions
from bridge.translation.response.tool_calls import CallFragments, CallTracker, client_id
from bridge.translation.response.usage import newer, shown, to_usage

UNREADABLE = "Backend sent content of a form that is not known"
MOST_DETAILS = 100
LOST_IN_CALL = "Backend sent an unreadable chunk inside a tool call"
_CONTEXT_SLACK = 8
CUT_SHORT = "Backend closed the stream before finishing"


class MessageStream:
    """One answer. `feed` deltas, then `finish`; or `fail` at any time.

    `tools`: names of the calls so far; `repaired`: what the backend meant but did not say right.
    """

    def __init__(self, options: StreamOptions) -> None:
        self._terms = options
        self._used = set(options.used_ids)
        self._tracker = CallTracker()
        self._queue: deque[CallFragments | deltas.Text | deltas.Reasoning] = deque()
        self._events: list[Event] = []
        self._shown = Shown.NOTHING
        self._call: CallFragments | None = None
        self._blank: list[str] = []
        self._finish: deltas.Finish | None = None
        self._done = self._counted_last = self._refused = self._tool_shown = False
        self._left_open = self._went_on = self._lost = self._unread = False
        self._kept = Kept(self._terms.backend_model)
        self.index, self.emitted_bytes = -1, 0
        self.phase, self.stop_reason = Phase.NEW, ""
        self.error: ApiError | None = None
        self.reported = deltas.ReportedUsage()
        self.tools: list[str] = []
        self.repaired: list[str] = []
        self._sent_arguments: list[str] = []
        self._declared = DeclaredArguments(None)

    # --- to receive ---------------------------------------------------------------------------

    def open(self) -> list[Event]:
        """Begin the answer now, whether or not anything is there to show."""
        if self.phase is Phase.NEW:
            self._begin()
        return self._take()

    def feed(self, delta: ContentDelta) -> list[Event]:
        """Take one delta; return the events that it makes possible."""
        if self.phase in (Phase.DONE, Phase.FAILED):
            return []
        if isinstance(delta, (deltas.Text, deltas.Reasoning)):
            self._enter(delta)
            return self._take()
        match delta:
            case deltas.Refusal(text):
                self._refused = True
                self._enter(deltas.Text(text))
            case deltas.ToolCall():
                self._enter_call(delta)
            case deltas.Finish():
                self._note_finish(delta)
            case deltas.ReportedUsage():
                self._note_usage(delta)
            case deltas.Lost():
                return self._note_lost()
            case _:
                self._note_rest(delta)
        return self._take()

    def finish(self) -> list[Event]:
        """The backend has sent all it will send. Raises or ends in an error event when cut."""
        if self.phase in (Phase.DONE, Phase.FAILED):
            return []
        nothing_came = self.index < 0 and not self._queue and not self._blank
        if nothing_came and self._unread:
            return self.fail(ApiError.bad_gateway(UNREADABLE))
        if self._finish is None:
            if not self._done:
                return self.fail(self._cut_short())
            if nothing_came:
                return self.fail(ApiError.bad_gateway("Backend returned an empty stream"))
            if any(call.name and not call.complete for call in self._tracker.calls):
                return self.fail(self._cut_short())
        if nothing_came and self._lost:
            return self.fail(ApiError.bad_gateway(UNREADABLE))
        nameless = any(not call.name for call in self._tracker.calls)
        if nameless and self._lost:
            return self.fail(ApiError.bad_gateway(LOST_IN_CALL))
        self._begin()
        self._flush()
        if nameless and self.index < 0:
            return self.fail(ApiError.bad_gateway("Backend returned a tool call without a name"))
        self._end()
        return self._take()

    def fail(self, error: ApiError) -> list[Event]:
        """The answer dies: raised while nothing was sent, an error event after that."""
        if self.phase in (Phase.DONE, Phase.FAILED):
            return []
        nothing_sent, self.phase, self.error = self.phase is Phase.NEW, Phase.FAILED, error
        if nothing_sent:
            raise error
        self._events.append(events.Error.of(error, self._terms.request_id))
        return self._take()

    def _note_finish(self, finish: deltas.Finish) -> None:
        self._begin()
        # What was closed as cut by the first reason stays cut, whatever a later one says.
        stays = self._finish is not None and self._finish.reason in deltas.STAYS
        newer = finish.reason == deltas.GATEWAY_STOP or (self._went_on and not stays)
        if self._finish is None or newer:
            self._finish = finish
        self.phase = Phase.FINISHING

    def _note_rest(self, delta: ContentDelta) -> None:
        match delta:
            case deltas.Details(parts):
                self._kept.details += parts[:MOST_DETAILS]
            case deltas.Unread():
                self._unread = True
            case _:
                self._done = True

    def _note_lost(self) -> list[Event]:
        """A chunk is missing. In text that leaves a gap; in arguments another command."""
        self._lost = True
        if any(not call.complete for call in self._tracker.calls):
            return self.fail(ApiError.bad_gateway(LOST_IN_CALL))
        self.repaired.append("a chunk that was lost")
        return self._take()

    def _note_usage(self, usage: deltas.ReportedUsage) -> None:
        self.reported = newer(self.reported, usage)
        self._counted_last = usage.final and self._finish is not None

    @property
    def said_all(self) -> bool:
        """Nothing more can matter: the end mark came, or a reason to stop and the usage."""
        return self._done or (self.is_finishing and self._counted_last)

    @property
    def is_finishing(self) -> bool:
        """The backend named its reason to stop, and was not proven wrong by what came after."""
        return self.phase is Phase.FINISHING and not self._went_on

    @property
    def going_on(self) -> Shown:
        """The kind of the open block, where a delta of that kind is only more of it."""
        return Shown.NOTHING if self._queue or self._finish else self._shown

    # --- what may be shown --------------------------------------------------------------------

    def _enter(self, item: deltas.Text | deltas.Reasoning) -> None:
        if not item.text:
            return
        if self.going_on is SHOWN_AS[type(item)]:
            self._continue(item)
            return
        self._begin()
        self._went_on = self._went_on or self._finish is not None
        if self._queue or self._call is not None:
            self._queue.append(item)
            self._advance()
        else:
            self._show(item)

    def _enter_call(self, fragment: deltas.ToolCall) -> None:
        known = len(self._tracker.calls)
        call = self._tracker.feed(fragment)
        if call is None or (self._terms.one_call and call is not self._tracker.calls[0]):
            return
        self._begin()
        self._went_on = self._went_on or self._finish is not None
        if len(self._tracker.calls) > known:
            self._queue.append(call)
        if call is self._call:
            self._arguments(call.drain())
        self._advance()

    def _advance(self, ending: bool = False) -> None:
        """Show what stands at the head of the queue, as long as it may be shown."""
        while self._queue:
            head = self._queue[0]
            if self._call is not None and not (ending or self._call.complete):
                return
            if not isinstance(head, CallFragments):
                self._queue.popleft()
                self._show(head)
            elif head.repeated and not head.begun:
                if not ending:
                    return
                self._queue.popleft()
            elif head.name and (head.begun or ending or len(self._queue) > 1):
                self._queue.popleft()
                self._show_call(head)
                if ending:
                    self._close()
            elif ending:
                self._queue.popleft()
            else:
                return

    def _show(self, item: deltas.Text | deltas.Reasoning) -> None:
        if isinstance(item, deltas.Reasoning):
            self._switch(Shown.THINKING, events.ThinkingBlock())
        elif self._shown is not Shown.TEXT:
            self._blank.append(item.text)
            if item.text.isspace():
                return
            item = deltas.Text("".join(self._blank))
            self._blank.clear()
            self._switch(Shown.TEXT, events.TextBlock())
        self._continue(item)

    def _continue(self, item: deltas.Text | deltas.Reasoning) -> None:
        """More of the block that is open."""
        if isinstance(item, deltas.Text):
            self._delta(events.TextDelta(item.text), item.text)
        elif not self._terms.omit_thinking:
            self._delta(events.ThinkingDelta(item.text), item.text)

    def _show_call(self, call: CallFragments) -> None:
        self._blank.clear()
        block = events.ToolUseBlock(
            id=client_id(call.id, self._used, self._terms.mint),
            name=self._terms.client_name(call.name),
        )
        if call.extra:
            self._kept.calls[block.id] = call.extra
        if not self._kept.is_empty:
            # Its signature is the only place in which the client gives this back.
            self._switch(Shown.THINKING, events.ThinkingBlock())
        self._close()
        self._call, call.opened, self._tool_shown = call, True, True
        self.tools.append(block.name)
        self._sent_arguments.clear()
        self._open_block(Shown.TOOL, block)
        self._declared = DeclaredArguments(self._terms.schemas.get(block.name))
        self._arguments(call.drain())

    def _arguments(self, text: str, last: bool = False) -> None:
        text = self._declared.feed(text) + (self._declared.finish() if last else "")
        if text:
            self._sent_arguments.append(text)
            self._delta(events.InputJsonDelta(text), text)

    def _end_arguments(self, call: CallFragments) -> None:
        self._arguments(call.arguments.finish(cut=self.broke_off()), last=True)
        self._left_open = self._left_open or call.arguments.left_open
        came = call.arguments.raw.strip()
        if came and "".join(self._sent_arguments).strip() != came:
            self.repaired.append(f"arguments of {self.tools[-1]}")
        self._call = None

    # --- blocks -------------------------------------------------------------------------------

    def _switch(self, kind: Shown, block: events.Block) -> None:
        if self._shown is not kind:
            self._close()
            self._open_block(kind, block)

    def _open_block(self, kind: Shown, block: events.Block) -> None:
        self.index, self._shown = self.index + 1, kind
        self._events.append(events.ContentBlockStart(self.index, block))

    def _delta(self, delta: events.BlockDelta, text: str) -> None:
        self.emitted_bytes += len(text) if text.isascii() else len(text.encode())
        self._events.append(events.ContentBlockDelta(self.index, delta))

    def _close(self) -> None:
        if self._shown is Shown.NOTHING:
            return
        if self._shown is Shown.THINKING:
            kept, self._kept = self._kept, Kept(self._terms.backend_model)
            self._delta(events.SignatureDelta(signature(self._terms.mint(), kept)), "")
        if self._call is not None:
            self._end_arguments(self._call)
        self._events.append(events.ContentBlockStop(self.index))
        self._shown = Shown.NOTHING

    # --- begin and end ------------------------------------------------------------------------

    def _begin(self) -> None:
        if self.phase is not Phase.NEW:
            return
        self.phase = Phase.OPEN
        usage = events.Usage(input_tokens=self._terms.input_estimate, output_tokens=1)
        shell = events.Message(self._terms.message_id, self._terms.model, usage)
        self._events += [events.MessageStart(shell), events.Ping()]

    def _flush(self) -> None:
        self._advance(ending=True)
        self._close()
        if self.index < 0 and not any(not call.name for call in self._tracker.calls):
            self._open_block(Shown.TEXT, events.TextBlock())
            self._close()

    def _end(self) -> None:
        self.phase = Phase.DONE
        stop = self._stop()
        self.stop_reason = stop.stop_reason
        self._events += [self._terms.end(stop, shown(self.usage())), events.MessageStop()]

    def _cut_short(self) -> ApiError:
        if self.index < 0:
            return ApiError(529, CUT_SHORT, blames_backend=True)
        return ApiError.bad_gateway(CUT_SHORT)

    def _take(self) -> list[Event]:
        taken, self._events = self._events, []
        return taken

    # --- stop reason and usage ----------------------------------------------------------------

    def broke_off(self) -> bool:
        """Not the model ended the reply, so that what is open then is not whole."""
        finish, stops = self._finish or deltas.Finish(""), self._terms.stop_sequences
        return self._was_cut() or finish.reason in deltas.BREAKS_OFF or finish.stop in stops

    def _was_cut(self) -> bool:
        """The reply came to its token limit, whatever its server calls that."""
        finish, limit = self._finish, self._terms.sent_max_tokens
        if finish is not None and finish.reason in deltas.LENGTH:
            return True
        is_stop = finish is not None and finish.stop in self._terms.stop_sequences
        return not is_stop and 0 < limit <= (self.reported.completion or 0)

    def _stop(self) -> events.Stop:
        """Why the answer ended; the first condition that holds decides."""
        finish = self._finish or deltas.Finish("")
        if finish.reason == deltas.GATEWAY_STOP and not self._left_open:
            return events.Stop("stop_sequence", finish.stop)
        if self._was_cut() or self._left_open:
            return events.Stop(self._cut_reason())
        if self._refused or finish.reason == "content_filter":
            return events.Stop("refusal", None, events.StopDetails())
        if self._tool_shown:
            if finish.reason not in deltas.FOR_TOOLS:
                self.repaired.append(f"stop reason {finish.reason or '(none)'}")
            return events.Stop("tool_use")
        if finish.stop and finish.stop in self._terms.stop_sequences:
            return events.Stop("stop_sequence", finish.stop)
        return events.Stop("end_turn")

    def _cut_reason(self) -> str:
        """`max_tokens`, unless the window ended before the requested length did."""
        named = self._finish is not None and self._finish.reason == "context_window"
        prompt, completion = self.reported.prompt or 0, self.reported.completion or 0
        full = 0 < self._terms.context <= prompt + completion + _CONTEXT_SLACK
        if named or (full and completion < self._terms.max_tokens):
            return "model_context_window_exceeded"
        return "max_tokens"

    def usage(self) -> events.Usage:
        """Counts so far: reported where they were, else estimated from what was sent."""
        estimate = max(1, round(self.emitted_bytes / self._terms.bytes_per_token))
        return to_usage(self.reported, self._terms.input_estimate, estimate)
