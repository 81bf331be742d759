"""The form in which an operator describes a request, to see where it would go."""

from __future__ import annotations

from django.forms import (
    BooleanField,
    CharField,
    CheckboxInput,
    ChoiceField,
    Form,
    IntegerField,
    NumberInput,
    Select,
    TextInput,
)

from bridge.routing.conditions import RequestTraits
from bridge.translation.prompt_size import PromptSize
from bridge.translation.request.purpose import (
    AUXILIARY,
    COMPACTION,
    JUDGE,
    MAIN,
    SUBAGENT,
    WORKFLOW,
)

NOT_SAID = "none"
CLASSES = (
    (MAIN, "main: conversation"),
    (SUBAGENT, "subagent"),
    (WORKFLOW, "workflow"),
    (COMPACTION, "compaction: a summary"),
    (AUXILIARY, "auxiliary: a title and the like"),
    (JUDGE, "judge: the gateway’s own"),
    (NOT_SAID, "none: another client"),
)
USUAL_MAX_TOKENS = 32_000
"""What Claude Code asks for where it does not know the model."""
MOST_TOKENS = 100_000_000
LONGEST = 300


def _text(label: str, **attributes: str) -> CharField:
    plain = {"autocomplete": "off", "spellcheck": "false", **attributes}
    return CharField(label=label, required=False, max_length=LONGEST, widget=TextInput(attrs=plain))


def _tokens(label: str, placeholder: str) -> IntegerField:
    attributes = {"placeholder": placeholder, "autocomplete": "off"}
    return IntegerField(
        label=label,
        required=False,
        min_value=0,
        max_value=MOST_TOKENS,
        widget=NumberInput(attrs=attributes),
    )


class DescribedRequestForm(Form):
    """What routing looks at in a request; each field has a usual value where it is left empty."""

    request_class = ChoiceField(
        label="Class",
        required=False,
        choices=CLASSES,
        widget=Select(attrs={"class": "gw-select"}),
    )
    agent_type = _text("Agent type", list="gw-agents")
    prompt_tokens = _tokens("Prompt, tokens", "0")
    max_tokens = _tokens("Longest answer, tokens", str(USUAL_MAX_TOKENS))
    image = BooleanField(label="With an image", required=False, widget=CheckboxInput())
    thinking = BooleanField(label="Asks to think", required=False, widget=CheckboxInput())

    def traits(self) -> RequestTraits:
        """The described request, as routing sees it. Call after `is_valid()`."""
        given = self.cleaned_data
        request_class = given["request_class"] or MAIN
        size = PromptSize.of_tokens(given["prompt_tokens"] or 0)
        longest = given["max_tokens"]
        return RequestTraits(
            request_class="" if request_class == NOT_SAID else request_class,
            agent_type=given["agent_type"],
            asks_to_think=given["thinking"],
            prompt=PromptSize(size.text_bytes, images=int(given["image"])),
            max_tokens=USUAL_MAX_TOKENS if longest is None else longest,
        )
