"""`/managed/settings`: each sentence of the gateway contract of Claude Code, section 5."""

import hashlib
import json
from typing import Any

import pytest

from tests.conftest import Start
from tests.fakes import books
from tests.fakes.backend import FakeBackend
from tests.fakes.client import KEY, Response, ask
from tests.fakes.gateway import Gateway
from tests.shapes import check_error

PATH = "/managed/settings"
MAIN = "zai-org/GLM-4.5-Air"
MAKE = """
import json
from django.contrib.auth.models import User
from bridge.models import ApiKey, Team, TeamMember
red = Team.objects.create(name="red", client_settings={
    "model": "test/small",
    "env": {"TEAM": "red", "ONLY_RED": "1"},
    "permissions": {"deny": ["Read(./.env)"], "allow": ["Bash(ls)"]},
})
blue = Team.objects.create(name="blue", allowed="test/*", client_settings={
    "language": "\u0420\u0443\u0441\u0441\u043a\u0438\u0439",
    "env": {"TEAM": "blue"},
    "permissions": {"deny": ["WebFetch"], "allow": ["Bash(cat)"]},
})
gone = Team.objects.create(name="zz", enabled=False, client_settings={"env": {"TEAM": "zz"}})
ann, bob = (User.objects.create(username=name) for name in ("ann", "bob"))
for team in (red, blue, gone):
    TeamMember.objects.create(team=team, user=ann)
TeamMember.objects.create(team=red, user=bob)
keys = {
    "alone": {}, "of_red": {"team": red}, "ann": {"person": ann}, "bob": {"person": bob},
    "ann_in_blue": {"person": ann, "team": blue}, "bob_again": {"person": bob},
}
print(json.dumps({name: ApiKey.issue(name, given)[1] for name, given in keys.items()}))
"""


@pytest.fixture(scope="module")
def served(launch_gateway: Start) -> Gateway:
    return launch_gateway("serve")


@pytest.fixture(scope="module")
def keys(served: Gateway) -> dict[str, str]:
    made: dict[str, str] = json.loads(served.manage("shell", "-v0", "-c", MAKE))
    last = served.with_key(made["bob_again"])
    books.until(lambda: last.get(PATH).status, lambda status: status == 200, served)
    return made


class Asker:
    def __init__(self, gateway: Gateway, keys: dict[str, str]) -> None:
        self._gateway, self._keys = gateway, keys

    def get(self, name: str, condition: str | None = None) -> Response:
        headers = {} if condition is None else {"if-none-match": condition}
        return self._gateway.with_key(self._keys[name]).get(PATH, headers)

    def settings(self, name: str) -> Any:
        return self.get(name).json["settings"]


@pytest.fixture
def asker(served: Gateway, keys: dict[str, str]) -> Asker:
    return Asker(served, keys)


