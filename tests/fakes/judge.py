"""A scripted judge: reads the labels of a judge's request and answers with verdicts on them."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from tests.fakes.chunks import Json, finish, role, text, usage
from tests.fakes.replies import Call

_LABEL = re.compile(r'^\{"label":"([0-9A-Za-z]+-[0-9]+)","tool":', re.M)

Says = str | Mapping[str, Any]
"""An outcome, or the members of an entry."""


def asks(*contexts: Json) -> list[Json]:
    """`safeguards` of a request, with this context or a small one."""
    (context,) = contexts or ({"v": 1, "live_cwd": "/work/app", "rules": {"allow": []}},)
    return [{"type": "dangerous_tool_use", "classifier_context": context}]


def labels_in(call: Call) -> list[str]:
    """The labels that a judge's request asks about."""
    return _LABEL.findall(data_of(call))


def data_of(call: Call) -> str:
    """What a judge's request asks, less its instructions."""
    asked: str = call.body["messages"][-1]["content"]
    return asked


def verdicts(*says: Says) -> Callable[[Call], list[Json]]:
    """Answers each label in turn; the last one repeats."""

    def answer(call: Call) -> list[Json]:
        labels = labels_in(call)
        kept = [*says, *says[-1:] * len(labels)][: len(labels)]
        return spoken(json.dumps({"verdicts": list(map(_entry, labels, kept))}))

    return answer


def spoken(words: str) -> list[Json]:
    """An answer of these words."""
    return [role(), text(words), finish("stop"), usage(700, 40)]


def _entry(label: str, says: Says) -> Json:
    given = {"outcome": says} if isinstance(says, str) else dict(says)
    flagged = given["outcome"] == "flagged"
    usual = {"label": label, "rule": "other" if flagged else "none", "explanation": ""}
    return usual | given
