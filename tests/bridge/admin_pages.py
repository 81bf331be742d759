"""The admin's pages as tests open them: addresses, forms as a browser sends them, what is said."""

from __future__ import annotations

from typing import Any

from django.db.models import Model
from django.http.response import HttpResponseBase
from django.test import Client
from django.urls import reverse

from bridge.models import (
    ApiKey,
    Change,
    DiscoveredModel,
    PersonLimits,
    Price,
    ToolNameMap,
    WarningRule,
)
from tests.bridge.people import a_team, a_user
from tests.bridge.rows import a_row, an_alias

START = "/admin/"
CHANGES = "/admin/bridge/change/"
KINDS = (
    "backend",
    "modelalias",
    "discoveredmodel",
    "toolnamemap",
    "price",
    "apikey",
    "team",
    "personlimits",
    "warningrule",
)
TARGETS = "targets"


def of(kind: str, name: str, *numbers: Any) -> str:
    """An address of the pages of one kind: changelist, add, change, history, delete, do."""
    return reverse(f"admin:bridge_{kind}_{name}", args=numbers)


def page(row: Model, name: str = "change", *more: str) -> str:
    return of(row._meta.model_name or "", name, row.pk, *more)


def press(client: Client, row: Model, button: str, **fields: str) -> Any:
    """Press a button of a row's page, and go where it leads."""
    return client.post(page(row, "do", button), fields, follow=True)


def revert(client: Client, change: Change, then: str = "", whole: bool = False) -> Any:
    """Ask for the page that tells what taking a change back does, and answer it."""
    address = reverse("admin:bridge_change_revert", args=[change.pk])
    asked = {"next": then} | ({"whole": "1"} if whole else {})
    shown = client.get(address, asked)
    if shown.status_code != 200:
        return shown
    asked |= {"latest": str(shown.context["latest"])}
    return client.post(address, asked, follow=True)


def said(answer: Any) -> list[str]:
    """The messages on a page, without the link that takes something back."""
    return [str(message).partition(" <a")[0] for message in answer.context["messages"]]


def text(answer: HttpResponseBase) -> str:
    content: bytes = getattr(answer, "content", b"")
    return content.decode()


def wrong(answer: Any) -> list[str]:
    """The names of the fields that a form complains of."""
    assert answer.status_code == 200, "the form was taken"
    names = list(answer.context["adminform"].form.errors)
    for inline in answer.context["inline_admin_formsets"]:
        for form in inline.formset.forms:
            names += [f"{form.prefix}-{name}" for name in form.errors]
        names += [TARGETS] if inline.formset.non_form_errors() else []
    return names


def targets(*rows: dict[str, Any], initial: int = 0) -> dict[str, Any]:
    """The fields of an alias form that say where it leads. `backend` is a number."""
    fields: dict[str, Any] = {
        f"{TARGETS}-TOTAL_FORMS": len(rows),
        f"{TARGETS}-INITIAL_FORMS": initial,
        f"{TARGETS}-MIN_NUM_FORMS": 1,
        f"{TARGETS}-MAX_NUM_FORMS": 1000,
    }
    for number, row in enumerate(rows):
        given = {"position": 0, "weight": 1} | row
        fields |= {f"{TARGETS}-{number}-{name}": value for name, value in given.items()}
    return fields


def form(client: Client, address: str) -> dict[str, Any]:
    """The fields of a row's form as a browser would send them back."""
    answer = client.get(address)
    shown = answer.context["adminform"].form
    fields = {name: shown[name].value() for name in shown.fields}
    for inline in answer.context["inline_admin_formsets"]:
        rows = [
            {name: field.value() for name, field in zip(f.fields, f, strict=True)}
            for f in inline.formset.initial_forms
        ]
        prefix = inline.formset.prefix
        fields |= {
            name.replace(TARGETS, prefix, 1): value
            for name, value in targets(*rows, initial=len(rows)).items()
        }
    return {name: value for name, value in fields.items() if value is not None}


def fill(end: int, first: int = 0) -> None:
    """Rows of each kind with these numbers, each with what hangs on it."""
    for number in range(first, end):
        backend = a_row(f"b{number:03}", credential="cpk_stored")
        model = DiscoveredModel.objects.create(
            backend=backend, name=f"vendor/model-{number}", context_override=4096
        )
        an_alias(f"alias-{number}", (backend, model.name), (backend, "another"))
        ToolNameMap.objects.create(backend_name=f"tool_{number}", client_name="Bash")
        Price.objects.create(model=model.name, input_per_mtok="0.5", output_per_mtok="1.75")
        user = a_user(name=f"person {number}")
        PersonLimits.objects.create(user=user, budget_day=number + 1)
        team = a_team(f"team {number}", user, tokens_month=1000)
        ApiKey.issue(f"key {number}", {"person": user, "team": team})
        hook = f"https://hooks.example.com/{number}"
        WarningRule.objects.create(name=f"rule {number}", webhook=hook)
