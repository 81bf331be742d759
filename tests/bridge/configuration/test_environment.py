"""The environment's configuration as rows, start after start."""

from typing import Any

import pytest

from bridge.configuration.environment import apply
from bridge.models import (
    AliasTarget,
    Backend,
    ConfigVersion,
    DiscoveredModel,
    ModelAlias,
    Origin,
    ToolNameMap,
)
from tests.bridge.rows import an_alias

pytestmark = pytest.mark.django_db

OPERATORS = Origin.OPERATOR


@pytest.fixture(autouse=True)
def environment(settings: Any) -> Any:
    """The settings, with one backend and nothing else."""
    settings.BACKEND_URL = "https://llm.example.com/v1/chat/completions"
    settings.BACKEND_DIALECT, settings.BACKEND_TIMEOUT_SECS = "auto", 600.0
    settings.CHUTES_API_KEY, settings.MODEL_MAP, settings.TOOL_NAME_MAP = "", {}, {}
    return settings


def aliases() -> dict[str, str]:
    """Pattern -> model of each alias; one with several targets would be an error."""
    found = AliasTarget.objects.values_list("alias__pattern", "model")
    assert len(found) == ModelAlias.objects.count()
    return dict(found)


def tools() -> set[tuple[str, str, str]]:
    return set(ToolNameMap.objects.values_list("model_pattern", "backend_name", "client_name"))


def operators_backend(name: str = "mine", **fields: Any) -> Backend:
    made: Backend = Backend.objects.create(name=name, url="https://mine.example/v1", **fields)
    return made


def test_backend_of_the_environment_becomes_a_row(environment: Any) -> None:
    """R17."""
    environment.BACKEND_DIALECT, environment.BACKEND_TIMEOUT_SECS = "vllm", 0.4
    environment.CHUTES_API_KEY = "cpk_operators"
    apply()
    row = Backend.objects.get()
    assert (row.name, row.url, row.family) == ("main", "https://llm.example.com/v1", "vllm")
    assert (row.timeout_seconds, row.origin) == (1, Origin.ENVIRONMENT)
    assert row.credential == "env:CHUTES_API_KEY"


def test_second_start_changes_nothing(environment: Any) -> None:
    """Ours: a restart is no change of the configuration."""
    environment.MODEL_MAP = {"claude-*": "big"}
    environment.TOOL_NAME_MAP = {"shell": "Bash"}
    apply()
    before = ConfigVersion.current()
    apply()
    assert ConfigVersion.current() == before


def test_row_follows_the_environment(environment: Any) -> None:
    apply()
    environment.BACKEND_URL, environment.CHUTES_API_KEY = "http://127.0.0.1:8000", "k"
    apply()
    row = Backend.objects.get()
    assert (row.url, row.credential) == ("http://127.0.0.1:8000/v1", "env:CHUTES_API_KEY")


@pytest.mark.parametrize(("url", "kept"), [("https://llm.example.com", 1), ("https://other", 0)])
def test_models_of_another_address_are_forgotten(environment: Any, url: str, kept: int) -> None:
    """Ours: another server, other models."""
    apply()
    DiscoveredModel.objects.create(backend=Backend.objects.get(), name="m")
    environment.BACKEND_URL, environment.BACKEND_DIALECT = url, "vllm"
    apply()
    assert DiscoveredModel.objects.count() == kept


def test_backend_without_its_variable_is_out_of_use(environment: Any) -> None:
    environment.MODEL_MAP = {"claude-*": "big"}
    apply()
    environment.BACKEND_URL = ""
    apply()
    assert not Backend.objects.filter(enabled=True).exists()
    assert aliases() == {}


def test_operators_rows_survive_a_start_without_the_backend(environment: Any) -> None:
    """environment_rows.py: rows of operators are never touched."""
    apply()
    an_alias("mine", (Backend.objects.get(), "m"))
    environment.BACKEND_URL = ""
    apply()
    environment.BACKEND_URL = "https://llm.example.com"
    apply()
    target = AliasTarget.objects.select_related("backend").get()
    assert (target.alias.pattern, target.backend.name) == ("mine", "main")
    assert target.backend.enabled


