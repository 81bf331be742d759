"""A browser that signs in with a company account, step by step, over HTTP."""

from __future__ import annotations

from typing import Any, Self

import httpx

from tests.fakes.client import PLAIN
from tests.fakes.gateway import Gateway
from tests.fakes.oidc_provider import OidcProvider

HTML = {"accept": "text/html"}


class Visitor:
    """Cookies of one browser. Each step returns an answer, and follows nothing by itself."""

    def __init__(self, gateway: Gateway, provider: OidcProvider) -> None:
        self.gateway, self.provider = gateway, provider
        self.client = httpx.Client(headers=HTML, timeout=60, **PLAIN)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.client.get(self.gateway.url + path, headers=headers)

    def begin(self, **query: str) -> httpx.Response:
        """The first step: to the provider, where all goes well."""
        return self.client.get(f"{self.gateway.url}/sign-in/", params=query)

    def agree(self, begun: httpx.Response) -> str:
        """The second: the address that the provider sends the browser back to."""
        return self.client.get(begun.headers["location"]).headers["location"]

    def sign_in(self, **query: str) -> httpx.Response:
        """All steps, up to the answer of the gateway."""
        begun = self.begin(**query)
        assert begun.status_code == 302, begun.text
        return self.client.get(self.agree(begun))

    def comes_in(self, **query: str) -> str:
        """Sign in, which must go well; the path of the page after it."""
        answer = self.sign_in(**query)
        assert answer.status_code == 302, answer.text
        return answer.headers["location"]

    def post(self, path: str, **form: Any) -> httpx.Response:
        """A form, with the token that the browser has in a cookie."""
        token = self.client.cookies.get("csrftoken", "")
        return self.client.post(
            self.gateway.url + path,
            data=form | {"csrfmiddlewaretoken": token},
            headers={"referer": self.gateway.url},
        )
