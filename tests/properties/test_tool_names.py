"""Names of tools go out in a form that backends take, and come back as they were declared."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from bridge.translation.request.tools import ToolNames
from tests.properties.values import SOME_TEXT, mended

KNOWN = ["Bash", "bash", "BASH", "run_shell", "mcp__x.y__z", "mcp__x_y__z", "n" * 130, "n" * 131]
NAMES = st.one_of(*[st.sampled_from(KNOWN)] * 3, SOME_TEXT.map(mended).filter(bool))
MAPS = st.sampled_from(
    [{}, {"run_shell": "Bash"}, {"Bash": "bash"}, {"run_shell": "Bash", "bash": "BASH"}]
)
LIMITS = st.sampled_from([64, 128])


@given(names=st.lists(NAMES, min_size=1, max_size=5, unique=True), limit=LIMITS, to_client=MAPS)
def test_every_declared_name_comes_back(
    names: list[str], limit: int, to_client: dict[str, str]
) -> None:
    """F47, S14: one name each, that fits; no two tools become one."""
    both = ToolNames(limit, to_client)
    sent = [both.declare(name) for name in names]
    assert len(set(sent)) == len(sent)
    assert all(re.fullmatch(rf"[a-zA-Z0-9_-]{{1,{limit}}}", name) for name in sent)
    assert [both.to_client(name) for name in sent] == names


@given(names=st.lists(NAMES, max_size=4, unique=True), stranger=NAMES)
def test_undeclared_name_is_never_turned_into_another(names: list[str], stranger: str) -> None:
    """F81, S14: only a difference in case is repaired."""
    both = ToolNames(128, {})
    for name in names:
        both.declare(name)
    shown = both.to_client(stranger)
    assert shown == stranger or stranger.lower() in (shown.lower(), both.to_backend(shown).lower())