def test_name_that_an_operator_took_is_left_to_them(
    environment: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """environment_rows.py: rows of operators win; that BACKEND_URL is not used is said."""
    environment.MODEL_MAP = {"claude-*": "big"}
    mine = operators_backend("main")
    before = mine.document()
    for _ in range(2):
        apply()
    row = Backend.objects.get()
    assert (row.origin, row.document()) == (Origin.OPERATOR, before)
    assert [t.backend.name for t in AliasTarget.objects.all()] == ["main"]
    said = [record.getMessage() for record in caplog.records]
    assert said == ["BACKEND_URL is not used: backend main is an operator's"] * 2


def test_row_that_an_operator_took_over_stays_theirs(
    environment: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """environment_rows.py: taken over with the address that it had, nothing needs to be said."""
    apply()
    Backend.objects.update(origin=Origin.OPERATOR, timeout_seconds=7)
    environment.BACKEND_TIMEOUT_SECS, environment.MODEL_MAP = 100.0, {"claude-*": "big"}
    apply()
    row = Backend.objects.get()
    assert (row.name, row.origin, row.timeout_seconds) == ("main", Origin.OPERATOR, 7)
    assert aliases() == {"claude-*": "big"}
    assert caplog.records == []


def test_row_that_was_taken_over_and_deleted_is_the_environments_again(environment: Any) -> None:
    """environment_rows.py: obeyed until the row is deleted again."""
    environment.MODEL_MAP = {"claude-*": "big"}
    operators_backend("main")
    apply()
    Backend.objects.all().delete()
    apply()
    row = Backend.objects.get()
    assert (row.origin, row.url) == (Origin.ENVIRONMENT, "https://llm.example.com/v1")
    assert aliases() == {"claude-*": "big"}


def test_alias_that_an_operator_took_over_stays_theirs(environment: Any) -> None:
    """environment_rows.py: until the row is deleted again."""
    environment.MODEL_MAP = {"claude-*": "big"}
    apply()
    ModelAlias.objects.update(origin=Origin.OPERATOR)
    environment.MODEL_MAP = {"claude-*": "bigger"}
    apply()
    assert aliases() == {"claude-*": "big"}
    environment.MODEL_MAP = {}
    apply()
    assert aliases() == {"claude-*": "big"}


def test_alias_that_grew_a_target_is_the_environments_again(environment: Any) -> None:
    """environment_rows.py: written at every start to match it."""
    environment.MODEL_MAP = {"claude-*": "big"}
    apply()
    made = ModelAlias.objects.get()
    AliasTarget.objects.create(alias=made, backend=Backend.objects.get(), model="more")
    apply()
    assert aliases() == {"claude-*": "big"}


def test_map_becomes_aliases_and_follows_the_environment(environment: Any) -> None:
    """Seeds: MODEL_MAP. P8."""
    environment.MODEL_MAP = {"claude-*": "big", "*haiku*": "small"}
    apply()
    assert aliases() == {"claude-*": "big", "*haiku*": "small"}
    environment.MODEL_MAP = {"claude-*": "bigger", "new": "x"}
    apply()
    assert aliases() == {"claude-*": "bigger", "new": "x"}


def test_operators_alias_wins_until_it_is_deleted(environment: Any) -> None:
    """environment_rows.py: who edits the admin expects to be obeyed."""
    backend = operators_backend()
    an_alias("claude-*", (backend, "mine"))
    environment.MODEL_MAP = {"claude-*": "big"}
    apply()
    assert aliases() == {"claude-*": "mine"}
    ModelAlias.objects.all().delete()
    apply()
    assert aliases() == {"claude-*": "big"}


def test_aliases_without_a_backend_of_their_own_go_to_the_first(environment: Any) -> None:
    environment.BACKEND_URL, environment.MODEL_MAP = "", {"claude-*": "big"}
    operators_backend("off", position=0, enabled=False)
    operators_backend("second", position=2)
    operators_backend("first", position=1)
    apply()
    assert AliasTarget.objects.get().backend.name == "first"


def test_alias_moves_with_the_backend_of_the_environment(environment: Any) -> None:
    environment.BACKEND_URL, environment.MODEL_MAP = "", {"claude-*": "big"}
    operators_backend()
    apply()
    environment.BACKEND_URL = "https://llm.example.com"
    apply()
    assert AliasTarget.objects.get().backend.name == "main"


def test_tool_map_is_read_in_both_forms(environment: Any) -> None:
    """Seeds: TOOL_NAME_MAP, for all models, or by model. P9."""
    environment.TOOL_NAME_MAP = {"shell": "Bash", "*GLM*": {"str_replace": "Edit"}}
    apply()
    assert tools() == {("*", "shell", "Bash"), ("*GLM*", "str_replace", "Edit")}
    environment.TOOL_NAME_MAP = {"shell": "Terminal"}
    apply()
    assert tools() == {("*", "shell", "Terminal")}


def test_operators_tool_name_wins(environment: Any) -> None:
    ToolNameMap.objects.create(backend_name="shell", client_name="Mine")
    environment.TOOL_NAME_MAP = {"shell": "Bash"}
    apply()
    assert tools() == {("*", "shell", "Mine")}
    environment.TOOL_NAME_MAP = {}
    apply()
    assert tools() == {("*", "shell", "Mine")}
