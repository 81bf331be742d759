"""The shape of the code, as docs and design promise it: who may know whom, and how long things get.

LAYERS and DASHBOARD are meant to be read: a module may import what stands above it and is named in
its row. When a test here fails, the code is wrong more often than the table.
"""

import ast
import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.sources import nodes, parsed

ROOT = Path(__file__).resolve().parents[1]
PRODUCT = ("bridge", "dashboard", "proxysite")

T = "translation"
LAYERS: dict[str, str] = {
    # nothing of ours
    "database_steps": "",
    "cluster": "database_steps",
    "ids": "",
    "outbound": "",
    "outcomes": "",
    "logs": "outcomes",
    "error_groups": "outcomes",
    "attempts": "outcomes",
    "places": "",
    "clocks": "",
    "pauses": "",
    "shielded": "",
    "process_settings": "",
    "spans": "",
    "kept_reads": "places",
    "sign_in": "",
    T: "",
    "telemetry": "outbound process_settings",
    # connections, below requests
    "http": f"ids process_settings {T}",
    # pure: what a request asks for and where it goes
    "routing": T,
    "client_settings": f"{T} routing",
    "keys": f"cluster sign_in {T} routing",
    # rows, and what this process knows of them
    "models": f"spans outcomes attempts sign_in cluster {T} routing client_settings keys",
    "ledger": f"outcomes logs attempts error_groups clocks database_steps cluster {T} routing keys "
    "models",
    "tracing": "outcomes attempts process_settings routing keys ledger",
    "configuration": f"spans pauses database_steps {T} routing client_settings keys models ledger",
    "live": "outcomes clocks database_steps cluster models ledger",
    "accounts": f"sign_in {T} routing keys models configuration",
    "apps": "accounts",
    # the way to the backends
    "backends": "outbound clocks pauses shielded process_settings database_steps cluster http "
    f"{T} routing models configuration",
    "concerns": "spans keys routing models ledger configuration live backends",
    "warnings": "outbound clocks pauses database_steps routing keys models ledger live backends "
    "concerns",
    "probe": f"ids database_steps {T} routing models configuration backends",
    # one request from its target to its record
    "relay": (
        f"ids outbound outcomes attempts places clocks process_settings {T} routing keys ledger "
        "tracing configuration live backends"
    ),
    # what runs in one process
    "runtime": (
        f"places clocks pauses process_settings telemetry kept_reads database_steps cluster {T} "
        "http keys ledger tracing configuration live accounts backends warnings relay"
    ),
    # what the servers call
    "api": (
        f"ids attempts places process_settings sign_in telemetry spans {T} routing "
        "client_settings keys models ledger tracing configuration backends relay runtime"
    ),
    "pages": (
        f"ids places spans sign_in {T} routing client_settings keys models configuration accounts "
        "runtime api"
    ),
    "admin_api": f"ids spans {T} keys models ledger configuration accounts",
    "admin": (
        f"process_settings spans cluster {T} routing client_settings keys models ledger "
        "configuration live accounts backends concerns warnings probe runtime pages"
    ),
    "templatetags": "admin",
    # loaded only where people sign in with company accounts
    "oidc": "keys models accounts pages admin",
    "management": (
        f"logs spans cluster {T} routing client_settings keys models ledger configuration "
        "accounts backends probe runtime pages oidc"
    ),
}
DASHBOARD: dict[str, str] = {
    "usage": "",
    "display": "usage",
    "queries": "usage display",
    "pages": "usage display queries",
    "live": "usage queries",
    "tables": "usage display queries pages",
    "views": "usage display queries pages tables",
    "templatetags": "display tables",
    "management": "",
    "apps": "",
    "urls": "views",
    "my_urls": "views",
}
MOST_MODULES = 13
"""Modules in one folder, beside its `__init__`."""
COMMANDS = "bridge/management/commands"
"""Django looks for commands in this folder alone."""
PURE = "__future__ ast warnings base64 binascii collections dataclasses enum hashlib json math re"
PURE_IMPORTS = {*PURE.split(), "typing", "zlib", "msgspec"}
HTTP_CLIENTS = {"httpx", "httpx_aiohttp", "aiohttp", "requests", "urllib3"}
BROAD_GUARDS = {
    "bridge/relay/pipeline.py",
    "bridge/api/endpoints.py",
    "bridge/runtime/gateway.py",
    "bridge/runtime/background.py",
    "bridge/configuration/snapshot_store.py",
    "bridge/ledger/writer.py",
    "bridge/management/doctor/examination.py",
}
EMPTY_WORDS = {"manager", "managers", "helper", "helpers", "util", "utils", "common", "misc"}

PARTS = ("body", "orelse", "handlers", "finalbody", "cases")
MAX_LINES, MAX_FUNCTION, MAX_NESTING = 400, 50, 4
NESTING = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.Match)


def _files(*folders: str) -> list[Path]:
    found = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return [path for path in found if "migrations" not in path.parts]


@cache
def _all() -> list[str]:
    paths = [*_files(*PRODUCT, "tests"), ROOT / "manage.py"]
    return [path.relative_to(ROOT).as_posix() for path in paths]


