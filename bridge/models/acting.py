"""Who acts at this moment, and from where: whom the history names when a step names nobody.

A request of a page sets it to its visitor (`bridge.pages.acting`), a command to its own name. Both
are looked up only when something is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

SHELL = "shell"
"""Who made a change that no page and no command made."""


@dataclass(frozen=True, slots=True)
class Acting:
    """`address`: the client's, in the form in which it may be kept; "" for none."""

    actor: Callable[[], str]
    address: Callable[[], str] = str
    is_page: bool = False


_of_process = [Acting(lambda: SHELL)]
_current: ContextVar[Acting | None] = ContextVar("who acts", default=None)


def now() -> Acting:
    """Whoever acts."""
    return _current.get() or _of_process[0]


@contextmanager
def acting(whoever: Acting) -> Iterator[None]:
    """Inside the block it is this one."""
    token = _current.set(whoever)
    try:
        yield
    finally:
        _current.reset(token)


def run_as_command(name: str) -> None:
    """This process runs a command of manage.py, and so acts in its name."""
    _of_process[0] = Acting(lambda: command(name))


def command(name: str) -> str:
    """How the history names a command of manage.py."""
    return f"command {name}"
