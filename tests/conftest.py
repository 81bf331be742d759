"""Fixtures: the scriptable backend, and gateways in front of it.

Processes are dear, so there is one gateway for nearly all tests. Its backend forgets scripts and
records between two tests, and its breaker is brought back to rest by one good answer. A test that
needs another environment takes `start_gateway`.
"""

import gc
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager

import pytest
from django.test import TransactionTestCase
from django.test.utils import override_settings
from pytest_django import DjangoDbBlocker

from tests.fakes.backend import FakeBackend
from tests.fakes.gateway import Gateway, Ready, launch
from tests.first_rows import FirstRows
from tests.workers import pytest_collection_modifyitems as pytest_collection_modifyitems
from tests.workers import pytest_configure as pytest_configure
from tests.workers import pytest_xdist_auto_num_workers as pytest_xdist_auto_num_workers
from tests.workers import pytest_xdist_make_scheduler as pytest_xdist_make_scheduler

Start = Callable[..., Gateway]
RESTING_MODEL = "test/beta"
GARBAGE = 20_000
"""New objects after which garbage is looked for: pages and their queries make hundreds of loops."""


@pytest.fixture(scope="session", autouse=True)
def quick_settings() -> Iterator[None]:
    """In this process a password is hashed at once: the tests make hundreds of users.

    Nor does every client of Django's list all static files: one that is asked for is looked up.
    """
    hashers = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    with override_settings(PASSWORD_HASHERS=hashers, WHITENOISE_AUTOREFRESH=True):
        yield


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    with django_db_blocker.unblock():
        rows = FirstRows()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", rows.put_back)
        yield


@pytest.fixture(scope="session")
def session_backend() -> Iterator[FakeBackend]:
    with FakeBackend() as backend:
        yield backend


@pytest.fixture
def backend(session_backend: FakeBackend) -> Iterator[FakeBackend]:
    """The backend behind every gateway, without scripts and records."""
    session_backend.reset()
    yield session_backend
    session_backend.reset()


@pytest.fixture(scope="session")
def session_spare() -> Iterator[FakeBackend]:
    with FakeBackend() as backend:
        yield backend


@pytest.fixture
def spare(session_spare: FakeBackend) -> Iterator[FakeBackend]:
    """A second backend, for gateways that are told of it."""
    session_spare.reset()
    yield session_spare
    session_spare.reset()


@contextmanager
def starting(backend: FakeBackend, folders: pytest.TempPathFactory) -> Iterator[Start]:
    """Starts gateways, the environment as keywords, and ends them when it is left."""
    running: list[Gateway] = []

    def start(
        launcher: str = "daphne",
        ready: Ready = Ready.INFORMED,
        demo: bool = False,
        after: Gateway | None = None,
        is_fresh: bool = False,
        again: bool = False,
        **variables: str,
    ) -> Gateway:
        """`after`: the gateway that was here before, whose folder is taken over; `again`: whose
        port, too."""
        address = None if demo else backend.chat_url
        folder = after.log_path.parent if after else folders.mktemp(launcher)
        port = after.port if after and again else None
        running.append(
            launch(launcher, folder, address, variables, ready, is_fresh=is_fresh, port=port)
        )
        return running[-1]

    yield start
    for gateway in running:
        gateway.process.terminate()  # all of them, so that they end side by side
    for gateway in running:
        gateway.wait_stopped()
    for gateway in running:
        gateway.check_log()


@pytest.fixture(scope="session")
def start_for_session(
    session_backend: FakeBackend, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Start]:
    """Start a gateway that lives until the end of the session, and works a little all the time."""
    with starting(session_backend, tmp_path_factory) as start:
        yield start


@pytest.fixture(scope="module")
def launch_gateway(
    session_backend: FakeBackend, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Start]:
    """Start a gateway that lives until the end of the module."""
    with starting(session_backend, tmp_path_factory) as start:
        yield start


@pytest.fixture
def start_gateway(
    backend: FakeBackend, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Start]:
    """Start a gateway that lives as long as the test."""
    with starting(backend, tmp_path_factory) as start:
        yield start


@pytest.fixture(scope="session")
def session_gateway(start_for_session: Start) -> Gateway:
    return start_for_session()


@pytest.fixture(scope="session")
def session_strict_gateway(start_for_session: Start) -> Gateway:
    return start_for_session(
        FIRST_CHUNK_GRACE="1",
        PING_INTERVAL="1",
        MAX_BODY_BYTES="20000",
        MAX_CONTENT_BYTES="10000",
        MAX_MESSAGES="5",
    )


@pytest.fixture
def gateway(session_gateway: Gateway, backend: FakeBackend) -> Iterator[Gateway]:
    """The gateway in its default environment, on daphne."""
    yield session_gateway
    let_rest(session_gateway, backend)


@pytest.fixture
def strict_gateway(session_strict_gateway: Gateway, backend: FakeBackend) -> Iterator[Gateway]:
    """A gateway that pings after a second of silence and takes small requests only."""
    yield session_strict_gateway
    let_rest(session_strict_gateway, backend)


def let_rest(gateway: Gateway, backend: FakeBackend) -> None:
    """One good answer after a test with a script, so that the breaker forgets its failures."""
    if backend.was_scripted:
        backend.reset()
        gateway.client.messages(model=RESTING_MODEL)


def pytest_sessionstart() -> None:
    """What is made while tests are collected lives to the end: it is no use to look for garbage."""
    gc.disable()


def pytest_collection_finish() -> None:
    """The thousands of collected tests live to the end, so no collection of garbage visits them."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE)
    gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test shows the end of its gateway's log."""
    report = yield
    if report.failed and isinstance(item, pytest.Function):
        for name, value in item.funcargs.items():
            if isinstance(value, Gateway):
                report.sections.append((f"log of {name}", value.tail()))
    return report