@cache
def _own() -> list[str]:
    return [name for name in _all() if not name.startswith("tests/")]


@cache
def _imports(name: str) -> list[str]:
    """Dotted names that a file imports; relative ones made absolute."""
    package = name.removesuffix(".py").split("/")
    found: list[str] = []
    for node in nodes(ROOT / name):
        if isinstance(node, ast.Import):
            found += (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: -node.level] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            found += (f"{origin}.{alias.name}" for alias in node.names)
    return found


def _layer(dotted: str, root: str = "bridge") -> str:
    """The row of its table that a module belongs to."""
    return dotted.split(".")[1] if dotted.startswith(f"{root}.") else ""


def _importing(within: str, forbidden: Callable[[str], bool]) -> list[str]:
    """`file imports name` for every forbidden import of the files under this path."""
    return [
        f"{name} imports {imported}"
        for name in _own()
        if name.startswith(within)
        for imported in _imports(name)
        if forbidden(imported)
    ]


@pytest.mark.parametrize(("root", "table"), [("bridge", LAYERS), ("dashboard", DASHBOARD)])
def test_modules_import_only_what_their_row_names(root: str, table: dict[str, str]) -> None:
    """A module may import only what stands above its row."""
    wrong = []
    for name in (name for name in _own() if name.startswith(f"{root}/")):
        layer = name.removesuffix(".py").split("/")[1]
        if layer == "__init__":
            continue
        assert layer in table, f"{name} has no row"
        allowed = {layer, "", *table[layer].split()}
        imported = _importing(name, bool)
        wrong += [line for line in imported if _layer(line.split()[-1], root) not in allowed]
    assert wrong == []


@pytest.mark.parametrize("table", [LAYERS, DASHBOARD])
def test_rows_of_a_table_name_only_rows_above_them(table: dict[str, str]) -> None:
    """So there are no circles."""
    above: set[str] = set()
    for layer, known in table.items():
        if known:
            assert set(known.split()) <= above, f"{layer} imports what stands below it"
        above.add(layer)


def test_folders_hold_at_most_13_modules() -> None:
    """A newcomer sees a folder at a glance."""
    folders = Counter(
        name.rpartition("/")[0] for name in _own() if not name.endswith("__init__.py")
    )
    del folders[COMMANDS]
    assert {folder: size for folder, size in folders.items() if size > MOST_MODULES} == {}


def test_translation_imports_an_allow_list_and_itself() -> None:
    """design, Layout: no I/O, clock, randomness, logging, settings or Django."""

    def foreign(dotted: str) -> bool:
        return dotted.split(".")[0] not in PURE_IMPORTS and _layer(dotted) != T

    assert _importing("bridge/translation/", foreign) == []


def test_checks_of_the_probe_are_as_pure_as_the_translation() -> None:
    """Ours: what an answer shows is decided without input or output."""
    pure = PURE_IMPORTS | {"struct", "unicodedata"}
    impure = re.compile(r"bridge\.(?!translation\b|probe\b)|bridge\.probe\.(target|run|progress)\b")

    def foreign(dotted: str) -> bool:
        return bool(impure.match(dotted)) or dotted.split(".")[0] not in pure | {"bridge"}

    found = _importing("bridge/probe/", foreign)
    shells = tuple(f"bridge/probe/{name}" for name in ("target", "run", "progress", "judging/"))
    assert [line for line in found if not line.startswith(shells)] == []


def test_dialects_and_state_machine_do_not_know_each_other() -> None:
    """design, Layout: they meet in `deltas`, and where `answer` joins the stages."""
    claude_side = re.compile(
        r"bridge\.translation\.(request\b|response\.(message_stream|events|fold|translate)\b)"
    )
    assert (
        _importing("bridge/translation/response/dialects/", lambda d: bool(claude_side.match(d)))
        == []
    )
    assert (
        _importing("bridge/translation/response/message_stream.py", lambda d: ".dialects" in d)
        == []
    )


def test_parts_of_the_project_know_each_other_in_one_direction() -> None:
    """design, Layout: bridge knows nobody, the dashboard knows its rows, who may see them, and what
    a live page or a key holder needs."""
    assert _importing("bridge/", lambda d: d.split(".")[0] in ("dashboard", "proxysite")) == []
    known = (
        r"models|outcomes|attempts|error_groups|concerns|keys\.(limits|periods)|ledger\.(pricing|report)|spans|accounts\.(roles|key_holders)|live\.messages|pages\.client_settings"
        r"|cluster\.(redis|layer_errors)|backends\.status"
    )
    allowed = re.compile(rf"dashboard\b|bridge\.({known})\b|(?!bridge|proxysite)")
    assert _importing("dashboard/", lambda d: not allowed.match(d)) == []


def test_few_modules_know_an_http_client() -> None:
    """design, Layout: requests go out through `bridge/outbound`, whose errors have one table."""
    found = _importing("", lambda dotted: dotted.split(".")[0] in HTTP_CLIENTS)
    knowing = (
        "bridge/outbound/transport.py ",
        "bridge/backends/client.py ",
        "bridge/backends/failures.py ",
        "bridge/telemetry/forwarding.py ",  # goes to the operator's collector, not to a backend
        "bridge/warnings/webhook.py ",
        "bridge/oidc/fetching.py ",  # allauth's flow is written for `requests`
        "bridge/tracing/export.py ",  # the exporter of OpenTelemetry is written for `requests`
    )
    assert [line for line in found if not line.startswith(knowing)] == []


