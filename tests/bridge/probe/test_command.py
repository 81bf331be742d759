"""`manage.py probe BACKEND MODEL`. Issue text: a line for each check, a table, exit code 1."""

import io
import re
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from bridge.models import Backend, DiscoveredModel
from bridge.probe.checks import CHECKS
from tests.bridge.ports import closed_port
from tests.bridge.probed import Model
from tests.fakes.backend import ALPHA, FakeBackend

pytestmark = pytest.mark.django_db


@pytest.fixture
def row(backend: FakeBackend) -> Backend:
    backend.on(ALPHA).each(Model(images=False))
    row: Backend = Backend.objects.create(
        name="main", url=f"{backend.base_url}/v1", family="llamacpp"
    )
    return row


def probe(*arguments: str) -> str:
    out = io.StringIO()
    call_command("probe", *arguments, stdout=out)
    return out.getvalue()


@pytest.mark.usefixtures("row")
def test_progress_then_a_table_then_what_is_stored() -> None:
    told = probe("main", ALPHA)
    head, *lines = told.splitlines()
    total = len(CHECKS)
    assert head == f"Probing {ALPHA} of main (llamacpp)"
    bars, table = lines[:total], lines[total + 1 : 2 * total + 1]
    assert (
        bars[0] == f"[{'#' * (24 // total)}{'.' * (24 - 24 // total)}]  1/{total} Plain answer: yes"
    )
    assert bars[-1] == f"[{'#' * 24}] {total}/{total} Sizes are reported: yes"
    assert all(re.fullmatch(r"\[#*\.*\] [ \d]\d/\d+ .+: (yes|no|\?)", bar) for bar in bars)
    titles = [check.title for check in CHECKS]
    assert [row.split("  ")[0] for row in table] == titles
    (picture,) = (row for row in table if row.startswith("Picture "))
    assert re.fullmatch(r"Picture +no +Answered with status 500, image input .+", picture)
    assert lines[-1] == "Stored: reasoning yes, tools yes, vision no, context 8192"
    assert DiscoveredModel.objects.get().probed["context"] == 8192


@pytest.mark.usefixtures("row")
def test_key_comes_from_the_environment_by_its_name(settings: Any, backend: FakeBackend) -> None:
    """design: only settings read the environment."""
    settings.BACKEND_SECRET = {"MY_KEY": "sk-mine"}.get
    told = probe("main", ALPHA, "--key-env", "MY_KEY")
    assert {call.header("authorization") for call in backend.calls} == {"Bearer sk-mine"}
    assert "sk-mine" not in told


@pytest.mark.usefixtures("row")
def test_variable_that_is_not_set_is_told(settings: Any, backend: FakeBackend) -> None:
    settings.BACKEND_SECRET = lambda name: ""
    with pytest.raises(CommandError, match="--key-env: MY_KEY is not set"):
        probe("main", ALPHA, "--key-env", "MY_KEY")
    assert backend.calls == []


@pytest.mark.parametrize(
    ("there", "told"), [(True, "there is main"), (False, "there is none at all")]
)
def test_unknown_backend_is_told_with_those_that_there_are(there: bool, told: str) -> None:
    if there:
        Backend.objects.create(name="main", url="http://127.0.0.1:1/v1")
    with pytest.raises(CommandError, match=f"backend: no 'mine' is configured; {told}"):
        probe("mine", ALPHA)


def test_refused_key_is_exit_code_1_and_nothing_is_stored(
    row: Backend, backend: FakeBackend
) -> None:
    backend.reset()
    backend.on(ALPHA).error(401, "no")
    with pytest.raises(CommandError, match="wants a key") as stopped:
        probe("main", ALPHA)
    assert stopped.value.returncode == 1
    assert not DiscoveredModel.objects.exists()


def test_backend_that_is_not_there_is_exit_code_1(row: Backend) -> None:
    with closed_port() as port:
        Backend.objects.update(url=f"http://127.0.0.1:{port}/v1")
        with pytest.raises(CommandError, match="Could not reach the backend") as stopped:
            probe("main", ALPHA)
    assert stopped.value.returncode == 1
