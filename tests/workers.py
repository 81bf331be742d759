"""How the tests are shared out where several processes run them (`pytest --jobs=auto`).

A file stays in one process, since its tests share gateways, and so do the folders of TOGETHER, each
of which shares a gateway and what stands around it. Half of the time the tests wait for processes
that they have started, so there are two processes for each processor.
"""

from __future__ import annotations

import os
from itertools import groupby

import pytest

from tests.fakes.once import folder
from tests.sharing import Sharing, Unit

TOGETHER = ("tests/browser/", "tests/e2e/sign_in/")
PARSING = ("tests/test_shape.py", "tests/test_requirements.py", "tests/test_wire_rules.py")
"""They share the parsed files."""
LONG = ("tests/browser/", "tests/e2e/", "tests/proxysite/", "tests/deploy/", "tests/sdk/")
"""What takes longest comes first, so that the processes end with short files, and at one time."""


def pytest_addoption(parser: pytest.Parser) -> None:
    text = "how many processes run the tests; auto: two for each processor"
    parser.addoption("--jobs", default="1", metavar="N", help=text)


def pytest_configure() -> None:
    """Processes inherit the environment, and with it the folder of what is made once."""
    folder()


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Share the tests out. Where they are not to run, or here, pytest does what it always does."""
    options = session.config.option
    jobs = 2 * (os.cpu_count() or 1) if options.jobs == "auto" else int(options.jobs)
    if jobs < 2 or options.collectonly or session.testsfailed:
        return None
    Sharing(session, units(session.items)).run(jobs)
    return True


def units(items: list[pytest.Item]) -> list[Unit]:
    """What goes to one process each, in the order in which it goes."""
    names = [_unit(item.nodeid) for item in items]
    order = sorted(range(len(items)), key=lambda place: (_place(names[place]), names[place]))
    return [list(places) for _, places in groupby(order, names.__getitem__)]


def _unit(nodeid: str) -> str:
    for together in TOGETHER:
        if nodeid.startswith(together):
            return together
    file = nodeid.split("::", 1)[0]
    return PARSING[0] if file in PARSING else file


def _place(name: str) -> int:
    """The place of its folder in the list, behind all of them where it has none."""
    found = (place for place, folder in enumerate(LONG) if name.startswith(folder))
    return next(found, len(LONG))
