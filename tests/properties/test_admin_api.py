"""Whatever JSON a script sends to whatever endpoint of the admin API: done, or refused with the
member that is at fault; never a failure of the gateway. Ours."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
from django.db import transaction
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from bridge.admin_api.route import ApiRoute
from bridge.admin_api.routes import ROUTES
from bridge.models import ApiKey
from tests.bridge.people import a_team, a_user
from tests.bridge.rows import a_row, an_alias
from tests.bridge.scripts import Script, a_script
from tests.shapes import check_error

pytestmark = pytest.mark.django_db

EXAMPLES = max(150, settings.default.max_examples)  # type: ignore[union-attr]
"""There are many routes, of which each gets a few at least."""
WRITING = [route for route in ROUTES if route.body is not None]
ASKING = [route for route in ROUTES if route.query is not None]
NAMES = {
    "name": ["blue", "main", "k", "new", "a/b", "a b", "x" * 300],
    "pattern": ["claude-*", "new", "[", "x" * 300],
    "backend": ["main", "none", "*"],
    "model": ["m", "org/m", "x" * 400],
    "backend_name": ["bash", "x" * 200],
    "username": ["ann", "new", "a b", "x" * 200],
    "person": ["ann", "none"],
    "team": ["blue", "none", "*"],
    "group": ["all", "/a/b"],
    "id": ["spl_user_1_daily", "x"],
}
VALUES: SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(
        [
            "",
            "ann",
            "blue",
            "main",
            "set",
            "env:KEY",
            "gwk_x",
            "2099-01-01T00:00:00Z",
            "0001-01-01T00:00:00+14:00",
            "9999-12-31T23:59:59-14:00",
            "\0",
            "[",
            "http://a.example/v1",
            "http://[::1",
            "on",
            "judge: m",
            "1" * 400,
        ]
    ),
    lambda below: (
        st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=4), below, max_size=3)
    ),
    max_leaves=6,
)
NAMED = re.compile(r"""(?:[\w.\[\]-]|"(?:[^"\\]|\\.)*")+: .""")


@st.composite
def requests(draw: st.DrawFn) -> tuple[ApiRoute, str, Any]:
    """A route, one of its addresses, and a body that has its members, or not."""
    route = draw(st.sampled_from(WRITING))
    address = route.path
    for name in route.parameters:
        address = address.replace(f"{{{name}}}", draw(st.sampled_from(NAMES[name])))
    return route, address, draw(bodies(route.body))


def bodies(kind: Any) -> SearchStrategy[Any]:
    """Members of the right names with values of any kind; sometimes of the right kind."""
    members = {}
    for each in msgspec.structs.fields(kind):
        members[each.encode_name] = VALUES | st.just(_fitting(each.encode_name))
    some = st.fixed_dictionaries({}, optional=members)
    return st.one_of(some, some, some, VALUES)


def _fitting(name: str) -> Any:
    return {
        "targets": [{"backend": "main", "model": "m"}],
        "members": ["ann"],
        "url": "http://a.example/v1",
        "teams": [{"name": "red"}],
        "keys": [{"name": "k2"}],
        "scope": {"type": "user", "user_id": "ann"},
        "amount": "100",
        "role": "operator",
    }.get(name, 1)


@pytest.fixture
def script() -> Script:
    ann = a_user(name="ann")
    a_user("admin", "root")
    a_team("blue", ann)
    an_alias("claude-*", (a_row(), "m"))
    ApiKey.issue("k", {"person": ann})
    return a_script("admin")


def test_any_body_is_done_or_refused_by_name(script: Script) -> None:
    @settings(max_examples=EXAMPLES)
    @given(asked=requests())
    def check(asked: tuple[ApiRoute, str, Any]) -> None:
        route, address, body = asked
        with transaction.atomic():
            answer: Any = script.send(route.method, address, body)
            transaction.set_rollback(True)
        assert answer.status_code in (200, 201, 400, 404, 409), answer.content
        if answer.status_code in (200, 201):
            if route.answer is not None:
                msgspec.json.decode(answer.content, type=route.answer)
            return
        message = check_error(answer.json())["error"]["message"]
        if answer.status_code == 400:
            assert NAMED.match(message), message

    check()


def test_any_query_is_answered_or_refused_by_name(script: Script) -> None:
    @given(route=st.sampled_from(ASKING), data=st.data())
    def check(route: ApiRoute, data: st.DataObject) -> None:
        kind: Any = route.query
        names = [each.encode_name for each in msgspec.structs.fields(kind)]
        values = st.text(max_size=9) | st.sampled_from(["1", "7d", "UTC", "\0", "9" * 30, "day"])
        query = data.draw(st.dictionaries(st.sampled_from([*names, "x"]), values, max_size=3))
        with transaction.atomic():
            answer = script.api.generic(
                route.method,
                f"/api/admin/v1{route.path}",
                b"{}",
                headers={"authorization": f"Bearer {script.text}"},
                query_params=query,
            )
            transaction.set_rollback(True)
        assert answer.status_code in (200, 400), answer.content
        if answer.status_code == 400:
            assert NAMED.match(check_error(answer.json())["error"]["message"])
        else:
            msgspec.json.decode(answer.content, type=route.answer)

    check()