def test_answer_has_the_wrapper_and_the_checksum_that_a_client_computes(asker: Asker) -> None:
    response = asker.get("ann_in_blue")
    assert response.status == 200
    assert response.headers["content-type"] == "application/json"
    body = response.json
    assert list(body) == ["uuid", "checksum", "settings"]
    text = json.dumps(body["settings"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert "Русский" in text
    assert body["checksum"] == f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
    assert response.headers["etag"] == f'"{body["checksum"]}"'
    assert len(body["uuid"]) == 36


def test_everybody_gets_what_fits_the_models(asker: Asker) -> None:
    """Also a key that is nobody's."""
    settings = asker.settings("alone")
    assert settings["model"] == MAIN
    env = settings["env"]
    assert env["ANTHROPIC_DEFAULT_OPUS_MODEL"] == MAIN
    assert env["CLAUDE_CODE_MAX_CONTEXT_TOKENS"] == "131072"
    assert env["CLAUDE_CODE_GATEWAY_HINT_HEADERS"] == "1"
    assert env["CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY"] == "1"
    assert env["CLAUDE_CODE_ATTRIBUTION_HEADER"] == "0"
    assert not env.keys() & {"ANTHROPIC_BASE_URL", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_API_KEY"}


def test_prices_are_those_of_the_ledger(served: Gateway, asker: Asker) -> None:
    """By the names that a client uses: the main model's, and those of its picker."""
    assert "modelPricing" not in asker.settings("alone")
    change = (
        "from bridge.models import Price as P; "
        f"P.objects.create(model='{MAIN}', input_per_mtok='0.5', output_per_mtok='3'); "
        "P.objects.create(model='test/alpha', input_per_mtok='20000', output_per_mtok='1')"
    )
    served.manage("shell", "-v0", "-c", change)
    rates = {"input": 0.5, "output": 3, "cacheRead": 0.5, "cacheWrite": 0.5}
    settings = books.until(
        lambda: asker.settings("alone"), lambda seen: "modelPricing" in seen, served
    )
    assert settings["modelPricing"] == {"overrides": {MAIN: rates, f"anthropic/{MAIN}": rates}}


def test_team_of_a_key_that_is_nobodys_counts(asker: Asker) -> None:
    settings = asker.settings("of_red")
    assert (settings["model"], settings["env"]["TEAM"]) == ("test/small", "red")
    assert settings["env"]["CLAUDE_CODE_MAX_CONTEXT_TOKENS"] == "4096", "the window is another's"
    assert settings["env"]["ANTHROPIC_DEFAULT_OPUS_MODEL"] == "test/small"
    assert settings["env"]["CLAUDE_CODE_GATEWAY_HINT_HEADERS"] == "1"


def test_several_teams_are_merged_by_name_and_the_keys_own_is_the_strongest(
    asker: Asker,
) -> None:
    """A disabled one has no say."""
    settings = asker.settings("ann")
    assert settings["env"]["TEAM"] == "red"
    assert settings["permissions"]["deny"] == ["WebFetch", "Read(./.env)"]
    assert settings["permissions"]["allow"] == ["Bash(ls)"]
    settings = asker.settings("ann_in_blue")
    assert (settings["env"]["TEAM"], settings["env"]["ONLY_RED"]) == ("blue", "1")
    assert settings["permissions"]["deny"] == ["Read(./.env)", "WebFetch"]
    assert settings["permissions"]["allow"] == ["Bash(cat)"]


def test_names_are_those_that_the_caller_may_use(asker: Asker) -> None:
    """blue may use test/* alone."""
    env = asker.settings("ann_in_blue")["env"]
    assert env["ANTHROPIC_DEFAULT_OPUS_MODEL"].startswith("test/")


def test_keys_of_one_person_have_one_policy(asker: Asker) -> None:
    bob, again, ann = (asker.get(name).json for name in ("bob", "bob_again", "ann"))
    assert bob == again
    assert bob["uuid"] != ann["uuid"]


def test_304_answers_only_a_condition_that_names_it(asker: Asker) -> None:
    tag = asker.get("bob").headers["etag"]
    for condition in (tag, f"W/{tag}", f'"x", {tag}', f'"x",W/{tag} , "y"'):
        unchanged = asker.get("bob", condition)
        assert (unchanged.status, unchanged.body) == (304, b"")
        assert unchanged.headers["etag"] == tag
    bare = tag.strip('"')
    for condition in ("", "*", '"sha256:0"', bare, f'"{bare}', f'"x{bare}"', "\x7f" * 9000):
        answer = asker.get("bob", condition)
        assert (answer.status, answer.headers["etag"]) == (200, tag), condition


def test_nobody_without_a_key_of_ours_has_a_policy(served: Gateway) -> None:
    """A forwarded key: 404. None and a bad one: 401, and no try again."""
    unknown = served.client.get(PATH)
    assert unknown.status == 404
    assert check_error(unknown.json)["error"]["type"] == "not_found_error"
    assert served.client.get(PATH, {"if-none-match": "*"}).status == 404
    for key in (None, "gwk_unknown"):
        refused = served.with_key(key).get(PATH)
        assert (refused.status, refused.headers["x-should-retry"]) == (401, "false")
    assert served.client.post(PATH, {}).status == 405


def test_checksum_of_a_client_is_neither_kept_nor_passed_on(
    served: Gateway, keys: dict[str, str], backend: FakeBackend
) -> None:
    """Section 1: sensitive like a password's hash."""
    mark = "sha256:5ec7e75ec7e7"
    client = served.with_key(keys["bob"])
    hints = {
        "x-claude-code-managed-settings-checksum": mark,
        "x-claude-code-request-class": "main",
    }
    sampled = "from bridge.models import ApiKey as K; K.objects.update(sample_percent=100)"
    served.manage("shell", "-v0", "-c", sampled)
    seen = len(books.rows(served))
    answer = client.post("/v1/messages", ask(), hints)
    assert answer.status == 200
    assert mark not in json.dumps(backend.only_call.headers)
    books.until(lambda: len(books.rows(served)), lambda count: count > seen, served)
    assert mark not in json.dumps(books.rows(served), default=str)
    assert mark not in served.log


def test_bad_key_in_a_stored_row_is_a_fault_and_the_others_are_handed_out(
    served: Gateway, asker: Asker
) -> None:
    """Ours: a row that was written past the forms takes nobody's key away."""
    change = (
        "from bridge.models import Team; t = Team.objects.get(name='red'); "
        "t.client_settings['modle'] = 'x'; t.client_settings['env']['TEAM'] = 'pink'; t.save()"
    )
    served.manage("shell", "-v0", "-c", change)
    env = books.until(
        lambda: asker.settings("of_red"), lambda seen: seen["env"]["TEAM"] == "pink", served
    )
    assert "modle" not in env
    assert "modle: unknown key; do you mean model?" in served.log


def test_nothing_is_handed_out_where_that_is_off(
    start_gateway: Start, backend: FakeBackend
) -> None:
    gateway = start_gateway("serve", MANAGED_SETTINGS="0", DEBUG_PROXY="1", LOG_LEVEL="debug")
    made = json.loads(gateway.manage("shell", "-v0", "-c", MAKE))
    client = gateway.with_key(made["bob_again"])
    books.until(lambda: client.get("/v1/models").status, lambda status: status == 200, gateway)
    assert client.get(PATH).status == 404
    mark = "sha256:5ec7e75ec7e7"
    client.post("/v1/messages", ask(), {"x-claude-code-managed-settings-checksum": mark})
    assert mark not in gateway.log
    assert KEY not in gateway.log
