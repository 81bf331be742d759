"""Formats in which models write tool calls as text, and how each is read.

A format has an opening mark, a closing mark (or none: then it ends with the message) and a reader
of what stands between. A reader returns the calls, or None when this is no call after all: the name
of a declared tool must be there, and arguments that make an object. So text that merely looks
similar, documentation about tool calls for instance, stays text.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bridge.translation.json import JSON, decode, encode_text
from bridge.translation.response.deltas import ToolCall
from bridge.translation.response.tool_arguments import ArgumentStream

Schemas = Mapping[str, JSON]
"""Declared tools: name at the backend -> JSON schema of its arguments."""

Calls = list[ToolCall] | None
Reader = Callable[[str, Schemas], Calls]


@dataclass(frozen=True, slots=True)
class Format:
    """`begins` says whether what follows the opening mark can still become a call."""

    opener: str
    closer: str
    read: Reader
    begins: re.Pattern[str]


def _call(name: JSON, arguments: JSON, schemas: Schemas) -> ToolCall | None:
    """One call, if the name is declared and the arguments are an object."""
    if not isinstance(name, str):
        return None
    name = name.strip()
    declared = _declared(name, schemas)
    if isinstance(arguments, str):
        arguments = _object(arguments) if arguments.strip() else {}
    if declared is None or not isinstance(arguments, dict):
        return None
    return ToolCall(name=declared, arguments=encode_text(arguments))


def _declared(name: str, schemas: Schemas) -> str | None:
    """The declared tool of that name, or the only one that differs from it by case."""
    bare = name.removeprefix("functions.").removeprefix("tools.")
    for spelling in (name, bare):
        if spelling in schemas:
            return spelling
    alike = [known for known in schemas if known.lower() == bare.lower()]
    return alike[0] if len(alike) == 1 else None


def _all(calls: list[ToolCall | None]) -> Calls:
    """All of them, or nothing at all: half a section is worse than its text."""
    found = [call for call in calls if call is not None]
    return found if found and len(found) == len(calls) else None


def _object(text: str) -> JSON:
    """The JSON object in this text, its slips mended; None when there is none."""
    stream = ArgumentStream()
    mended = stream.feed(text.strip())
    if not stream.complete:
        return None
    try:
        return decode(mended.encode())
    except ValueError:
        return None


def _values(text: str) -> list[JSON]:
    """The values of a JSON list, or the one value that the text is; None stands for no JSON."""
    try:
        value = decode(text.strip().encode())
    except ValueError:
        value = _object(text)
    return value if isinstance(value, list) else [value]


def _named(value: JSON, schemas: Schemas) -> ToolCall | None:
    """``{"name": ..., "arguments": {...}}``; Llama says `parameters`."""
    if not isinstance(value, dict):
        return None
    arguments = value.get("arguments", value.get("parameters", {}))
    return _call(value.get("name"), arguments, schemas)


def _json_calls(body: str, schemas: Schemas) -> Calls:
    return _all([_named(value, schemas) for value in _values(body)])


# --- Kimi and DeepSeek: sections of marked calls ----------------------------------------------

_KIMI = re.compile(
    r"<\|tool_call_begin\|>\s*(.+?)\s*<\|tool_call_argument_begin\|>\s*(.*?)\s*<\|tool_call_end\|>",
    re.S,
)
_DEEPSEEK = re.compile(
    r"<[|｜]tool[_▁]call[_▁]begin[|｜]>(.+?)<[|｜]tool[_▁]sep[|｜]>(.*?)<[|｜]tool[_▁]call[_▁]end[|｜]>",
    re.S,
)
_FENCED = re.compile(r"\s*(\S+)\s*```(?:json)?\s*(.*?)\s*```\s*", re.S)


def _kimi(body: str, schemas: Schemas) -> Calls:
    found = _KIMI.findall(body)
    if _KIMI.sub("", body).strip():
        return None
    return _all([_call(re.sub(r":\d+$", "", name), text, schemas) for name, text in found])


def _deepseek(body: str, schemas: Schemas) -> Calls:
    found = _DEEPSEEK.findall(body)
    if _DEEPSEEK.sub("", body).strip():
        return None
    return _all([_deepseek_call(name, text, schemas) for name, text in found])


def _deepseek_call(name: str, text: str, schemas: Schemas) -> ToolCall | None:
    """V3.1 puts the name in front of the mark; V3 the word "function", and the name behind it."""
    fenced = _FENCED.fullmatch(text)
    if name.strip() == "function" and fenced:
        return _call(fenced[1], fenced[2], schemas)
    return _call(name, text, schemas)


# --- <tool_call>: three formats in one pair of tags -------------------------------------------

_FUNCTION = re.compile(r"\s*<function=([^>\n]+)>(.*?)(?:</function>)?\s*", re.S)
_PARAMETER = re.compile(r"<parameter=([^>\n]+)>\n?(.*?)\n?</parameter>", re.S)
_GLM = re.compile(
    r"\s*([\w.-]+)\s*((?:<arg_key>.*?</arg_key>\s*<arg_value>.*?</arg_value>\s*)*)", re.S
)
_GLM_ARGUMENT = re.compile(r"<arg_key>(.*?)</arg_key>\s*<arg_value>(.*?)</arg_value>", re.S)


def _tool_call(body: str, schemas: Schemas) -> Calls:
    if body.lstrip().startswith(("{", "[")):
        return _json_calls(body, schemas)
    if body.lstrip().startswith("<function="):
        return _function(body.strip().removeprefix("<function="), schemas)
    found = _GLM.fullmatch(body)
    return _tagged(found[1], _GLM_ARGUMENT.findall(found[2]), schemas) if found else None


def _function(body: str, schemas: Schemas) -> Calls:
    found = _FUNCTION.fullmatch("<function=" + body)
    if not found or _PARAMETER.sub("", found[2]).strip():
        return None
    return _tagged(found[1], _PARAMETER.findall(found[2]), schemas)


def _tagged(name: str, pairs: list[tuple[str, str]], schemas: Schemas) -> Calls:
    """Arguments between tags are plain text: the tool's schema says what they mean."""
    schema = schemas.get(name.strip())
    properties = schema.get("properties") if isinstance(schema, dict) else None
    types = properties if isinstance(properties, dict) else {}
    arguments = {key.strip(): _typed(text, types.get(key.strip())) for key, text in pairs}
    return _all([_call(name, arguments, schemas)])


