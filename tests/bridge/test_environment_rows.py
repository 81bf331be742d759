"""The environment's configuration as rows, start after start."""

from typing import Any

import pytest

from bridge.environment_rows import apply
from bridge.models import (
    Backend,
    ConfigVersion,
    DiscoveredModel,
    ModelAlias,
    Origin,
    ToolNameMap,
)

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
    return dict(ModelAlias.objects.values_list("pattern", "model"))


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
    assert (row.name, row.url, row.dialect) == ("main", "https://llm.example.com/v1", "vllm")
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
    ModelAlias.objects.create(pattern="mine", backend=Backend.objects.get(), model="m")
    environment.BACKEND_URL = ""
    apply()
    environment.BACKEND_URL = "https://llm.example.com"
    apply()
    row = ModelAlias.objects.select_related("backend").get()
    assert (row.pattern, row.backend.name, row.backend.enabled) == ("mine", "main", True)


def test_name_that_an_operator_took_is_left_to_them() -> None:
    operators_backend("main")
    apply()
    apply()
    assert set(Backend.objects.values_list("name", "origin")) == {
        ("main", Origin.OPERATOR),
        ("environment", Origin.ENVIRONMENT),
    }


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
    ModelAlias.objects.create(pattern="claude-*", backend=backend, model="mine")
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
    assert ModelAlias.objects.get().backend.name == "first"


def test_alias_moves_with_the_backend_of_the_environment(environment: Any) -> None:
    environment.BACKEND_URL, environment.MODEL_MAP = "", {"claude-*": "big"}
    operators_backend()
    apply()
    environment.BACKEND_URL = "https://llm.example.com"
    apply()
    assert ModelAlias.objects.get().backend.name == "main"


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
