"""The docs say what is true: every setting, endpoint, file and command in them exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import get_commands

import proxysite
from bridge.admin_api.routes import ROUTES
from bridge.attempts import KINDS
from bridge.client_settings.setup import ANY_KEY
from bridge.client_settings.variables import ClientSetup, claude_code
from bridge.configuration.snapshot import DEMO_CONTEXT, DEMO_MODEL
from bridge.ledger.record import Record
from bridge.models.usage import JUDGE_CLASS
from bridge.pages.client_settings import shell_exports
from bridge.routing.main_model import FAMILIES
from bridge.translation.profiles import ModelFacts
from bridge.translation.request.purpose import REQUEST_CLASSES
from proxysite import asgi

ROOT = Path(__file__).resolve().parent.parent
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
READ = re.compile(r'(?:read|places)\.\w+\(\s*"([A-Z_0-9]+)"')


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def settings_read() -> set[str]:
    source = text(ROOT / "proxysite/settings.py")
    return set(READ.findall(source))


def settings_documented() -> set[str]:
    return set(
        re.findall(r"^\| `([A-Z_0-9]+)` \|", text(ROOT / "docs/reference/settings.md"), re.M)
    )


def test_every_setting_is_documented_and_every_documented_one_is_read() -> None:
    assert settings_documented() == settings_read()


def test_documented_numbers_are_the_defaults() -> None:
    table = re.findall(
        r"^\| `([A-Z_0-9]+)` \| `(\d+)` \|", text(ROOT / "docs/reference/settings.md"), re.M
    )
    assert len(table) > 20
    for name, documented in table:
        assert float(getattr(settings, name)) == float(documented), name


def test_every_protected_secret_is_named() -> None:
    """Variables that no backend row may name as its key (docs, security)."""
    page = text(ROOT / "docs/security.md")
    named = re.search(r"its own secrets\s\(([^)]*)\)", page)
    assert named is not None
    assert set(re.findall(r"`([A-Z_]+)`", named[1])) == set(settings.PROTECTED_SECRETS)


def test_every_secret_that_may_come_from_a_file_is_named() -> None:
    source = text(ROOT / "proxysite/settings.py")
    read = set(re.findall(r'read\.secret(?:_list)?\(\s*"([A-Z_]+)"', source))
    named = set(re.findall(r"`([A-Z_]+)_FILE`", text(ROOT / "docs/reference/settings.md")))
    assert read and read <= named


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", text(page)):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_named_files_exist(page: Path) -> None:
    named = re.findall(r"`((?:bridge|proxysite|dashboard|tests|deploy|docs)/[\w./-]+)`", text(page))
    for name in named:
        assert (ROOT / name).exists(), name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_make_targets_and_commands_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", text(ROOT / "Makefile"), re.M))
    for target in re.findall(r"(?:`|^    |\$ )make ([a-z-]+)", text(page), re.M):
        assert target in targets, target
    for command in re.findall(r"manage\.py ([a-z_]+)", text(page)):
        assert command in get_commands(), command


def routed(path: str) -> bool:
    router = asgi.requests
    first = next(route for route in router.routes if route.pattern.match(path.lstrip("/")))
    return first is not router.routes[-1]


def test_documented_endpoints_are_routed() -> None:
    rows = re.findall(r"^\| `(/[^`]*)` \|", text(ROOT / "docs/reference/endpoints.md"), re.M)
    assert len(rows) >= 9
    for path in rows:
        assert routed(path.replace("{id}", "some-model")), path


def test_routed_endpoints_are_documented() -> None:
    router = asgi.requests
    documented = text(ROOT / "docs/reference/endpoints.md")
    for route in router.routes:
        pattern = str(route.pattern)
        if re.fullmatch(r"[\w/]+", pattern):
            assert f"`/{pattern}`" in documented, pattern


def test_endpoints_of_the_admin_api_are_those_of_its_table() -> None:
    page = text(ROOT / "docs/reference/admin-api.md")
    rows = re.findall(r"^\| `([A-Z]+ /[^`]*)` \| (\w+) \|", page, re.M)
    assert rows == [(f"{route.method} {route.path}", route.role) for route in ROUTES]


def test_changelog_names_the_version() -> None:
    first = re.search(r"^## (\S+)", text(ROOT / "CHANGELOG.md"), re.M)
    assert first is not None and first[1] == proxysite.__version__
    assert f'version = "{proxysite.__version__}"' in text(ROOT / "pyproject.toml")


def test_the_map_names_where_things_are_decided() -> None:
    """Each row of its first table: the file exists, and holds the name that the row gives."""
    rows = re.findall(
        r"^\| where (?:a|an) .* \| (.+) \|$", text(ROOT / "docs/architecture.md"), re.M
    )
    assert len(rows) == 6
    for row in rows:
        for path, name in re.findall(r"`(bridge/[\w/]+\.py)`, `(\w+)`", row):
            assert re.search(rf"\b{name}\b", text(ROOT / path)), row
        for name, path in re.findall(r"`([A-Z]+)` in `(bridge/[\w/]+\.py)`", row):
            assert re.search(rf"^{name}\b", text(ROOT / path), re.M), row


# --- lines for Claude Code ----------------------------------------------------------------------


def _exports(connection: ClientSetup) -> list[str]:
    return shell_exports(claude_code(connection)).splitlines()


def _blocks(page: Path) -> list[list[str]]:
    """Every run of `export` lines, in the order of the page."""
    runs = re.findall(r"(?:^ +export .+\n)+", text(page), re.M)
    return [[line.strip() for line in run.splitlines()] for run in runs]


def test_lines_for_claude_code_are_those_that_the_gateway_prints() -> None:
    """One function makes them for every page and the banner; the docs show what it makes."""
    base, glm = "http://127.0.0.1:8080", "zai-org/GLM-4.5-Air"
    facts = ModelFacts(DEMO_MODEL, context=DEMO_CONTEXT)
    demo = ClientSetup(base, DEMO_MODEL, facts, key=ANY_KEY, caught=frozenset(FAMILIES))
    single = ClientSetup(base, glm, ModelFacts(glm, context=131072), caught=frozenset(FAMILIES))
    two = ClientSetup(base, glm, ModelFacts(glm, context=131072, max_output=98304), "Qwen/Qwen3-8B")
    assert _blocks(ROOT / "README.md") == [_exports(demo), _exports(single)]
    assert _blocks(ROOT / "docs/start/clients.md") == [_exports(two)]


# --- usage records --------------------------------------------------------------------------------


def test_every_member_of_a_usage_record_is_documented() -> None:
    page = text(ROOT / "docs/reference/usage-records.md")
    assert {*Record.__struct_fields__} - {*re.findall(r"`(\w+)`", page)} == set()


def test_every_class_of_requests_is_documented() -> None:
    page = text(ROOT / "docs/reference/usage-records.md").partition("## What a request is for")[2]
    named = re.findall(r"^\| `(\w+)` \| [^|]+ \|$", page, re.M)
    assert tuple(named) == (*REQUEST_CLASSES, JUDGE_CLASS)


def test_every_kind_of_attempts_is_documented() -> None:
    """And which of them are failures, on both pages that name them."""
    page = text(ROOT / "docs/reference/usage-records.md")
    named = re.findall(r"^\| `(\w+)` \| [^|]+ \| ?(yes)? ?\|$", page, re.M)
    assert named == [(name, "yes" * kind.is_failure) for name, kind in KINDS.items()]
    metrics = text(ROOT / "docs/reference/metrics.md")
    (row,) = re.findall(r"^\| `claude_bridge_attempts_total`.*$", metrics, re.M)
    assert [name for name in re.findall(r"`(\w+)`", row) if name in KINDS] == [*KINDS]
