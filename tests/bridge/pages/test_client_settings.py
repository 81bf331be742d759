"""Client settings: what is set for which model, and text that shells and languages read back."""

import ast
import html
import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.template.loader import render_to_string
from django.test import RequestFactory

from bridge.client_settings.variables import ClientSetup, claude_code
from bridge.pages import client_settings
from bridge.pages.client_settings import (
    curl,
    page,
    python_sdk,
    settings_json,
    shell_exports,
    start_command,
    typescript_sdk,
)
from bridge.routing.types import BackendConfig, Routes
from bridge.translation.profiles import PROFILES, ModelFacts

URL = "http://gateway.test:8080"
SECONDS = 30
ODD = [
    "zai-org/GLM-4.5-Air",
    "vendor/name:free",
    "two words",
    "it's",
    '"quoted"',
    "$HOME `id` $(id) \\ \\n !x",
    "-n",
    "~root",
    "*[a]?{b,c}",
    "#no comment; false && exit 1 | cat > out & #",
    "first\nsecond\ttab",
    "élan 模型 \U0001f600 \u2028 \x7f",
    "<b>&amp;</script>{{ name }}{% now %}",
    "${name}",
]
needs_node = pytest.mark.skipif(not shutil.which("node"), reason="there is no node here")


@pytest.fixture(autouse=True)
def _served_by_that_name(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["gateway.test"]


def a_connection(model: str = "test/alpha", small: str = "", **facts: Any) -> ClientSetup:
    return ClientSetup(URL, model, ModelFacts(model, **facts), small)


def in_bash(script: str) -> str:
    """What a script says, run without any variable of this shell but where programs are."""
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-euc", script],
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"},
        capture_output=True,
        timeout=SECONDS,
        check=True,
    )
    assert done.stderr == b""
    return done.stdout.decode()


# --- text that is read back -------------------------------------------------------------------


@pytest.mark.parametrize("name", ODD)
def test_shell_sets_exactly_these_values(name: str) -> None:
    """Ours: no name of a model can be more than a name."""
    variables = claude_code(a_connection(name, small=name[::-1], context=32768))
    shown = in_bash(f"{shell_exports(variables)}\nenv -0")
    found = dict(line.split("=", 1) for line in shown.split("\0") if line)
    assert {v.name: found[v.name] for v in variables} == {v.name: v.value for v in variables}
    assert found["ANTHROPIC_MODEL"] == name


@pytest.mark.parametrize("name", ODD)
def test_settings_file_has_the_same_values(name: str) -> None:
    """Observed client: `env` of its settings holds strings."""
    connection = a_connection(name, context=131072, max_output=8192)
    document = json.loads(settings_json(connection))
    assert document == {"env": {v.name: v.value for v in claude_code(connection)}}
    assert document["env"]["CLAUDE_CODE_MAX_CONTEXT_TOKENS"] == "131072"


def test_start_in_a_small_window_is_in_the_mode_that_asks() -> None:
    """Observed client: in auto mode it runs no command whose check did not fit."""
    small, large = a_connection(context=32768), a_connection(context=131072)
    assert start_command(small) == "claude --permission-mode default"
    assert json.loads(settings_json(small))["permissions"] == {"defaultMode": "default"}
    for connection in (large, replace(small, is_judged=True)):
        assert start_command(connection) == "claude"
        assert "permissions" not in json.loads(settings_json(connection))


@pytest.mark.parametrize("name", ODD)
def test_python_reads_the_name_back(name: str) -> None:
    """Ours: the snippet is a program, with the name as one literal."""
    program = python_sdk(a_connection(name))
    compile(program, "snippet", "exec")
    calls = [node for node in ast.walk(ast.parse(program)) if isinstance(node, ast.Call)]
    values = {
        keyword.arg: ast.literal_eval(keyword.value) for call in calls for keyword in call.keywords
    }
    assert (values["model"], values["base_url"], values["api_key"]) == (name, URL, "YOUR_KEY")


STAND_IN = """\
export default class {
  constructor(options) { this.options = options; this.messages = this; }
  create(params) {
    const said = JSON.stringify([this.options, params]);
    return Promise.resolve({ content: [{ type: "thinking" }, { type: "text", text: said }] });
  }
}
"""


@needs_node
@pytest.mark.parametrize("name", ODD)
def test_javascript_reads_the_name_back(name: str, tmp_path: Path) -> None:
    """Ours: the snippet runs as it stands; a stand-in for the SDK says what it was told."""
    package = tmp_path / "node_modules" / "@anthropic-ai" / "sdk"
    package.mkdir(parents=True)
    (package / "index.mjs").write_text(STAND_IN)
    (package / "package.json").write_text('{"main": "index.mjs", "name": "@anthropic-ai/sdk"}')
    program = tmp_path / "snippet.mjs"
    program.write_text(typescript_sdk(a_connection(name)), encoding="utf-8")
    subprocess.run(["node", "--check", program], timeout=SECONDS, check=True)
    done = subprocess.run(["node", program], capture_output=True, timeout=SECONDS, check=True)
    options, params = json.loads(done.stdout)
    assert options == {"baseURL": URL, "apiKey": "YOUR_KEY"}
    assert params["model"] == name
    assert params["messages"] == [{"role": "user", "content": "Hello"}]


