"""Which pages there are, and at which addresses a stocked gateway shows them.

PAGES has a row for every address of the URL configuration that answers with a page of its own;
NO_PAGE has the others, each with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from django.contrib import admin

from tests.browser.site import LONG
from tests.browser.stock import CODE, Stock
from tests.dashboard.making import CODER

ROW = "<path:object_id>"
ADMIN, PERSON, NOBODY = "admin", "person", ""
"""Who opens a page: two logins of the stock, and somebody who is not logged in."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A page as one visitor sees it. `address` has the names of `filled` in braces."""

    address: str
    visitor: str = ADMIN
    status: int = 200

    def __str__(self) -> str:
        return f"{self.visitor or 'nobody'} /{self.address}"


A, D, M = "admin/bridge/", "dashboard/", "my/"
PAGES: dict[str, tuple[Shown, ...]] = {
    "": (Shown("", NOBODY),),
    "admin/": (Shown("admin/"),),
    "admin/login/": (Shown("admin/login/", NOBODY), Shown("admin/", PERSON)),
    "admin/password_change/": (Shown("admin/password_change/"),),
    "admin/^(?P<app_label>bridge|auth)/$": (Shown(A),),
    f"{A}modelalias/route/": (
        Shown(f"{A}modelalias/route/?model={LONG}"),
        Shown(f"{A}modelalias/route/?model=by-purpose&image=on&prompt_tokens=20000"),
        Shown(f"{A}modelalias/route/?model=by-purpose&prompt_tokens=-5&request_class=no"),
        Shown(f"{A}modelalias/route/?model=nobody"),
    ),
    f"{A}modelalias/client/": (Shown(f"{A}modelalias/client/?model={LONG}"),),
    f"{A}price/recompute/": (
        Shown(f"{A}price/recompute/?since=2026-01-01&until=2036-01-01"),
        Shown(f"{A}price/recompute/?since=soon&key=nobody"),
    ),
    f"{A}change/<int:pk>/revert/": (Shown(f"{A}change/{{change}}/revert/"),),
    "admin/auth/user/<id>/password/": (Shown("admin/auth/user/{user}/password/"),),
    "admin/(?P<url>.*)$": (Shown("admin/nope/", status=404),),
    f"{A}modelalias/{ROW}/history/": (Shown(f"{A}modelalias/{{modelalias}}/history/"),),
    f"{A}modelalias/{ROW}/delete/": (Shown(f"{A}modelalias/{{modelalias}}/delete/"),),
    "admin/auth/group/<path:object_id>/history/": (Shown("admin/auth/group/{group}/history/"),),
    "admin/auth/user/<path:object_id>/delete/": (Shown("admin/auth/user/{user}/delete/"),),
    D: (Shown(D), Shown(f"{D}?range=soon"), Shown(D, PERSON, 403)),
    f"{D}keys/": (Shown(f"{D}keys/"), Shown(f"{D}keys/?from=2001-01-01&to=2001-01-02")),
    f"{D}keys/<slug:slug>/": (Shown(f"{D}keys/2/"), Shown(f"{D}keys/987654/", status=404)),
    f"{D}people/": (Shown(f"{D}people/"),),
    f"{D}teams/": (Shown(f"{D}teams/"),),
    f"{D}cache/": (Shown(f"{D}cache/"),),
    f"{D}auto-mode/": (Shown(f"{D}auto-mode/"),),
    f"{D}models/": (Shown(f"{D}models/"),),
    f"{D}models/<path:name>/": (Shown(f"{D}models/{CODER}/"),),
    f"{D}sessions/": (Shown(f"{D}sessions/"),),
    f"{D}sessions/<int:pk>/": (Shown(f"{D}sessions/{{session}}/"),),
    f"{D}requests/": (
        Shown(f"{D}requests/?range=30d"),
        Shown(f"{D}requests/?range=30d&outcome=error"),
        Shown(f"{D}requests/?key=nobody"),
    ),
    f"{D}requests/<str:request_id>/": (Shown(f"{D}requests/{{request}}/"),),
    f"{D}errors/": (Shown(f"{D}errors/?range=30d"),),
    f"{D}errors/samples/": (Shown(f"{D}errors/samples/?range=30d&q=word"),),
    f"{D}find/": (Shown(f"{D}find/?q=session-of"), Shown(f"{D}find/?q=nothing", status=404)),
    f"{D}live/": (Shown(f"{D}live/"),),
    f"{D}backends/": (Shown(f"{D}backends/"),),
    "device/": (Shown("device/"), Shown(f"device/?user_code={CODE}")),
    M: (Shown(M, NOBODY), Shown(M, PERSON)),
    f"{M}requests/": (Shown(f"{M}requests/", PERSON),),
    f"{M}requests/<str:request_id>/": (Shown(f"{M}requests/{{own_request}}/", PERSON),),
    f"{M}sessions/": (Shown(f"{M}sessions/", PERSON),),
    f"{M}sessions/<int:pk>/": (Shown(f"{M}sessions/{{own_session}}/", PERSON),),
    f"{M}keys/<int:pk>/rotate/": (Shown(f"{M}keys/{{own_key}}/rotate/", PERSON),),
}

