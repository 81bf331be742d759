"""A live llama.cpp server, asked directly and through the gateway."""

import shlex
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.fakes.chunks import Json
from tests.fakes.client import KEY, MESSAGES, ask
from tests.fakes.gateway import POLL_SECONDS, STOP_SECONDS, Gateway
from tests.fakes.ports import reserve_port
from tests.grammar import check_stream
from tests.shapes import check_error, check_message

START_SECONDS = 120.0
ANSWER_SECONDS = 120.0
COUNT = "/v1/messages/count_tokens"


@dataclass(frozen=True, slots=True)
class Server:
    """The server itself, without the gateway."""

    url: str

    @property
    def model(self) -> str:
        return str(self._entry["id"])

    @property
    def window(self) -> int:
        """Tokens that one conversation may have."""
        return int(self._entry["meta"]["n_ctx"])

    @property
    def _entry(self) -> Json:
        entry: Json = self.get("/v1/models")["data"][0]
        return entry

    @property
    def is_idle(self) -> bool:
        return not any(slot["is_processing"] for slot in self.get("/slots"))

    def get(self, path: str) -> Any:
        return _document(httpx.get(self.url + path, timeout=ANSWER_SECONDS))

    def chat(self, messages: list[Json], **fields: Any) -> Json:
        body = {"model": self.model, "messages": messages, "temperature": 0, **fields}
        return self._post("/v1/chat/completions", body)

    def count(self, messages: list[Json], **fields: Any) -> int:
        body = {"model": self.model, "messages": messages, **fields}
        return int(self._post("/v1/chat/completions/input_tokens", body)["input_tokens"])

    def _post(self, path: str, body: Json) -> Json:
        answer = httpx.post(self.url + path, json=body, timeout=ANSWER_SECONDS)
        document: Json = _document(answer)
        return document


@dataclass(frozen=True, slots=True)
class Client:
    """Asks the gateway, always for the likeliest words."""

    gateway: Gateway
    model: str

    def message(self, text: str, streamed: bool = False, **fields: Any) -> Json:
        """The checked message, in either mode."""
        response = self._post(MESSAGES, text, {"stream": streamed, **fields})
        assert response.status_code == 200, response.text
        return check_stream(response.content) if streamed else check_message(response.json())

    def refusal(self, status: int, text: str = "Hello.", **fields: Any) -> str:
        """What is said to a request that is refused with this status."""
        response = self._post(MESSAGES, text, fields)
        assert response.status_code == status, response.text
        said: str = check_error(response.json())["error"]["message"]
        return said

    def count(self, text: str, **fields: Any) -> int:
        response = self._post(COUNT, text, fields)
        assert response.status_code == 200, response.text
        return int(response.json()["input_tokens"])

    def leave_after_first_words(self, text: str, **fields: Any) -> None:
        """Begin to read a stream, and close the connection."""
        with httpx.stream("POST", **self._request(MESSAGES, text, {"stream": True, **fields})) as r:
            said = b""
            for piece in r.iter_raw():
                said += piece
                if b"text_delta" in said:
                    return
        raise AssertionError(f"no words came: {said!r}")

    def _post(self, path: str, text: str, fields: Json) -> httpx.Response:
        return httpx.post(**self._request(path, text, fields))

    def _request(self, path: str, text: str, fields: Json) -> Json:
        return {
            "url": self.gateway.url + path,
            "json": ask(text, model=self.model, temperature=0) | fields,
            "headers": {"x-api-key": KEY},
            "timeout": ANSWER_SECONDS,
        }


@contextmanager
def running(command: str, log: Path) -> Iterator[Server]:
    """The server that this command starts, from when it is ready to the end of the block."""
    port = reserve_port()
    with log.open("wb") as output:
        process = subprocess.Popen(
            shlex.split(command.format(port=port)),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    server = Server(f"http://127.0.0.1:{port}")
    try:
        wait_until(
            lambda: _is_ready(server, process, log), "the server is not ready", START_SECONDS
        )
        yield server
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_SECONDS)


def wait_until(happened: Callable[[], bool], complaint: str, seconds: float = STOP_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, complaint
        time.sleep(POLL_SECONDS)


def _is_ready(server: Server, process: subprocess.Popen[bytes], log: Path) -> bool:
    assert process.poll() is None, f"ended:\n{log.read_text(errors='replace')[-2000:]}"
    try:
        return httpx.get(f"{server.url}/health").status_code == 200
    except httpx.TransportError:
        return False


def _document(response: httpx.Response) -> Any:
    assert response.status_code == 200, response.text
    return response.json()
