"""The ways to start the product: each serves, streams, and notices who leaves.

Most tests run on plain daphne; these run on the product's own launcher with either server.
"""

import re
from collections.abc import Iterator

import httpx
import pytest

from tests.conftest import Start, let_rest
from tests.fakes import books
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.chunks import finish, role, text, usage
from tests.fakes.client import MESSAGES, PLAIN, ask, leave, text_of
from tests.fakes.gateway import Gateway
from tests.fakes.replies import End, Gate

LARGEST = "zai-org/GLM-4.5-Air"
"""Of the backend's models the one with the largest window."""
RUNNING: dict[str, Gateway] = {}


@pytest.fixture(params=["serve", "uvicorn"])
def served(
    request: pytest.FixtureRequest, launch_gateway: Start, backend: FakeBackend
) -> Iterator[Gateway]:
    """A gateway started by the product's launcher; one process per server for this file."""
    gateway = RUNNING.get(request.param)
    if gateway is None or gateway.process.poll() is not None:
        is_fresh = request.param == "uvicorn"  # the other one is, in test_login_flood
        gateway = RUNNING[request.param] = launch_gateway(request.param, is_fresh=is_fresh)
    yield gateway
    if gateway.process.poll() is None:
        let_rest(gateway, backend)


def test_banner_shows_the_way(served: Gateway, backend: FakeBackend) -> None:
    """Ours: what to type next is on the screen."""
    books.wait_for_line(served, "Point Claude Code at it")
    key = "ANTHROPIC_AUTH_TOKEN=YOUR_KEY"
    for line in (
        served.url,
        f"ANTHROPIC_BASE_URL={served.url}",
        "/admin",
        key,
        f"ANTHROPIC_MODEL={LARGEST}",
    ):
        assert line in served.log
    assert f"127.0.0.1:{backend.port}" in served.log


def test_plain_and_streamed_answers_agree(served: Gateway) -> None:
    """Ours: the same product on every server."""
    with served.client.stream() as stream:
        streamed = stream.message()
    plain = served.client.messages().json
    assert plain["content"] == streamed["content"] == [{"type": "text", "text": "Hello"}]
    assert plain["usage"] == streamed["usage"]


def test_pieces_are_passed_on_at_once(served: Gateway, backend: FakeBackend) -> None:
    """Ours: no server may gather what belongs to a stream."""
    gate = Gate()
    backend.on(ALPHA).stream(role(), text("one "), gate, text("two"), finish("stop"), usage(5, 2))
    with served.client.stream() as stream:
        assert text_of(stream.events_until("content_block_delta")) == "one "
        gate.open()
        assert stream.message()["content"] == [{"type": "text", "text": "one two"}]


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
def test_leaving_client_ends_the_call(
    served: Gateway, backend: FakeBackend, streamed: bool
) -> None:
    """Ours: servers tell of a client that left in different ways."""
    gate = Gate()
    backend.on(ALPHA).json({}, before=gate)
    connection = served.client.send("POST", MESSAGES, ask(stream=streamed))
    gate.wait_reached()
    leave(connection)
    backend.only_call.wait_left()


def test_client_that_leaves_in_mid_stream_ends_the_call(
    served: Gateway, backend: FakeBackend
) -> None:
    """Ours: here after the first words."""
    gate = Gate()
    backend.on(ALPHA).stream(role(), text("He"), gate)
    with served.client.stream() as stream:
        stream.events_until("content_block_delta")
        stream.leave()
    backend.only_call.wait_left()


def test_cut_stream_is_an_error(served: Gateway, backend: FakeBackend) -> None:
    """Ours: an abandoned answer is told the same way everywhere."""
    backend.on(ALPHA).stream(role(), text("He"), End.RESET)
    with served.client.stream() as stream:
        assert stream.message()["type"] == "error"


def test_wrong_requests_get_the_envelope(served: Gateway) -> None:
    """Ours: no server answers in its own words."""
    for method, path, status in (("GET", "/nope", 404), ("GET", MESSAGES, 405)):
        response = served.client.request(method, path)
        assert (response.status, response.json["type"]) == (status, "error")
    assert served.client.post(MESSAGES, b"{").status == 400
    assert served.client.request("HEAD", "/api/hello").status == 200


def test_first_admin_may_log_in(served: Gateway) -> None:
    """Ours: the control plane runs in the same process, with the password that was shown once."""
    (password,) = re.findall(r"password (\S+)", served.log)
    with httpx.Client(base_url=served.url, **PLAIN, follow_redirects=True) as browser:
        page = browser.get("/admin/login/")
        (style, *_) = re.findall(r'href="(/static/[^"]+\.css[^"]*)"', page.text)
        assert browser.get(style).status_code == 200
        form = {"username": "admin", "password": password, "next": "/admin/"}
        form["csrfmiddlewaretoken"] = browser.cookies["csrftoken"]
        inside = browser.post("/admin/login/", data=form)
    assert (inside.status_code, inside.url.path) == (200, "/admin/")


@pytest.mark.parametrize(
    ("name", "value"),
    [("MODEL_MAP", "{'a': 'b'}"), ("PING_INTERVAL", "soon"), ("BACKEND_URL", "localhost:1")],
)
def test_setting_that_makes_no_sense_stops_the_start(
    start_gateway: Start, name: str, value: str
) -> None:
    """Ours: a variable that is quietly ignored costs its operator an afternoon."""
    with pytest.raises(RuntimeError, match=f"{name}: expected"):
        start_gateway(launcher="serve", **{name: value})
