"""THE table of formats in which models write tool calls as text.

A format is one row: the mark with which its calls begin, and the reader of what follows the mark
(see `source` for how readers are written). A row with `whole` begins with what any answer may
begin with; it counts only where nothing stands in front of it, and its reader gets the mark too.

A new format is a row here, a reader where none of these fits, and an example in the tests.
"""

from __future__ import annotations

from dataclasses import dataclass

from bridge.translation.response.text_calls import json_calls as objects
from bridge.translation.response.text_calls import marked_calls as marked
from bridge.translation.response.text_calls import tagged_calls as tagged

DSML = "｜DSML｜"


@dataclass(frozen=True, slots=True)
class Format:
    """`name` says whose it is."""

    name: str
    opener: str
    read: tagged.Reader
    whole: bool = False


FORMATS: tuple[Format, ...] = (
    # special tokens
    Format("Kimi", "<|tool_calls_section_begin|>", marked.kimi_section),
    Format("Kimi, no section", marked.KIMI_CALL, marked.kimi),
    Format("DeepSeek V3", "<｜tool▁calls▁begin｜>", marked.deepseek("｜", "▁")),
    Format("DeepSeek V3, plain bars", "<|tool▁calls▁begin|>", marked.deepseek("|", "▁")),
    Format("DeepSeek V3, ASCII", "<|tool_calls_begin|>", marked.deepseek("|", "_")),
    Format("Llama", "<|python_tag|>", objects.python_tag),
    Format("Llama 4", "<|python_start|>", objects.python_tag),
    Format("Mistral", "[TOOL_CALLS]", objects.mistral),
    Format("LFM2", "<|tool_call_start|>", objects.list_until("<|tool_call_end|>")),
    Format("Cohere", "<|START_ACTION|>", objects.between("<|END_ACTION|>")),
    Format("Phi 4 mini", "functools", objects.between("<|tool_call|>", "<|end|>")),
    Format("gpt-oss", "<|start|>assistant<|channel|>commentary to=", marked.harmony),
    Format("gpt-oss, no start", "<|channel|>commentary to=", marked.harmony),
    Format("gpt-oss, thinking", "<|start|>assistant<|channel|>analysis to=", marked.harmony),
    Format("gpt-oss, thinking, no start", "<|channel|>analysis to=", marked.harmony),
    Format("gpt-oss, role", "<|start|>assistant to=", marked.harmony),
    Format("Gemma", "<|tool_call>", marked.gemma),
    Format("Granite and Phi", "<|tool_call|>", objects.between("<|/tool_call|>", "</tool_call>")),
    Format("InternLM", "<|action_start|><|plugin|>", objects.between("<|action_end|>")),
    # JSON between tags
    Format("LongCat", "<longcat_tool_call>", objects.between("</longcat_tool_call>")),
    Format("Hunyuan and Jamba", "<tool_calls>", objects.between("</tool_calls>")),
    Format("tools", "<tools>", objects.between("</tools>")),
    Format("Granite, older", "<function_call>", objects.between("</function_call>")),
    Format("Nemotron", "<TOOLCALL>", objects.between("</TOOLCALL>")),
    # tags for each argument, or JSON
    Format("Hermes, Qwen and GLM", "<tool_call>", tagged.tool_call),
    Format("Qwen Coder, bare", "<function=", tagged.function),
    Format("Seed", "<seed:tool_call>", tagged.functions_until("</seed:tool_call>")),
    Format("MiniMax", "<minimax:tool_call>", tagged.invokes_until("</minimax:tool_call>")),
    Format("invoke", "<function_calls>", tagged.invokes_until("</function_calls>")),
    Format("invoke, bare", '<invoke name="', tagged.invoke()),
    Format(
        "DeepSeek V3.2",
        f"<{DSML}function_calls>",
        tagged.invokes_until(f"</{DSML}function_calls>", DSML),
    ),
    Format(
        "DeepSeek V4", f"<{DSML}tool_calls>", tagged.invokes_until(f"</{DSML}tool_calls>", DSML)
    ),
    Format("DeepSeek V4, bare", f'<{DSML}invoke name="', tagged.invoke(DSML)),
    # the whole answer
    Format("an object", "{", objects.whole_json, whole=True),
    Format("a list", "[", objects.whole_list, whole=True),
    Format("fenced JSON", "```", objects.whole_fence, whole=True),
)

MARKED: dict[str, Format] = {format.opener: format for format in FORMATS if not format.whole}
WHOLE: dict[str, Format] = {format.opener: format for format in FORMATS if format.whole}
