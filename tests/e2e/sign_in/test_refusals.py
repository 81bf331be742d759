"""Sign-ins that end with a page: tokens that are not good, lies about groups, a provider away."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.fakes.gateway import Gateway
from tests.fakes.oidc_provider import CLIENT_SECRET, OidcProvider
from tests.fakes.signing_in import Visitor

HOUR = 3600
BAD_TOKEN = "Example Inc. sent a token that is not good"
BAD_GROUPS = "Example Inc. sent groups that cannot be read"
NO_ANSWER = "Example Inc. gave no usable answer"
AWAY = "Example Inc. does not answer"
NOT_SET_UP = "Example Inc. is not set up well"
OVER = "This sign-in is over"


def now(seconds: int = 0) -> int:
    return int(time.time()) + seconds


# what the provider does: fields of its script, status, title, reason
LIES: dict[str, tuple[dict[str, Any], int, str, str]] = {
    "expired": ({"token": {"exp": now(-HOUR)}}, 403, BAD_TOKEN, "it has expired"),
    "not valid yet": ({"token": {"nbf": now(HOUR)}}, 403, BAD_TOKEN, "not valid yet"),
    "from the future": ({"token": {"iat": now(HOUR)}}, 403, BAD_TOKEN, "not valid yet"),
    "another issuer": ({"token": {"iss": "https://a.example"}}, 403, BAD_TOKEN, "another issuer"),
    "another audience": ({"token": {"aud": "x"}}, 403, BAD_TOKEN, "for another client"),
    "another party": (
        {"token": {"aud": ["gateway", "x"], "azp": "x"}}, 403, BAD_TOKEN, "client (azp)",
    ),
    "no audience": ({"token": {"aud": None}}, 403, BAD_TOKEN, "a claim is missing"),
    "no end": ({"token": {"exp": None}}, 403, BAD_TOKEN, "a claim is missing"),
    "times in words": ({"token": {"exp": "soon"}}, 403, BAD_TOKEN, "it cannot be read"),
    "another nonce": ({"token": {"nonce": "guessed"}}, 403, BAD_TOKEN, "nonce"),
    "no nonce": ({"token": {"nonce": None}}, 403, BAD_TOKEN, "nonce"),
    "no signature": ({"algorithm": "none"}, 403, BAD_TOKEN, "algorithm is not accepted"),
    "a secret's signature": ({"algorithm": "HS256"}, 403, BAD_TOKEN, "algorithm is not accepted"),
    "another algorithm": ({"algorithm": "PS256"}, 403, BAD_TOKEN, "is not accepted"),
    "another key": ({"signs_with_another_key": True}, 403, BAD_TOKEN, "its signature is wrong"),
    "an unknown key": ({"header": {"kid": "x"}}, 403, BAD_TOKEN, "does not list"),
    "a number for a subject": ({"token": {"sub": 7}}, 403, BAD_TOKEN, ""),
    "a long subject": ({"token": {"sub": "x" * 300}}, 403, BAD_TOKEN, "sub: expected a text"),
    "a subject with a bell": ({"token": {"sub": "a\x07"}}, 403, BAD_TOKEN, "control character"),
    "details of somebody else": ({"details": {"sub": "0002"}}, 403, BAD_TOKEN, "its sub is"),
    "details in pieces": ({"bodies": {"/userinfo": b'{"sub'}}, 502, NO_ANSWER, "a JSON object"),
    "details refused": ({"statuses": {"/userinfo": 500}}, 502, AWAY, "it answered with 500"),
    "details elsewhere": ({"statuses": {"/userinfo": 302}}, 502, AWAY, "it answered with 302"),
    "details without end": ({"bodies": {"/userinfo": b" " * 2**21}}, 502, AWAY, ""),
    "deep details": ({"bodies": {"/userinfo": b"[" * 99999}}, 502, NO_ANSWER, "a JSON object"),
    "no token": ({"bodies": {"/token": b'{"access_token": "x"}'}}, 502, NO_ANSWER, "an id_token"),
    "a token in pieces": ({"bodies": {"/token": b'{"access'}}, 502, NO_ANSWER, "not exchanged"),
    "a list for a token": ({"bodies": {"/token": b'["x"]'}}, 502, NO_ANSWER, "not exchanged"),
    "a token of dots": (
        {"bodies": {"/token": b'{"access_token": "x", "id_token": "..."}'}}, 403, BAD_TOKEN, "read",
    ),
    "a refused code": ({"statuses": {"/token": 400}}, 502, NO_ANSWER, "not exchanged"),
    "a code that is dropped": ({"drops": "/token"}, 502, AWAY, ""),
    "a word for groups' list": ({"token": {"groups": 7}}, 403, BAD_GROUPS, "a list of texts"),
    "an object of groups": ({"token": {"groups": {"a": 1}}}, 403, BAD_GROUPS, "a list of texts"),
    "a number among groups": ({"token": {"groups": ["a", 1]}}, 403, BAD_GROUPS, "another value"),
    "too many groups": (
        {"token": {"groups": [f"g{n}" for n in range(10_000)]}}, 403, BAD_GROUPS, "10000",
    ),
    "a control character": ({"token": {"groups": ["a\x00b"]}}, 403, BAD_GROUPS, "control"),
    "a line in a group": ({"token": {"groups": ["a\nadmin"]}}, 403, BAD_GROUPS, "control"),
    "groups elsewhere": (
        {"token": {"_claim_names": {"groups": "src1"}}}, 403, BAD_GROUPS, "too many",
    ),
    "no name": (
        {"token": {"preferred_username": None, "email": None}}, 403, "sent no usable name", "",
    ),
    "a name with spaces": (
        {"token": {"preferred_username": "a b", "email": "x"}}, 403, "sent no usable name", "",
    ),
    "an unverified address": (
        {"token": {"preferred_username": None, "email_verified": False}}, 403, "no usable name", "",
    ),
    "a refusal": ({"denies": "access_denied"}, 403, "Not signed in", ""),
    "an error": ({"denies": "server_error"}, 502, NO_ANSWER, ""),
    "a code of another issuer": ({"from_issuer": "https://a.example"}, 403, BAD_TOKEN, "issuer"),
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_lie_ends_with_a_page_and_nobody_is_logged_in(
    visitor: Visitor, provider: OidcProvider, lie: str
) -> None:
    """The issue: a provider that lies, each with a clear error."""
    script, status, title, reason = LIES[lie]
    provider.changed(person={"sub": f"liar-{lie}", "preferred_username": "liar"}, **script)
    answer = visitor.sign_in()
    assert (answer.status_code, title in answer.text) == (status, True), answer.text
    assert reason in answer.text
    assert "Traceback" not in answer.text
    assert visitor.get("/admin/").status_code == 302
    assert answer.headers["cache-control"].count("no-store")


def test_log_names_the_reason_and_no_secret(
    visitor: Visitor, provider: OidcProvider, company_gateway: Gateway
) -> None:
    provider.changed(token={"groups": ["a-group\x07"], "iss": "https://spoofed.example"})
    code = visitor.agree(visitor.begin()).partition("code=")[2].partition("&")[0]
    visitor.sign_in()
    assert "Sign-in refused: token: it is of another issuer" in company_gateway.log
    for secret in (CLIENT_SECRET, code, "spoofed", "a-group", "eyJ"):
        assert secret not in company_gateway.log


def test_callback_is_good_once(visitor: Visitor, provider: OidcProvider) -> None:
    """The issue: a replayed callback."""
    provider.changed(person={"sub": "once", "preferred_username": "once"})
    back = visitor.agree(visitor.begin())
    assert visitor.client.get(back).status_code == 302
    again = visitor.client.get(back)
    assert (again.status_code, OVER in again.text) == (400, True)


def test_callback_is_good_in_the_browser_that_began(
    visitor: Visitor, provider: OidcProvider, company_gateway: Gateway
) -> None:
    """Nobody is led into the account of whoever made the address."""
    back = visitor.agree(visitor.begin())
    with Visitor(company_gateway, provider) as other:
        answer = other.client.get(back)
        assert (answer.status_code, OVER in answer.text) == (400, True)
        assert other.get("/admin/").status_code == 302


@pytest.mark.parametrize("query", ["", "?code=x", "?code=x&state=y", "?state=y&error=z"])
def test_callback_that_nobody_began_is_refused(visitor: Visitor, query: str) -> None:
    answer = visitor.get(f"/sign-in/callback/{query}")
    assert (answer.status_code, OVER in answer.text) == (400, True)


def test_code_of_another_sign_in_is_refused(visitor: Visitor, provider: OidcProvider) -> None:
    """Its state is good, and PKCE tells that the code is of another one."""
    first = visitor.agree(visitor.begin())
    second = visitor.agree(visitor.begin())
    code = first.partition("code=")[2].partition("&")[0]
    own = second.partition("code=")[2].partition("&")[0]
    answer = visitor.client.get(second.replace(f"code={own}", f"code={code}"))
    assert (answer.status_code, NO_ANSWER in answer.text) == (502, True)


# --- the provider as a whole ------------------------------------------------------------------


def forgotten(visitor: Visitor) -> None:
    """After a code that could not be exchanged, the gateway reads the provider's document anew."""
    visitor.provider.changed(drops="/token")
    assert visitor.sign_in().status_code == 502
    visitor.provider.reset()