def _typed(text: str, schema: JSON) -> JSON:
    kind = schema.get("type") if isinstance(schema, dict) else None
    if kind == "string":
        return text
    try:
        return decode(text.strip().encode())
    except ValueError:
        return text


# --- Llama and Mistral: up to the end of the message ------------------------------------------


_BETWEEN_OBJECTS = re.compile(r"(?<=\})\s*;\s*(?=\{)")


def _python_tag(body: str, schemas: Schemas) -> Calls:
    body = body.strip().removesuffix("<|eom_id|>").removesuffix("<|eot_id|>").strip()
    if body.startswith(("{", "[{")):
        values = [value for part in _BETWEEN_OBJECTS.split(body) for value in _values(part)]
        return _all([_named(value, schemas) for value in values])
    return pythonic(body, schemas)


_MISTRAL_CALL = re.compile(r"\s*([\w.-]+)\s*(?:\[CALL_ID\]\w*\s*)?\[ARGS\]\s*(.*)", re.S)


def _mistral(body: str, schemas: Schemas) -> Calls:
    if body.lstrip().startswith(("[{", "[ {", "[\n")):
        return _json_calls(body, schemas)
    parts = (_MISTRAL_CALL.fullmatch(part) for part in body.split("[TOOL_CALLS]"))
    return _all([_call(part[1], part[2], schemas) if part else None for part in parts])


def pythonic(text: str, schemas: Schemas) -> Calls:
    """``[get_weather(city="Lisbon"), now()]``: a list of calls, and nothing else."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    calls = tree.elts if isinstance(tree, ast.List) else []
    return _all([_pythonic_call(call, schemas) for call in calls])


def _pythonic_call(node: ast.expr, schemas: Schemas) -> ToolCall | None:
    if not isinstance(node, ast.Call) or node.args:
        return None
    try:
        arguments = {str(k.arg): ast.literal_eval(k.value) for k in node.keywords if k.arg}
    except (ValueError, TypeError, RecursionError):
        return None
    if not _is_json(arguments):
        return None
    return _call(ast.unparse(node.func), arguments, schemas)


def _is_json(value: object) -> bool:
    """Python has values that JSON has no form for."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_json(item) for key, item in value.items())
    if isinstance(value, list):
        return all(map(_is_json, value))
    return value is None or isinstance(value, (str, bool, int, float))


_JSON_BEGINS = re.compile(r"\s*([{\[]|$)")
_MARK_BEGINS = re.compile(r"\s*(<|$)")
_NAME_BEGINS = re.compile(r"\s*([{\[<\w]|$)")
_ANYTHING = re.compile("")

FORMATS: tuple[Format, ...] = (
    Format("<|tool_calls_section_begin|>", "<|tool_calls_section_end|>", _kimi, _MARK_BEGINS),
    Format("<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>", _deepseek, _MARK_BEGINS),
    Format("<|tool▁calls▁begin|>", "<|tool▁calls▁end|>", _deepseek, _MARK_BEGINS),
    Format("<|tool_calls_begin|>", "<|tool_calls_end|>", _deepseek, _MARK_BEGINS),
    Format("<longcat_tool_call>", "</longcat_tool_call>", _json_calls, _JSON_BEGINS),
    Format("<tool_call>", "</tool_call>", _tool_call, _NAME_BEGINS),
    Format("<function=", "</function>", _function, _NAME_BEGINS),
    Format("<|python_tag|>", "", _python_tag, _ANYTHING),
    Format("[TOOL_CALLS]", "", _mistral, _ANYTHING),
)
