"""What is probed, and where findings go.

Issue text: `probed`, `evidence` and `probed_at` of the model's row.
"""

from typing import Any

import pytest
from django.utils import timezone

from bridge.models import Backend, Change, ConfigVersion, DiscoveredModel
from bridge.probe.check import Finding
from bridge.probe.target import ProbeError, resolve_target, store

pytestmark = pytest.mark.django_db

FINDINGS = [
    Finding("tools", "Tool call", True, "get_weather({})", {"tools": True}),
    Finding("image", "Picture", False, "Answered with status 500", {"vision": False}),
    Finding("stop", "Stop sequences", None, "No answer to judge: busy"),
    Finding("limits", "Sizes are reported", True, "8192", {"context": 8192}),
]


@pytest.fixture
def row() -> Backend:
    row: Backend = Backend.objects.create(name="main", url="https://llm.example.com/v1/")
    return row


def listed(row: Backend, **fields: Any) -> DiscoveredModel:
    model: DiscoveredModel = DiscoveredModel.objects.create(backend=row, name="m", **fields)
    return model


# --- aim ----------------------------------------------------------------------------------------


def test_aim_is_the_backend_as_the_gateway_knows_it(row: Backend) -> None:
    Backend.objects.filter(pk=row.pk).update(family="vllm", timeout_seconds=7)
    row.refresh_from_db()
    target = resolve_target(row, "m")
    assert (target.backend.url, target.backend.timeout) == ("https://llm.example.com/v1", 7.0)
    assert (target.subject.model, target.subject.profile.name) == ("m", "vllm")


def test_family_of_the_model_alone_goes_before_its_backends(row: Backend) -> None:
    listed(row, family="deepseek")
    assert resolve_target(row, "m").subject.profile.name == "deepseek"


def test_demands_of_the_model_count(row: Backend) -> None:
    assert resolve_target(row, "mistral-large").subject.profile.user_after_tool is False


def test_only_the_lists_word_is_taken_and_no_earlier_probe(row: Backend) -> None:
    """Ours: a probe must not confirm itself."""
    listed(row, context=4096, probed={"context": 999, "tools": True}, context_override=5)
    facts = resolve_target(row, "m").subject.facts
    assert (facts.context, facts.tools) == (4096, None)


def test_key_is_the_backends_own_unless_another_is_given(row: Backend) -> None:
    row.credential = "sk-stored"
    row.save()
    assert resolve_target(row, "m").key == "sk-stored"
    assert resolve_target(row, "m", "sk-given").key == "sk-given"
    assert "sk-" not in repr(resolve_target(row, "m", "sk-given"))


def test_key_that_cannot_be_read_is_told(row: Backend, settings: Any) -> None:
    row.credential = "sk-stored"
    row.save()
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another", []
    with pytest.raises(ProbeError, match="key of backend main cannot be read"):
        resolve_target(row, "m")


@pytest.mark.parametrize("name", ["", "x" * 301])
def test_name_that_no_row_could_have_is_refused(row: Backend, name: str) -> None:
    with pytest.raises(ProbeError, match="model: expected a name"):
        resolve_target(row, name)


# --- store --------------------------------------------------------------------------------------


def test_findings_become_the_row_of_an_unlisted_model(row: Backend) -> None:
    """Issue text: the row is made if the list did not have it. Ours: it is not offered by that."""
    before = timezone.now()
    store(row.pk, "m", FINDINGS)
    model = DiscoveredModel.objects.get()
    assert (model.backend_id, model.name, model.listed) == (row.pk, "m", False)
    assert model.probed == {"tools": True, "vision": False, "context": 8192}
    assert model.evidence[2] == {
        "check": "stop",
        "title": "Stop sequences",
        "works": None,
        "evidence": "No answer to judge: busy",
    }
    assert len(model.evidence) == len(FINDINGS)
    assert model.probed_at is not None and before <= model.probed_at <= timezone.now()


def test_findings_change_nothing_else_of_a_listed_model(row: Backend) -> None:
    listed(row, context=4096, tools=False, vision_override=True)
    store(row.pk, "m", FINDINGS)
    model = DiscoveredModel.objects.get()
    assert (model.context, model.tools, model.listed) == (4096, False, True)
    assert [model.fact(name) for name in DiscoveredModel.FACTS] == [8192, None, True, True, None]


def test_probe_replaces_the_one_before(row: Backend) -> None:
    """Ours: what could not be told again is not known any more."""
    store(row.pk, "m", FINDINGS)
    store(row.pk, "m", FINDINGS[:1])
    model = DiscoveredModel.objects.get()
    assert (model.probed, len(model.evidence)) == ({"tools": True}, 1)


def test_snapshots_learn_of_it_and_the_history_does_not(row: Backend) -> None:
    """models.py: the history is of what operators set."""
    before, changes = ConfigVersion.current(), Change.objects.count()
    store(row.pk, "m", FINDINGS)
    assert ConfigVersion.current() > before
    assert Change.objects.count() == changes
