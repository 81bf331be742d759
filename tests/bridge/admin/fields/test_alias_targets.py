"""The alias form: which requests each target takes, and what is said when it is saved."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from bridge.models import Backend, Change, DiscoveredModel, ModelAlias, Origin
from bridge.routing.conditions import ALWAYS, Conditions
from bridge.translation.request.purpose import REQUEST_CLASSES
from tests.bridge.admin_pages import form, of, page, said, targets, text, wrong
from tests.bridge.people import browser
from tests.bridge.rows import a_row, an_alias

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("nothing_in_the_environment"),
]


@pytest.fixture
def client() -> Client:
    return browser("operator")


@pytest.fixture
def main() -> Backend:
    row = a_row()
    DiscoveredModel.objects.create(backend=row, name="big", listed=True)
    return row


def given(*rows: dict[str, Any]) -> dict[str, Any]:
    backend = Backend.objects.get().pk
    filled = ({"backend": backend, "model": "big"} | row for row in rows)
    return {"pattern": "fast", "enabled": "on"} | targets(*filled)


def saved(client: Client, *rows: dict[str, Any]) -> list[str]:
    """What is said when an alias with these targets is added."""
    return said(client.post(of("modelalias", "add"), given(*rows), follow=True))


@pytest.mark.parametrize(
    ("filled", "kept"),
    [
        ({}, ALWAYS),
        ({"request_classes": ["subagent", "auxiliary"]}, Conditions(("subagent", "auxiliary"))),
        ({"agent_types": " Explore,Plan "}, Conditions(agent_types=("Explore", "Plan"))),
        ({"has_image": "True"}, Conditions(has_image=True)),
        ({"has_image": "False"}, Conditions(has_image=False)),
        ({"asks_to_think": "True"}, Conditions(asks_to_think=True)),
        (
            {"prompt_above": "1000", "prompt_below": "50000"},
            Conditions(prompt_above=1000, prompt_below=50_000),
        ),
    ],
)
@pytest.mark.usefixtures("main")
def test_conditions_of_a_target_are_kept(
    client: Client, filled: dict[str, Any], kept: Conditions
) -> None:
    """W12."""
    assert client.post(of("modelalias", "add"), given(filled)).status_code == 302
    assert ModelAlias.objects.get().targets.get().conditions == kept


@pytest.mark.parametrize(
    ("filled", "name"),
    [
        ({"request_classes": ["subagents"]}, "request_classes"),
        ({"agent_types": "two words"}, "agent_types"),
        ({"has_image": "often"}, "has_image"),
        ({"prompt_above": "0"}, "prompt_above"),
        ({"prompt_above": "9", "prompt_below": "9"}, "prompt_below"),
    ],
)
@pytest.mark.usefixtures("main")
def test_condition_that_makes_no_sense_is_refused_where_it_stands(
    client: Client, filled: dict[str, Any], name: str
) -> None:
    answer = client.post(of("modelalias", "add"), given(filled))
    assert wrong(answer) == [f"targets-0-{name}"]
    assert '<details class="gw-conditions" open>' in text(answer)
    assert not ModelAlias.objects.exists()


def test_form_shows_the_conditions_in_words_and_in_fields(client: Client, main: Backend) -> None:
    alias = an_alias("fast", (main, "big"))
    alias.targets.create(
        backend=main, model="big", request_classes="compaction", has_image=False, prompt_above=9000
    )
    shown = text(client.get(page(alias)))
    assert "Only for class compaction, no image, 9,000 tokens or more" in shown
    assert "Takes every request" in shown
    boxes = re.findall(r'<input[^>]*name="targets-1-request_classes"[^>]*>', shown)
    ticked = [box for box in boxes if re.search(r"\schecked\b(?!:)", box)]
    assert len(boxes) == len(REQUEST_CLASSES)
    assert ['value="compaction"' in box for box in ticked] == [True]
    assert 'value="9000"' in shown and '<option value="False" selected' in shown


def test_form_sent_back_as_it_is_keeps_conditions(client: Client, main: Backend) -> None:
    """Also a class that is newer than this gateway, which a file may name."""
    alias = an_alias("fast", (main, "big"))
    alias.targets.create(
        backend=main, model="big", position=1, request_classes="auxiliary,newer",
        agent_types="Explore", asks_to_think=True, prompt_below=5,
    )  # fmt: skip
    Change.objects.all().delete()
    assert client.post(page(alias), form(client, page(alias))).status_code == 302
    assert not Change.objects.exists()
    kept = alias.targets.get(position=1).conditions
    assert kept == Conditions(
        ("auxiliary", "newer"), ("Explore",), asks_to_think=True, prompt_below=5
    )


def test_condition_is_taken_away(client: Client, main: Backend) -> None:
    alias = an_alias("fast")
    alias.targets.create(backend=main, model="big", request_classes="main", has_image=True)
    sent = form(client, page(alias)) | {"targets-0-request_classes": [], "targets-0-has_image": ""}
    assert client.post(page(alias), sent).status_code == 302
    assert alias.targets.get().conditions == ALWAYS
    change = Change.objects.first()
    assert change is not None
    assert [line[0] for line in change.shown()] == ["targets"]


@pytest.mark.usefixtures("main")
def test_target_that_is_not_listed_is_saved_with_a_warning(client: Client) -> None:
    """Its backend may list it tomorrow."""
    told = saved(client, {"model": "gone"}, {"model": "big"})
    assert "“gone” is not in the list of main: requests may fail there." in told
    assert not any("big" in line for line in told)
    assert ModelAlias.objects.get().targets.count() == 2


def test_backend_whose_list_is_not_known_warns_of_nothing(client: Client) -> None:
    a_row()
    assert not any("not in the list" in line for line in saved(client, {"model": "any"}))


@pytest.mark.parametrize(
    ("rows", "warns"),
    [
        (({"has_image": "True"}, {"request_classes": ["main"], "position": 1}), True),
        (({"has_image": "True"}, {"position": 1}), False),
        (({}, {"has_image": "True", "position": 1}), False),
    ],
)
@pytest.mark.usefixtures("main")
def test_alias_whose_targets_all_have_conditions_is_saved_with_a_warning(
    client: Client, rows: tuple[dict[str, Any], ...], warns: bool
) -> None:
    told = saved(client, *rows)
    assert any("is only for some requests" in line for line in told) is warns
    assert ModelAlias.objects.exists()


@pytest.mark.parametrize(
    ("rows", "warns"),
    [
        (({}, {"has_image": "True", "position": 1}), True),
        (({"position": 1}, {"has_image": "True"}), False),
        (({}, {"has_image": "True"}), False),
        (({"has_image": "True"}, {"position": 1}, {"has_image": "True", "position": 2}), False),
    ],
)
@pytest.mark.usefixtures("main")
def test_target_with_conditions_behind_one_without_is_saved_with_a_warning(
    client: Client, rows: tuple[dict[str, Any], ...], warns: bool
) -> None:
    lines = saved(client, *rows)
    assert any("which is only for an image, stands behind" in line for line in lines) is warns


@pytest.mark.usefixtures("main")
def test_alias_that_is_switched_off_warns_of_nothing(client: Client) -> None:
    sent = given({"model": "gone", "has_image": "True"})
    del sent["enabled"]
    told = said(client.post(of("modelalias", "add"), sent, follow=True))
    assert not any("list" in line or "only for" in line for line in told)


def test_list_of_aliases_shows_what_each_target_is_for(client: Client, main: Backend) -> None:
    alias = an_alias("fast")
    alias.targets.create(backend=main, model="big", position=2, agent_types="Explore,Plan")
    shown = text(client.get(of("modelalias", "changelist")))
    assert "main: big (position 2, only for agent type Explore or Plan)" in shown


def test_alias_of_the_environment_shows_conditions_to_read(client: Client, main: Backend) -> None:
    alias = an_alias("fast", origin=Origin.ENVIRONMENT)
    alias.targets.create(backend=main, model="big", request_classes="auxiliary", has_image=True)
    shown = text(client.get(page(alias)))
    assert "Only for class auxiliary, an image" in shown
    assert "targets-0-request_classes" not in shown
