"""Rows: every change is noticed, what is nonsense is refused, keys are shown once."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from bridge.configuration.documents import KINDS
from bridge.keys.authentication import PREFIX, digest
from bridge.models import ApiKey, Backend, ConfigVersion, DiscoveredModel, ModelAlias, ToolNameMap
from tests.bridge.rows import a_row, an_alias

pytestmark = pytest.mark.django_db


def rename(row: Backend) -> None:
    row.name = "renamed"
    row.save()


def add_in_bulk(row: Backend) -> None:
    rows = [DiscoveredModel(backend=row, name=name) for name in "ab"]
    DiscoveredModel.objects.bulk_create(rows)


def change_in_bulk(row: Backend) -> None:
    row.position = 5
    Backend.objects.bulk_update([row], ["position"])


CHANGES: dict[str, Callable[[Backend], Any]] = {
    "save": rename,
    "delete": lambda row: row.delete(),
    "create": lambda row: ModelAlias.objects.create(pattern="x"),
    "part of another": lambda row: an_alias("x").targets.create(backend=row, model="m"),
    "delete of a part": lambda row: an_alias("x", (row, "m")).targets.all().delete(),
    "get_or_create": lambda row: ToolNameMap.objects.get_or_create(backend_name="a"),
    "update_or_create": lambda row: Backend.objects.update_or_create(
        {"position": 2}, name=row.name
    ),
    "update of many": lambda row: Backend.objects.update(enabled=False),
    "delete of many": lambda row: Backend.objects.filter(name="main").delete(),
    "through a relation": lambda row: row.models.create(name="m"),
    "bulk_create": add_in_bulk,
    "bulk_update": change_in_bulk,
    "issue": lambda row: ApiKey.issue("team"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_every_change_of_the_configuration_grows_its_version(
    row: Backend, change: Callable[[Backend], Any]
) -> None:
    """design, The snapshot: any save or delete bumps a version row."""
    before = ConfigVersion.current()
    change(row)
    assert ConfigVersion.current() > before


def test_change_that_fails_leaves_the_version(row: Backend) -> None:
    """design, The snapshot: in the same transaction."""
    before = ConfigVersion.current()
    with pytest.raises(IntegrityError), transaction.atomic():
        Backend.objects.create(name="main", url="https://other/v1")
    assert ConfigVersion.current() == before


def test_version_without_a_row_is_nought() -> None:
    assert ConfigVersion.current() == 0


def faults(**fields: Any) -> set[str]:
    """Names of the fields that a form would complain about."""
    given = {"name": "b", "url": "https://h.example/v1"} | fields
    try:
        Backend(**given).full_clean()
    except ValidationError as error:
        return set(error.message_dict)
    return set()


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ("name", ["main", "gpu-1"], ["", "two words", "a/b"]),
        ("url", ["http://127.0.0.1:8000/v1", "https://h.example/api"], ["", "h/v1", "ftp://h"]),
        ("url", ["http://localhost:8000/v1", "http://ollama:11434/v1"], ["http://", "http://a b"]),
        ("credential", ["", "env:KEY", "env:_K2", "sk-plain"], ["env:", "env:two words"]),
        ("credential", ["k" * 1400, "~!"], ["k" * 1401, "two words", "schl\u00fcssel", "a\nb"]),
        ("auth_header", ["authorization", "X-Api-Key"], ["", "a b", "a:b", "a\nb"]),
        ("family", ["auto", "vllm", "chutes"], ["", "claude"]),
        ("timeout_seconds", [1, 600], [0, -1, None]),
    ],
)
def test_backend_takes_what_makes_sense(field: str, good: list[Any], bad: list[Any]) -> None:
    """design, Secrets: a key, or the name of its variable. Containers have names without dots."""
    assert [value for value in good if faults(**{field: value})] == []
    assert [value for value in bad if faults(**{field: value}) != {field}] == []


def test_alias_has_one_meaning(row: Backend) -> None:
    an_alias("fast", (row, "m"))
    with pytest.raises(IntegrityError), transaction.atomic():
        an_alias("fast", (row, "m"))


def test_alias_outlives_its_backend(row: Backend) -> None:
    """Ours: an alias would vanish with it, unasked. Its other targets stay."""
    other = a_row("other")
    kept = an_alias("fast", (row, "m"), (other, "n"))
    row.delete()
    assert [str(target) for target in kept.targets.all()] == ["other: n"]


def test_models_go_with_their_backend(row: Backend) -> None:
    DiscoveredModel.objects.create(backend=row, name="m")
    row.delete()
    assert not DiscoveredModel.objects.exists()


# --- keys --------------------------------------------------------------------------------------


def test_issued_key_is_stored_as_its_digest() -> None:
    """design, Secrets: SHA-256 of a 256-bit random token. S24."""
    made, text = ApiKey.issue("team")
    stored = ApiKey.objects.get(name="team")
    assert text.startswith(PREFIX)
    assert len(text) - len(PREFIX) >= 43
    assert (stored.digest, stored.last_four, stored.enabled) == (digest(text), text[-4:], True)
    assert text not in str(list(ApiKey.objects.values()))
    assert text not in str(made) + repr(made)


def test_no_two_keys_are_alike() -> None:
    assert ApiKey.issue("a")[1] != ApiKey.issue("b")[1]


@pytest.mark.parametrize("name", ["team", "", "x" * 101])
def test_name_of_a_key_is_new_and_fits(name: str) -> None:
    ApiKey.issue("team")
    with pytest.raises(ValidationError):
        ApiKey.issue(name)
    assert ApiKey.objects.count() == 1


@pytest.mark.parametrize(
    "extra",
    [
        [],
        "x",
        {"model": "m"},
        {"min_p": 1, "stream": True},
        {"min_p": float("nan")},
        {"a": {"b": [float("inf")]}},
        {"a": "x\0"},
        {"a": "\ud800"},
    ],
)
def test_extra_fields_of_an_alias_are_none_of_the_gateways(extra: Any) -> None:
    """H8: what the translation of the answer relies on stays its own."""
    alias = an_alias("x")
    alias.extra = extra
    with pytest.raises(ValidationError, match="extra"):
        alias.full_clean()


@pytest.mark.parametrize("kind", KINDS)
def test_natural_keys_are_members_of_the_document(kind: str) -> None:
    """Without a natural key every document would be the first row's."""
    model = KINDS[kind]
    assert model.NATURAL_KEY
    assert set(model.NATURAL_KEY) <= set(model.MEMBERS)
    assert set(model.NATURAL_KEY) > model.OPTIONAL
