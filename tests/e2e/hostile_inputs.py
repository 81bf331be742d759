"""Text that once held the event loop, or is of the kind that does.

Each input is small for what it does to a reader with nested repetition, recursion, or a search
that begins anew at each character.
"""

from __future__ import annotations

from collections.abc import Mapping

ARGUMENT = "<arg_key>a</arg_key><arg_value>b</arg_value>"
KIMI_END = "<|tool_calls_section_end|>"

MODEL_TEXT: Mapping[str, str] = {
    "Kimi's markers with spaces between": (
        "<|tool_calls_section_begin|><|tool_call_begin|>"
        + 120 * " "
        + "<|tool_call_argument_begin|>"
        + 120 * " "
        + KIMI_END
    ),
    "GLM's arguments and a call that does not close": f"<tool_call>f{20 * ARGUMENT}!</tool_call>",
    "GLM's arguments, cut": f"<tool_call>f{20 * ARGUMENT}<arg_key>a</arg_key><arg_value>unfin",
    "parameters that never close": "<function=f>" + 4000 * "<parameter=a>\n",
    "ends of calls behind one beginning": "<tool_call>" + 2000 * "</tool_call>",
    "a bracket and spaces": "[" + 14_000 * " ",
    "DeepSeek's fences with spaces": (
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>f"
        + 2000 * " "
        + "```json"
        + 2000 * " "
        + "<｜tool▁calls▁end｜>"
    ),
    "a call with a long attribute": "[f(a=1)," + "a." * 400 + "a(x=1)]",
    "brackets within brackets": "[f(a=" + 20_000 * "[" + ")]",
    "calls within calls": "[" + 3000 * "f(a=" + 3000 * ")" + "]",
    "unary signs": "[f(a=" + 20_000 * "-" + "1)]",
    "a name without end": "[" + 50_000 * "f",
    "beginnings of a call": 5000 * "<tool_call>",
    "beginnings of a call in JSON": 3000 * '<tool_call>{"name": "f", "arguments": ',
    "half a marker, again and again": 20_000 * "<tool_cal",
    "thinking that opens and opens": 20_000 * "<think>",
    "thinking that closes and closes": 20_000 * "</think>",
    "fences": 10_000 * "```\n",
    "backquotes": 50_000 * "`",
    "invocations": "<function_calls>" + 4000 * '<invoke name="f"><parameter name="a">',
    "DSML": 3000 * '<｜DSML｜invoke name="f"><｜DSML｜parameter name="a">',
    "harmony": 5000 * "<|channel|>commentary to=functions.f <|message|>{",
    "MiniMax": 4000 * '<minimax:tool_call><invoke name="f">',
    "an answer of nothing but JSON": "{" + 20_000 * '"a":{',
    "a fenced answer of spaces": "```json\n" + 50_000 * " ",
    "Mistral's calls": 3000 * '[TOOL_CALLS][{"name": "f", "arguments": {',
    "quotes and backslashes": '<tool_call>{"name": "f", "arguments": {"a": "' + 30_000 * '\\"',
}

ARGUMENTS: Mapping[str, str] = {
    "single quotes and spaces": "{'a':'x'" + 50_000 * " ",
    "open objects": 50_000 * '{"a":',
    "open arrays": '{"a":' + 50_000 * "[",
    "commas": '{"a":1' + 50_000 * ",",
    "backslashes": '{"a":"' + 50_001 * "\\",
    "a number without end": '{"a":' + 50_000 * "1",
    "surrogates": '{"a":"' + 20_000 * "\\ud800",
}

ERROR_PAGES: Mapping[str, str] = {
    "scripts that never close": 8000 * "<script",
    "brackets": 40_000 * "<",
    "styles": 8000 * "<style>",
    "comments": 20_000 * "<!--",
    "spaces": "<html>" + 60_000 * " " + "x",
    "keys": 20_000 * "sk-",
    "token counts": 5000 * "maximum context length is 1 tokens, ",
    "numbers": "prompt is too long: " + 60_000 * "9",
    "File lines": 60_000 * " " + 'File "',
}