def _environment_readers() -> Iterator[tuple[str, str]]:
    for name in _own():
        for node in nodes(ROOT / name):
            if isinstance(node, ast.Attribute) and node.attr in ("environ", "environb", "getenv"):
                yield name, f"os.{node.attr}"
        yield from ((name, d) for d in _imports(name) if d.split(".")[0] == "environ")


def test_environment_is_read_in_settings_only() -> None:
    """design, Layout. `manage.py` and `asgi.py` may name the settings module, as in Django."""
    readers = {name for name, _ in _environment_readers()}
    starters = {"manage.py", "proxysite/asgi.py"}
    assert readers - starters == {"proxysite/environment.py"}
    for name in starters:
        uses = re.findall(r"environ\b.*", (ROOT / name).read_text(encoding="utf-8"))
        assert uses == ['environ.setdefault("DJANGO_SETTINGS_MODULE", "proxysite.settings")']


DATA_PLANE = tuple(
    f"bridge/{name}/" for name in ("relay", "backends", "keys", "ledger", "tracing", "live", "api")
)
CONTROL_PLANE_TOO = {
    "bridge/backends/status.py",  # rows as pages show them
    "bridge/keys/encryption.py",  # rows when they are saved
}


def test_data_plane_gets_its_settings_as_values() -> None:
    """`process_settings` reads them once; the other parts are handed what they need."""
    found = {
        name
        for name in _own()
        if name.startswith(DATA_PLANE) and "django.conf.settings" in _imports(name)
    }
    assert found == CONTROL_PLANE_TOO


def test_files_are_at_most_400_lines() -> None:
    """style 5.1; the way out is a split by topic."""
    lengths = {name: len((ROOT / name).read_text(encoding="utf-8").splitlines()) for name in _all()}
    assert {name: length for name, length in lengths.items() if length > MAX_LINES} == {}


def _functions() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for name in _all():
        for node in nodes(ROOT / name):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{name}:{node.lineno} {node.name}", node


def test_functions_are_at_most_50_lines() -> None:
    """style 5.1."""
    lengths = {place: (node.end_lineno or 0) - node.lineno + 1 for place, node in _functions()}
    assert {place: length for place, length in lengths.items() if length > MAX_FUNCTION} == {}


def _nesting(node: ast.AST) -> int:
    """Levels of compound statements below a node; `elif` is no level of its own."""
    deepest = 0
    for child in (child for name in PARTS for child in getattr(node, name, ())):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        is_elif = isinstance(node, ast.If) and node.orelse == [child] and isinstance(child, ast.If)
        level = int(isinstance(child, NESTING) and not is_elif)
        deepest = max(deepest, level + _nesting(child))
    return deepest


def test_statements_are_nested_at_most_4_deep() -> None:
    """style 5.1."""
    depths = {place: _nesting(node) for place, node in _functions()}
    assert {place: depth for place, depth in depths.items() if depth > MAX_NESTING} == {}


def _classes() -> Iterator[tuple[str, str]]:
    """Name and place of every class; `Meta` and a command's `Command` are Django's names."""
    for file in _own():
        django_names = {"Meta", "Command"} if "/management/commands/" in file else {"Meta"}
        for node in nodes(ROOT / file):
            if isinstance(node, ast.ClassDef) and node.name not in django_names:
                yield node.name, f"{file}:{node.lineno}"


def test_one_class_name_means_one_class() -> None:
    """A name that is read in two modules is the same thing in both."""
    places: dict[str, list[str]] = {}
    for name, place in _classes():
        places.setdefault(name, []).append(place)
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_modules_are_named_after_what_they_are() -> None:
    """style 5.3."""
    words = {name: set(re.split(r"[/_.]", name)) for name in _all()}
    assert [name for name, parts in words.items() if parts & EMPTY_WORDS] == []


def test_every_module_says_what_it_is() -> None:
    """style 5.2."""
    trees = {name: parsed(ROOT / name) for name in _own()}
    assert [n for n, tree in trees.items() if tree.body and not ast.get_docstring(tree)] == []


def test_everything_is_caught_only_by_the_outermost_guards() -> None:
    """style 5.12: the guard of a request, and the one of background work."""
    found = {
        name
        for name in _own()
        for node in nodes(ROOT / name)
        if isinstance(node, ast.ExceptHandler) and _is_broad(node)
    }
    assert found == BROAD_GUARDS


def _is_broad(handler: ast.ExceptHandler) -> bool:
    """Whether it catches everything and goes on; one that ends in `raise` only gives back."""
    last = handler.body[-1]
    if isinstance(last, ast.Raise) and last.exc is None:
        return False
    named = ast.walk(handler.type) if handler.type else ()
    words = {node.id for node in named if isinstance(node, ast.Name)}
    return handler.type is None or bool(words & {"Exception", "BaseException"})