DOCUMENTS: dict[str, tuple[dict[str, Any], str, str]] = {
    "another issuer": ({"document": {"issuer": "https://a.example"}}, NOT_SET_UP, "OIDC_ISSUER"),
    "no tokens": ({"document": {"token_endpoint": None}}, NOT_SET_UP, "token_endpoint"),
    "a number": ({"document": {"jwks_uri": 7}}, NOT_SET_UP, "jwks_uri"),
    "without TLS": (
        {"document": {"token_endpoint": "http://192.0.2.1/token"}}, NOT_SET_UP, "https address",
    ),
    "a file": ({"document": {"jwks_uri": "file:///etc/passwd"}}, NOT_SET_UP, "https address"),
    "a script": (
        {"document": {"authorization_endpoint": "javascript:alert(1)"}}, NOT_SET_UP, "https",
    ),
    "moved": ({"statuses": {"/.well-known/openid-configuration": 301}}, AWAY, "with 301"),
    "away": ({"drops": "/.well-known/openid-configuration"}, AWAY, ""),
    "a page": ({"bodies": {"/.well-known/openid-configuration": b"<p>"}}, NO_ANSWER, "JSON"),
}  # fmt: skip


@pytest.mark.parametrize("fault", DOCUMENTS)
def test_provider_that_is_not_as_it_should_be_gets_nobody(
    visitor: Visitor, provider: OidcProvider, company_gateway: Gateway, fault: str
) -> None:
    """The issue: a provider that is away, or changes an address."""
    script, title, reason = DOCUMENTS[fault]
    forgotten(visitor)
    provider.changed(**script)
    answer = visitor.begin()
    assert (answer.status_code, title in answer.text) == (502, True), answer.text
    assert reason in answer.text
    assert visitor.get("/admin/login/").status_code == 200, "a password still works"


def test_provider_that_is_back_is_asked_again(visitor: Visitor, provider: OidcProvider) -> None:
    forgotten(visitor)
    provider.changed(statuses={"/.well-known/openid-configuration": 503})
    assert visitor.begin().status_code == 502
    provider.reset()
    assert visitor.begin().status_code == 302


def test_key_that_the_provider_changes_is_read(visitor: Visitor, provider: OidcProvider) -> None:
    provider.changed(person={"sub": "rotated", "preferred_username": "rotated"})
    visitor.comes_in()
    provider.key, provider.other_key, provider.kid = provider.other_key, provider.key, "key-2"
    assert visitor.comes_in() == "/my/"
