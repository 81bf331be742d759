"""How the tests are shared out where several workers run them (`pytest -n auto`).

A file stays in one worker, since its tests share gateways, and so do the folders of TOGETHER, each
of which shares a gateway and what stands around it. Half of the time the tests wait for processes
that they have started, so there are two workers for each processor.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import pytest

from tests.fakes.once import folder

TOGETHER = ("tests/browser/", "tests/e2e/sign_in/")
PARSING = ("tests/test_shape.py", "tests/test_requirements.py", "tests/test_wire_rules.py")
"""They share the parsed files."""
LONG = ("tests/browser/", "tests/e2e/", "tests/proxysite/", "tests/deploy/", "tests/sdk/")
"""What takes longest comes first, so that the workers end with short files, and at one time."""


def pytest_configure() -> None:
    """Workers inherit the environment, and with it the folder of what is made once."""
    folder()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    return 2 * (os.cpu_count() or 1)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    # only where xdist is, and only in the process that shares out
    from xdist.scheduler import LoadFileScheduling

    config.option.loadscopereorder = False
    scheduler = LoadFileScheduling(config, log)
    scheduler._split_scope = _unit
    return scheduler


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: _place(item.nodeid, LONG))


def _unit(nodeid: str) -> str:
    """What goes to one worker."""
    for together in TOGETHER:
        if nodeid.startswith(together):
            return together
    file = nodeid.split("::", 1)[0]
    return PARSING[0] if file in PARSING else file


def _place(nodeid: str, folders: Sequence[str]) -> int:
    """The place of its folder in the list, behind all of them where it has none."""
    found = (place for place, folder in enumerate(folders) if nodeid.startswith(folder))
    return next(found, len(folders))
