"""Tools: which of them the backend sees, under which names, and what it must choose.

Visibility: Claude Code defers most of its tools. A deferred tool is sent only once something in
the conversation has named it (a reference from its own search, an earlier call, the tool choice),
or when the request carries a vendor search tool, which cannot run here.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bridge.translation.errors.api_error import ApiError
from bridge.translation.json import JSON, encode_text
from bridge.translation.profiles import Profile
from bridge.translation.request import vendor_tools
from bridge.translation.request.parts import join_texts
from bridge.translation.request.schema import Block, MessagesRequest, fault, inner_blocks, is_custom
from bridge.translation.sizes import MAX_TOOLS

PLACEHOLDER = "DeferredToolPlaceholder"
MAX_EXAMPLES = 3
MAX_NAME = 400
_UNFORCED = ("auto", "none")
_FIT = re.compile("[a-zA-Z0-9_-]+")

Tool = dict[str, JSON]


class ToolNames:
    """Tool names both ways, for one request.

    To the backend: the operator's map, then whatever makes the name fit. Back: the reverse of
    both, and a name that differs from a declared one only by case is that one. A name that was
    never declared stays what it is: it is not turned into another tool.
    """

    def __init__(self, limit: int, to_client: Mapping[str, str]) -> None:
        self._limit = limit
        self._to_backend = {client: backend for backend, client in to_client.items()}
        self._to_client = dict(to_client)
        self._declared: dict[str, set[str]] = {}
        self._taken: set[str] = set()
        self._sent: dict[str, str] = {}

    def declare(self, name: str) -> str:
        """A tool of this request; its name at the backend."""
        sent = self.to_backend(name)
        if sent in self._taken:
            # The operator's map, or the fitting, gave two tools one name.
            sent = self._fitted(name)
        self._taken.add(sent)
        self._sent[name] = sent
        self._to_client[sent] = name
        for spelling in (name, sent):
            self._declared.setdefault(spelling.lower(), set()).add(name)
        return sent

    def to_backend(self, name: str) -> str:
        """The name under which the backend knows this tool."""
        if name in self._sent:
            return self._sent[name]
        mapped = self._to_backend.get(name, name)
        if len(mapped) <= self._limit and _FIT.fullmatch(mapped):
            return mapped
        sent = self._fitted(mapped)
        self._to_client.setdefault(sent, name)
        return sent

    def _fitted(self, name: str) -> str:
        """A name that the backend takes, and that no other name comes down to."""
        cleaned = re.sub("[^a-zA-Z0-9_-]", "_", name)[: self._limit - 9]
        return f"{cleaned}_{zlib.crc32(name.encode()):08x}"

    def to_client(self, name: str) -> str:
        """The name under which the client knows what the backend called."""
        if name in self._to_client:
            return self._to_client[name]
        return self._alike(name) or self._undecorated(name) or name

    def _alike(self, name: str) -> str:
        alike = self._declared.get(name.lower(), set())
        return next(iter(alike)) if len(alike) == 1 else ""

    def _undecorated(self, name: str) -> str:
        """The declared tool that a name is, less what models and parsers put around it:
        ``functions.Bash:0``, ``Bash<|channel|>commentary``. "" when the rest is no tool."""
        plain = name[:MAX_NAME].partition("<|")[0].strip().strip("`\"'")
        for prefix in ("functions.", "tools.", "functions/", "default_api."):
            plain = plain.removeprefix(prefix)
        head, _, number = plain.rpartition(":")
        plain = head if head and number.isdecimal() else plain
        return self._to_client.get(plain, "") or self._alike(plain)


@dataclass(frozen=True, slots=True)
class ToolFields:
    """The `tools`, `tool_choice` and `parallel_tool_calls` to send, and what was left out."""

    fields: dict[str, JSON]
    one_call: bool
    dropped: tuple[str, ...]


def to_toolbox(
    request: MessagesRequest, profile: Profile, names: ToolNames, server_tools: str
) -> ToolFields:
    """`server_tools` says what becomes of tools that only the vendor can run: drop, error, auto."""
    tools, changes = _with_additions(request)
    if len(tools) > MAX_TOOLS:
        raise fault("tools", f"too many tools ({len(tools)} > {MAX_TOOLS})")
    kept, dropped = _runnable(tools, server_tools)
    shown = _visible(kept, request, changes, searchable=any(map(_searches, tools)))
    functions = [_function(tool, names, profile) for tool in shown]
    if not functions:
        return ToolFields({}, False, dropped)
    choice = request.tool_choice or {}
    fields: dict[str, JSON] = {"tools": functions}
    fields.update(_choice(choice, functions, names, profile))
    if profile.forced_choice == "auto" and fields.get("tool_choice", "auto") not in _UNFORCED:
        fields["tool_choice"] = "auto"
        dropped = (*dropped, "tool_choice")
    one_call = choice.get("disable_parallel_tool_use") is True
    if one_call:
        fields["parallel_tool_calls"] = False
    return ToolFields(fields, one_call, dropped)


# --- which tools ------------------------------------------------------------------------------


def _runnable(tools: list[Tool], mode: str) -> tuple[list[Tool], tuple[str, ...]]:
    """The tools that a client runs itself, and the types of those that were left out."""
    kept: list[Tool] = []
    dropped: list[str] = []
    for i, tool in enumerate(tools):
        kind = str(tool.get("type") or "custom")
        if vendor_tools.TOOLSET.match(kind):
            raise ApiError.invalid(f"tools.{i}: toolsets are not supported by this gateway")
        if is_custom(tool) or vendor_tools.definition(tool):
            kept.append(tool)
        else:
            dropped.append(kind)
    if dropped and (mode == "error" or (mode == "auto" and not kept)):
        kind = dropped[0]
        place = next(i for i, tool in enumerate(tools) if tool.get("type") == kind)
        raise ApiError(
            400,
            f"tools.{place}: {kind} is a server tool and is not available on this gateway",
            should_retry=False,
        )
    return kept, tuple(dropped)


def _searches(tool: Tool) -> bool:
    return bool(vendor_tools.TOOL_SEARCH.match(str(tool.get("type"))))


def _with_additions(request: MessagesRequest) -> tuple[list[Tool], dict[str, bool]]:
    """All tools, with those that system messages define; and name -> added (or else removed)."""
    tools = {str(tool.get("name") or tool.get("type")): tool for tool in request.tools}
    changes: dict[str, bool] = {}
    for block in _blocks(request, "system"):
        change = block.get("tool")
        if block["type"] not in ("tool_addition", "tool_removal") or not isinstance(change, dict):
            continue
        definition = change.get("definition")
        target = definition if isinstance(definition, dict) else change
        name = str(target.get("name") or target.get("tool_name"))
        changes[name] = block["type"] == "tool_addition"
        if isinstance(definition, dict) and is_custom(definition) and definition.get("name"):
            tools[name] = definition
    return list(tools.values()), changes


def _visible(
    tools: list[Tool], request: MessagesRequest, changes: dict[str, bool], searchable: bool
) -> list[Tool]:
    named: set[str] = set()
    if any(tool.get("defer_loading") for tool in tools):
        named = set(_named_in_history(request))
    if request.tool_choice:
        named.add(str(request.tool_choice.get("name")))
    shown = []
    for tool in tools:
        name = str(tool.get("name"))
        loaded = not tool.get("defer_loading") or searchable or name in named
        if name != PLACEHOLDER and changes.get(name, loaded):
            shown.append(tool)
    return shown


def _named_in_history(request: MessagesRequest) -> Iterable[str]:
    """Names of tools that a reference loaded or that were called before."""
    for block in _blocks(request):
        if block["type"] == "tool_use":
            yield block["name"]
        inner = block.get("content") if block["type"] == "tool_result" else None
        for reference in (block, *(inner_blocks(inner) if inner else ())):
            if reference.get("type") == "tool_reference":
                yield str(reference.get("tool_name"))


def _blocks(request: MessagesRequest, role: str = "") -> Iterable[Block]:
    for message in request.messages:
        if not role or message.role == role:
            yield from message.content


# --- how each is written ----------------------------------------------------------------------


def _function(tool: Tool, names: ToolNames, profile: Profile) -> JSON:
    known = vendor_tools.definition(tool)
    if known and not tool.get("input_schema"):
        description, schema = known
    else:
        description, schema = str(tool.get("description") or ""), _parameters(tool)
    function: dict[str, JSON] = {"name": names.declare(str(tool.get("name") or tool.get("type")))}
    if text := join_texts([description, _examples(tool)]):
        function["description"] = text
    function["parameters"] = narrowed(schema) if profile.schema_strip else schema
    if profile.accepts_strict and isinstance(tool.get("strict"), bool):
        function["strict"] = tool["strict"]
    return {"type": "function", "function": function}


def _parameters(tool: Tool) -> JSON:
    schema = tool.get("input_schema")
    if not isinstance(schema, dict):
        schema = {}
    is_object = schema.get("type") == "object" and isinstance(schema.get("properties"), dict)
    if is_object and schema.get("required", ()) is not None:
        return schema
    # Backends take objects only, and refuse null where a member may be absent.
    rest = {name: value for name, value in schema.items() if value is not None}
    properties = rest.get("properties")
    known = properties if isinstance(properties, dict) else {}
    return {"type": "object", "properties": {}} | rest | {"type": "object", "properties": known}


_ONLY_NARROWING = frozenset({"$schema", "$id", "pattern", "format"})
_LENGTHS = frozenset({"minLength", "maxLength"})
LONGEST_COUNTED = 1000


def narrowed(schema: JSON, named: bool = False) -> JSON:
    """A schema without what a grammar compiler chokes on. `named`: the keys are property names."""
    if isinstance(schema, list):
        return [narrowed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: narrowed(value, named=key == "properties" and not named)
        for key, value in schema.items()
        if named or not _chokes(key, value)
    }


def _chokes(key: str, value: JSON) -> bool:
    too_long = key in _LENGTHS and isinstance(value, int) and value > LONGEST_COUNTED
    return too_long or key in _ONLY_NARROWING or (key == "default" and value is None)


def _examples(tool: Tool) -> str:
    examples = tool.get("input_examples")
    if not isinstance(examples, list) or not examples:
        return ""
    return f"Examples: {encode_text(examples[:MAX_EXAMPLES])}"


def _choice(
    choice: Tool, functions: list[JSON], names: ToolNames, profile: Profile
) -> dict[str, JSON]:
    """`tool_choice`; a backend without the named form gets that one tool and "required"."""
    simple = {"auto": "auto", "any": "required", "none": "none"}
    kind = choice.get("type")
    if kind in simple:
        return {"tool_choice": simple[kind]}
    if kind != "tool":
        return {}
    name = names.to_backend(choice["name"])
    only = [f for f in functions if f["function"]["name"] == name]
    if not only:
        raise fault("tool_choice.name", f"Tool '{choice['name']}' is not available here")
    if profile.named_choice:
        return {"tool_choice": {"type": "function", "function": {"name": name}}}
    return {"tools": only, "tool_choice": "required"}
