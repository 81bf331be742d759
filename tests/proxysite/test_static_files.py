"""Files of the pages: when they are listed."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from proxysite.static_files import StaticFiles

FILE = "/static/bridge/welcome.css"
VISITORS = 8


@pytest.fixture
def files(settings: Any) -> StaticFiles:
    settings.WHITENOISE_AUTOREFRESH = False
    return StaticFiles(lambda request: HttpResponse("a page"))


@pytest.mark.django_db
def test_files_are_listed_when_the_first_is_asked_for(files: StaticFiles) -> None:
    assert files(RequestFactory().get("/admin/")).content == b"a page"
    assert not files.files
    answer = files(RequestFactory().get(FILE))
    assert answer.headers["content-type"].startswith("text/css")
    answer.close()
    assert FILE in files.files
    assert files(RequestFactory().get("/static/none.css")).content == b"a page"


def test_all_who_come_at_once_get_the_file(files: StaticFiles) -> None:
    """Whoever finds the list being made waits for it."""
    together = Barrier(VISITORS)

    def visit(_: int) -> int:
        together.wait()
        answer = files(RequestFactory().get(FILE))
        status: int = answer.status_code
        assert answer.headers["content-type"].startswith("text/css")
        answer.close()
        return status

    with ThreadPoolExecutor(VISITORS) as visitors:
        assert list(visitors.map(visit, range(VISITORS))) == [200] * VISITORS