@pytest.mark.parametrize("name", ODD)
def test_curl_is_given_the_name(name: str) -> None:
    """Ours: a function in place of the program says what a shell hands to it."""
    shown = in_bash(f'curl() {{ printf "%s\\0" "$@"; }}\n{curl(a_connection(name))}')
    *options, body, end = shown.split("\0")
    assert options == [
        "-N",
        f"{URL}/v1/messages",
        "-H",
        "content-type: application/json",
        "-H",
        "x-api-key: YOUR_KEY",
        "-d",
    ]
    assert json.loads(body)["model"] == name
    assert end == ""


@pytest.mark.parametrize(
    ("facts", "expected"),
    [({}, 1024), ({"reasoning": True}, 4096), ({"reasoning": True, "max_output": 2000}, 2000)],
)
def test_snippets_ask_for_what_the_model_can_give(facts: dict[str, Any], expected: int) -> None:
    """Ours: thinking needs room, and no request of ours is beyond the model."""
    connection = a_connection(**facts)
    assert f"max_tokens={expected}," in python_sdk(connection)
    assert f"max_tokens: {expected}," in typescript_sdk(connection)
    assert f'"max_tokens": {expected},' in curl(connection)


# --- the page ---------------------------------------------------------------------------------


def shown(model: str, small: str = "", **facts: Any) -> str:
    request = RequestFactory(SERVER_NAME="gateway.test").get("/", secure=True)
    facts_of = {model: ModelFacts(model, **facts), "another": ModelFacts("another")}
    backend = BackendConfig(
        1, "main", "http://backend.test/v1", PROFILES["generic"], models=facts_of
    )
    context = client_settings.context(request, Routes((backend,)), name=model, small=small)
    return render_to_string("bridge/client_settings.html", context)


def test_page_takes_its_address_from_the_request() -> None:
    """Ours: what is copied works from where it was read."""
    assert "export ANTHROPIC_BASE_URL=https://gateway.test\n" in shown("test/alpha")


@pytest.mark.parametrize("name", ODD)
def test_page_shows_what_is_copied(name: str) -> None:
    """Ours: the text between the tags is the text itself, and no name becomes markup."""
    connection = ClientSetup("https://gateway.test", name, ModelFacts(name, context=40960), "small")
    told = page(connection)
    text = shown(name, "small", context=40960)
    found = [html.unescape(body) for body in re.findall("<pre>(.*?)</pre>", text, re.S)]
    assert found == [
        told.exports,
        told.settings,
        told.sign_in,
        *(snippet for _, _, snippet in told.snippets),
    ]
    assert "<b>" not in text


def test_page_has_what_a_login_of_the_client_needs(settings: Any) -> None:
    """The page of /login offers no gateway before the client's settings name one."""
    written = {"forceLoginMethod": "gateway", "forceLoginGatewayUrl": "https://gateway.test"}
    connection = ClientSetup("https://gateway.test", "m", ModelFacts("m"), "")
    assert json.loads(page(connection).sign_in) == written
    assert "forceLoginGatewayUrl" in shown("m")
    settings.SIGN_IN = False
    assert "forceLogin" not in shown("m")


def test_page_explains_every_line_and_warns() -> None:
    """ui: nothing is unexplained; what is not known is called so."""
    text = html.unescape(shown("test/alpha", tools=False))
    told = page(a_connection(tools=False))
    for variable in told.variables:
        assert f"<code>{variable.name}</code></dt><dd>{variable.why}</dd>" in text
    assert len(told.remarks) == 2
    for remark in told.remarks:
        assert remark in text
    assert "<dt>Context window</dt><dd>not known</dd>" in text
    assert "<dt>Tools</dt><dd>no</dd>" in text


def test_page_needs_no_permission_of_a_strict_policy() -> None:
    """Ours: no script and no style inside the page, all files from here."""
    text = shown("test/alpha")
    assert not re.search(r"<style|\bstyle=|\bon\w+=|<script(?![^>]* src=)", text)
    named = re.findall(r'(?:src|href)="/static/([^"]+)"', text)
    assert named == ["bridge/client_settings.css", "bridge/copy.js"]
    assert all(finders.find(name) for name in named)


def test_every_tab_has_its_pane() -> None:
    """Ours: the style sheet shows a pane by the key of its tab."""
    text = shown("test/alpha")
    keys = re.findall(r'type="radio"[^>]* value="(\w+)"', text)
    assert keys == re.findall(r'data-tab="(\w+)"', text)
    assert keys == ["code", "python", "typescript", "curl"]
    style = Path(str(finders.find("bridge/client_settings.css"))).read_text()
    for key in keys:
        assert f'[value="{key}"]:checked) > [data-tab="{key}"]' in style


def test_docs_show_what_the_page_gives() -> None:
    """Ours: the first block of the page on clients is one of these, to the letter."""
    facts = ModelFacts("m", context=131072, max_output=98304)
    connection = ClientSetup("http://127.0.0.1:8080", "zai-org/GLM-4.5-Air", facts, "Qwen/Qwen3-8B")
    block = "".join(f"    {line}\n" for line in page(connection).exports.splitlines())
    text = (Path(__file__).parents[3] / "docs" / "start" / "clients.md").read_text(encoding="utf-8")
    assert f"\n\n{block}    claude\n" in text
