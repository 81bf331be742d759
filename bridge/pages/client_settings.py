"""Client settings, ready to copy: for Claude Code, for the SDKs and for curl. Pure.

The lines for a shell carry no comments: an interactive zsh takes `#` for a command. A page shows
the reasons beside them.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.conf import settings

from bridge.client_settings import setup as connections
from bridge.client_settings.managed import document_of
from bridge.client_settings.variables import (
    YOUR_KEY,
    YOUR_MODEL,
    ClientSetup,
    Variable,
    claude_code,
    known,
    permission_mode,
    remarks,
)
from bridge.configuration.snapshot import current_routes
from bridge.pages.own_address import own_address
from bridge.routing.types import Routes
from bridge.translation.profiles import ModelFacts

if TYPE_CHECKING:
    from django.http import HttpRequest

SNIPPET_OUTPUT, SNIPPET_THINKING = 1024, 4096
"""Tokens for a short answer, and for one with thinking before it."""


# --- Claude Code ------------------------------------------------------------------------------


def shell_exports(variables: tuple[Variable, ...]) -> str:
    """Lines for bash, zsh and other shells of their kind."""
    return "\n".join(f"export {v.name}={shlex.quote(v.value)}" for v in variables)


def start_command(connection: ClientSetup) -> str:
    """What starts Claude Code behind those lines."""
    mode = permission_mode(connection)
    return f"claude --permission-mode {mode}" if mode else "claude"


def settings_json(connection: ClientSetup) -> str:
    """Lines and start as a document for Claude Code's settings.json."""
    document = document_of(connection, claude_code(connection))
    return json.dumps(document, indent=2, ensure_ascii=False)


def sign_in_json(base_url: str) -> str:
    """A document for settings.json: `/login` of Claude Code then asks at this gateway."""
    document = {"forceLoginMethod": "gateway", "forceLoginGatewayUrl": base_url}
    return json.dumps(document, indent=2)


# --- SDKs and curl ----------------------------------------------------------------------------


def _quoted(text: str) -> str:
    """A string literal of JSON, which is one of Python and of TypeScript, too."""
    return json.dumps(text, ensure_ascii=False)


def _max_tokens(facts: ModelFacts) -> int:
    """Room for a short answer, and for the thinking before it."""
    wanted = SNIPPET_THINKING if facts.reasoning else SNIPPET_OUTPUT
    return min(wanted, facts.max_output or wanted)


def python_sdk(connection: ClientSetup) -> str:
    """A program for the `anthropic` package that prints an answer."""
    return f"""\
from anthropic import Anthropic

client = Anthropic(
    base_url={_quoted(connection.base_url)},
    api_key={_quoted(connection.key)},
)
message = client.messages.create(
    model={_quoted(connection.model)},
    max_tokens={_max_tokens(connection.facts)},
    messages=[{{"role": "user", "content": "Hello"}}],
)
for block in message.content:
    if block.type == "text":
        print(block.text)"""


def typescript_sdk(connection: ClientSetup) -> str:
    """The same as a module for `@anthropic-ai/sdk`; it is JavaScript as it stands."""
    return f"""\
import Anthropic from "@anthropic-ai/sdk";

const client = new Anthropic({{
  baseURL: {_quoted(connection.base_url)},
  apiKey: {_quoted(connection.key)},
}});
const message = await client.messages.create({{
  model: {_quoted(connection.model)},
  max_tokens: {_max_tokens(connection.facts)},
  messages: [{{ role: "user", content: "Hello" }}],
}});
for (const block of message.content) {{
  if (block.type === "text") console.log(block.text);
}}"""


def curl(connection: ClientSetup) -> str:
    """A streamed request in a shell."""
    body = {
        "model": connection.model,
        "max_tokens": _max_tokens(connection.facts),
        "stream": True,
        "messages": [{"role": "user", "content": "Hello"}],
    }
    headers = ("content-type: application/json", f"x-api-key: {connection.key}")
    lines = [f"curl -N {shlex.quote(connection.base_url + '/v1/messages')}"]
    lines += [f"-H {shlex.quote(header)}" for header in headers]
    lines += [f"-d {shlex.quote(json.dumps(body, ensure_ascii=False))}"]
    return " \\\n  ".join(lines)


# --- the page ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SettingsPage:
    """What `bridge/client_settings.html` shows."""

    connection: ClientSetup
    before_start: str
    known: tuple[tuple[str, str], ...]
    remarks: tuple[str, ...]
    variables: tuple[Variable, ...]
    exports: str
    start: str
    settings: str
    sign_in: str
    """The document by which `/login` finds this gateway, "" where nobody signs in."""
    snippets: tuple[tuple[str, str, str], ...]
    """(key of the tab, its title, the snippet)"""


def _before_start(connection: ClientSetup) -> str:
    """What the reader has to put in, "" for nothing."""
    key = f"your key in place of {YOUR_KEY}" if connection.key == YOUR_KEY else ""
    model = f"a model's name in place of {YOUR_MODEL}" if connection.is_placeholder else ""
    places = [text for text in (key, model) if text]
    return f"Put {' and '.join(places)}" if places else ""


def page(connection: ClientSetup) -> SettingsPage:
    """Everything about one connection, ready to be shown."""
    variables = claude_code(connection)
    return SettingsPage(
        connection=connection,
        before_start=_before_start(connection),
        known=known(connection.facts),
        remarks=remarks(connection),
        variables=variables,
        exports=shell_exports(variables),
        start=start_command(connection),
        settings=settings_json(connection),
        sign_in=sign_in_json(connection.base_url) if settings.SIGN_IN else "",
        snippets=(
            ("python", "Python", python_sdk(connection)),
            ("typescript", "TypeScript", typescript_sdk(connection)),
            ("curl", "curl", curl(connection)),
        ),
    )


def setup(routes: Routes, base_url: str, **choice: Any) -> ClientSetup:
    """The connection of a caller by the settings of this gateway. `choice` as for `setup.setup`."""
    return connections.setup(routes, base_url, safeguards=settings.SAFEGUARDS, **choice)


def context(request: HttpRequest, routes: Routes, **choice: Any) -> dict[str, Any]:
    """What the template needs; the address is that of the request. `choice` as for `setup`."""
    known = setup(routes, own_address(request), **choice)
    return {"client_settings": page(known)}


def main_context(request: HttpRequest) -> dict[str, Any]:
    """The same for the main model, by the rows as they are."""
    return context(request, current_routes())
