"""The answer to a request that can only search the web, where nothing searches.

Claude Code's WebSearch makes a request of its own with the vendor's search tool as its only tool.
An error status would be tried again and then shown as a fault of the API, and a model without the
tool would invent results. So the answer is what the vendor's own says when its search is down: the
search, its error, and a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from bridge.translation.json import encode_text
from bridge.translation.request.schema import MessagesRequest
from bridge.translation.response import events

_WEB_SEARCH = re.compile("web_search_")
NAME = "web_search"
TEXT = "Web search is not available: this gateway has no search engine."
LONGEST_QUERY = 400


def only_searches(request: MessagesRequest) -> bool:
    """Whether the request has tools, and all of them are the vendor's web search."""
    kinds = [str(tool.get("type")) for tool in request.tools]
    return bool(kinds) and all(map(_WEB_SEARCH.match, kinds))


def message_events(
    request: MessagesRequest, message_id: str, mint: Callable[[], str], prompt_tokens: int
) -> list[events.Event]:
    """One whole turn that ends well."""
    usage = events.Usage(prompt_tokens, 0)
    search = f"srvtoolu_{mint()}"
    arguments = events.InputJsonDelta(encode_text({"query": _query(request)}))
    failed = events.WebSearchToolResultBlock(search, events.WebSearchError("unavailable"))
    return [
        events.MessageStart(events.Message(message_id, request.model, usage)),
        events.Ping(),
        events.ContentBlockStart(0, events.ServerToolUseBlock(search, NAME)),
        events.ContentBlockDelta(0, arguments),
        events.ContentBlockStop(0),
        events.ContentBlockStart(1, failed),
        events.ContentBlockStop(1),
        events.ContentBlockStart(2, events.TextBlock()),
        events.ContentBlockDelta(2, events.TextDelta(TEXT)),
        events.ContentBlockStop(2),
        events.MessageDelta(events.Stop("end_turn"), usage),
        events.MessageStop(),
    ]


def _query(request: MessagesRequest) -> str:
    """The last words of the user: the words to look for."""
    of_user = (m for m in reversed(request.messages) if m.role == "user")
    texts = (b["text"] for m in of_user for b in m.content if b["type"] == "text")
    return str(next(texts, ""))[:LONGEST_QUERY]
