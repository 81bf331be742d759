"""Daphne's server where two ends of a socket disagree on whether it is open."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
SENDING = """
import asyncio
from daphne.server import Server as Plain  # daphne's event loop comes first
from autobahn.exception import Disconnected
from daphne.ws_protocol import WebSocketProtocol
from bridge.http.daphne import Server

page = WebSocketProtocol()
page.state, page.client_addr = page.STATE_CLOSED, None
answer = {"type": "websocket.send", "text": "news"}

async def main():
    for server_class in (Plain, Server):
        server = server_class(lambda: None, endpoints=["unused"])
        server.connections = {page: {}}
        try:
            await server.handle_reply(page, answer)
            print("dropped")
        except Disconnected:
            print("raised")

asyncio.run(main())
"""


def test_news_for_a_page_that_has_left_is_dropped() -> None:
    """Observed: an error with a traceback in the log, when a page left while it was written to."""
    done = subprocess.run(
        [sys.executable, "-c", SENDING],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.split() == ["raised", "dropped"], done.stderr