MORE = {f"{A}backend/{ROW}/change/": (Shown(f"{A}backend/1/change/"),)}
"""Beside the rows of the stock: the backend of the environment, which is read-only."""

REDIRECT, POSTED, DATA = "leads to another page", "takes forms alone", "answers with data"
ALIKE = "the same template as the page of aliases"
NO_PAGE = {
    "admin/logout/": POSTED,
    "admin/password_change/done/": "after a form, in test_admin.py",
    "admin/search/": DATA,
    "admin/autocomplete/": DATA,
    "admin/jsi18n/": DATA,
    "admin/r/<path:content_type_id>/<path:object_id>/": REDIRECT,
    f"{A}apikey/find/": POSTED,
    f"{A}discoveredmodel/<int:pk>/probe/": DATA,
    f"{D}keys/<slug:slug>/name/": POSTED,
    f"{D}saved-views/": POSTED,
    f"{D}saved-views/<int:pk>/delete/": POSTED,
    ".well-known/oauth-authorization-server": DATA,
    **dict.fromkeys(
        (f"oauth/{name}" for name in ("device_authorization", "token", "revoke")), DATA
    ),
    "device/leave/": POSTED,
    f"{M}key/": POSTED,
    f"{M}leave/": POSTED,
    f"{M}sign-ins/<int:pk>/end/": POSTED,
}
NO_FORM = ("bridge.change", "bridge.discoveredmodel", "bridge.learnedfact", "bridge.warningevent")
"""Rows that nobody adds by hand."""
SEEN_IN_LISTS = ("bridge.signin",)
"""Rows without a page."""


def pages() -> dict[str, tuple[Shown, ...]]:
    """PAGES, with the list and the forms of each kind of rows in the admin."""
    found = dict(PAGES)
    for label, place in _kinds():
        name = label.split(".")[1]
        found[place] = (Shown(place), Shown(f"{place}?q=nothing-fits"))[
            : 2 if name == "team" else 1
        ]
        if label in SEEN_IN_LISTS:
            continue
        found[f"{place}{ROW}/change/"] = (Shown(f"{place}{{{name}}}/change/"),)
        if label not in NO_FORM:
            found[f"{place}add/"] = (Shown(f"{place}add/"),)
    return found | {pattern: found[pattern] + more for pattern, more in MORE.items()}


def without_page() -> dict[str, str]:
    """NO_PAGE, with what rows of the admin have beside their pages."""
    found = dict(NO_PAGE)
    for label, place in _kinds():
        found |= {f"{place}{ROW}/": REDIRECT, f"{place}{ROW}/do/<slug:button>/": POSTED}
        found |= {f"{place}{ROW}/history/": ALIKE, f"{place}{ROW}/delete/": ALIKE}
        if label in SEEN_IN_LISTS:
            found |= {f"{place}{ROW}/change/": "answers with 404"}
        if label in (*NO_FORM, *SEEN_IN_LISTS):
            found[f"{place}add/"] = "answers with 403 or 404"
    return {address: reason for address, reason in found.items() if address not in pages()}


def _kinds() -> Iterator[tuple[str, str]]:
    for model in admin.site._registry:
        label = model._meta.label_lower
        yield label, f"admin/{label.replace('.', '/')}/"


def filled(address: str, stock: Stock) -> str:
    """An address with the numbers of the stock's rows."""
    values = {label.split(".")[1]: pk for label, pk in stock.rows.items()}
    values |= {f"own_{name}": value for name, value in stock.own.items()}
    values |= {"session": stock.session, "request": stock.request}
    return "/" + re.sub(r"\{(\w+)\}", lambda found: str(values[found[1]]), address)
