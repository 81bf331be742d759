"""The admin's page of learnt facts: what a backend taught is seen, changed and forgotten there."""

from __future__ import annotations

import pytest
from django.test import Client

from bridge.models import Backend, LearnedFact
from tests.bridge.admin_pages import form, of, page, text, wrong
from tests.bridge.people import browser
from tests.bridge.rows import a_row

pytestmark = pytest.mark.django_db
SENTENCE = "Invalid max_tokens value, the valid range is [1, 8192] <b>"
LIST = of("learnedfact", "changelist")


@pytest.fixture
def client() -> Client:
    return browser("operator")


@pytest.fixture
def backend() -> Backend:
    return a_row("kimi")


@pytest.fixture
def fact(backend: Backend) -> LearnedFact:
    return LearnedFact.objects.create(
        backend=backend, model="k2", what="max_output", value="8192", sentence=SENTENCE, helped=7
    )


def test_list_names_habit_sentence_place_and_use(client: Client, fact: LearnedFact) -> None:
    """Ours: which refusal taught it, and how often it helped, in the words of the pages."""
    shown = text(client.get(LIST))
    assert "Longest answer, in tokens 8192" in shown
    assert "the valid range is [1, 8192] &lt;b&gt;" in shown and "8192] <b>" not in shown
    assert "k2" in shown and "kimi" in shown
    assert ">7<" in shown


def test_fact_of_a_whole_server_says_so(client: Client, backend: Backend) -> None:
    LearnedFact.objects.create(backend=backend, what="refuses", value="stream_options")
    shown = text(client.get(LIST))
    assert "All models" in shown and "Refuses the field stream_options" in shown


@pytest.mark.parametrize(("query", "found"), [("q=k2", 1), ("q=range", 1), ("q=zzz", 0)])
def test_facts_are_found_by_model_and_sentence(
    client: Client, fact: LearnedFact, query: str, found: int
) -> None:
    assert text(client.get(f"{LIST}?{query}")).count(page(fact)) == found


def test_operator_changes_the_value_and_nothing_else(client: Client, fact: LearnedFact) -> None:
    """Ours: what it is and where it came from stay what the backend said."""
    sent = form(client, page(fact)) | {"value": "4096", "what": "vision", "sentence": "mine"}
    assert client.post(page(fact), sent).status_code == 302
    fact.refresh_from_db()
    assert (fact.what, fact.value, fact.sentence) == ("max_output", "4096", SENTENCE)


def test_value_that_is_no_number_is_refused(client: Client, fact: LearnedFact) -> None:
    sent = form(client, page(fact)) | {"value": "many"}
    assert wrong(client.post(page(fact), sent)) == ["value"]


def test_operator_forgets_a_fact(client: Client, fact: LearnedFact) -> None:
    client.post(page(fact, "delete"), {"post": "yes"})
    assert not LearnedFact.objects.exists()


def test_facts_are_learnt_and_never_added(client: Client) -> None:
    """Ours: what an operator knows belongs into the model's own row."""
    assert client.get(of("learnedfact", "add")).status_code == 403


def test_auditor_neither_sees_nor_changes_facts(fact: LearnedFact) -> None:
    """Ours: auditors see no routing."""
    auditor = browser("auditor")
    assert auditor.get(LIST).status_code == 403
    assert auditor.post(page(fact), {"value": "1"}).status_code == 403
    assert auditor.post(page(fact, "delete"), {"post": "yes"}).status_code == 403
    fact.refresh_from_db()
    assert fact.value == "8192"
