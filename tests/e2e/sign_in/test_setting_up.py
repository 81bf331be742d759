"""Turning company accounts on and off, what an operator is told, how often one may fail."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.conftest import Start
from tests.e2e.sign_in.conftest import TEAMS
from tests.fakes import forked
from tests.fakes.gateway import START_SECONDS, Gateway, Ready
from tests.fakes.oidc_provider import CLIENT_ID, CLIENT_SECRET, OidcProvider
from tests.fakes.signing_in import Visitor


@pytest.fixture(scope="module")
def lone_provider() -> Iterator[OidcProvider]:
    """Of this module alone: what the gateways here know of it is another one's."""
    with OidcProvider() as provider:
        yield provider


def settings(provider: OidcProvider) -> dict[str, str]:
    return {
        "OIDC_ISSUER": provider.issuer,
        "OIDC_CLIENT_ID": CLIENT_ID,
        "OIDC_CLIENT_SECRET": CLIENT_SECRET,
    }


def test_it_is_turned_on_later_and_off_again(
    start_gateway: Start, lone_provider: OidcProvider
) -> None:
    """The issue: `manage.py serve` makes the tables that are missing. Users stay."""
    off = start_gateway("serve", ready=Ready.HEALTHY)
    with Visitor(off, lone_provider) as visitor:
        assert visitor.begin().status_code == 404
        assert "Sign in with" not in visitor.get("/admin/login/").text
    off.stop()
    on = start_gateway("serve", ready=Ready.HEALTHY, after=off, **settings(lone_provider))
    with Visitor(on, lone_provider) as visitor:
        assert "Sign in with your company account" in visitor.get("/admin/login/").text
        assert visitor.comes_in() == "/my/"
    on.stop()
    again = start_gateway("serve", ready=Ready.HEALTHY, after=on)
    code = "from django.contrib.auth.models import User; print(*User.objects.all())"
    assert "ann" in again.manage("shell", "-v", "0", "-c", code).split()
    delete = (
        "from django.contrib.auth.models import User; User.objects.get(username='ann').delete()"
    )
    assert again.manage("shell", "-v", "0", "-c", delete) == ""


def test_who_fails_too_often_is_refused_for_a_while(
    start_gateway: Start, lone_provider: OidcProvider
) -> None:
    """One that is good forgets the failures before it."""
    variables = settings(lone_provider) | {"LOGIN_FAILURES_PER_ADDRESS": "2"}
    gateway = start_gateway("serve", ready=Ready.HEALTHY, **variables)
    with Visitor(gateway, lone_provider) as visitor:
        assert visitor.get("/sign-in/callback/?state=x").status_code == 400
        assert visitor.comes_in() == "/my/"
        statuses = [visitor.get("/sign-in/callback/?state=x").status_code for _ in range(4)]
        assert statuses == [400, 400, 429, 429]
        assert visitor.sign_in().status_code == 429
        assert visitor.get("/my/").status_code == 200, "who is in stays in"
        begun = [visitor.begin() for _ in range(20)]
        assert (begun[0].status_code, begun[-1].status_code) == (302, 429)
        assert begun[-1].headers["retry-after"] == "900"


# --- manage.py check_sign_in ---------------------------------------------------------------------


def check(gateway: Gateway, **variables: str) -> tuple[int, str]:
    """Exit code, and what it wrote."""
    environment = {**gateway.environment, **variables}
    done = forked.run(["manage.py", "check_sign_in"], environment, "", START_SECONDS)
    return done.returncode, done.stdout + done.stderr


def test_check_says_what_is_good_and_what_is_missing(
    company_gateway: Gateway, provider: OidcProvider
) -> None:
    code, text = check(company_gateway)
    assert code == 0
    assert "good     OIDC_ISSUER: the provider describes itself" in text
    assert "good     jwks_uri: 1 key for signatures" in text
    assert f"good     company groups: {len(TEAMS['group_mappings'])} rows" in text
    assert "register there: this gateway's, and /sign-in/callback/ behind it" in text
    provider.changed(
        document={"end_session_endpoint": None, "scopes_supported": ["openid", "email"]}
    )
    code, text = check(company_gateway, PUBLIC_URL="https://gateway.example.com")
    assert code == 0
    assert "register there: https://gateway.example.com/sign-in/callback/" in text
    assert "warning  end_session_endpoint: none" in text
    assert "warning  OIDC_SCOPES: the provider does not list profile" in text


@pytest.mark.parametrize(
    ("script", "fault"),
    [
        ({"document": {"issuer": "https://a.example"}}, "its issuer is another one"),
        ({"statuses": {"/.well-known/openid-configuration": 500}}, "it answered with 500"),
        ({"bodies": {"/keys": b'{"keys": []}'}}, "there is no key for signatures"),
        ({"bodies": {"/keys": json.dumps({"keys": [{"kty": "oct", "k": "eA"}]}).encode()}}, "key"),
        ({"drops": "/keys"}, "away"),
    ],
    ids=["issuer", "error", "no key", "a secret for a key", "away"],
)
def test_check_fails_for_a_provider_that_nobody_can_use(
    company_gateway: Gateway, provider: OidcProvider, script: dict[str, object], fault: str
) -> None:
    provider.changed(**script)
    code, text = check(company_gateway)
    assert code == 1
    assert "fault    OIDC_ISSUER" in text and fault in text
    assert CLIENT_SECRET not in text


def test_check_where_passwords_are_the_only_way(company_gateway: Gateway) -> None:
    code, text = check(company_gateway, OIDC_ISSUER="")
    assert (code, "not set: users log in with passwords alone" in text) == (0, True)


def test_check_tells_whom_a_front_may_name(company_gateway: Gateway) -> None:
    header = {"REMOTE_USER_HEADER": "X-User", "REMOTE_USER_PROXIES": "10.0.0.7"}
    code, text = check(company_gateway, OIDC_ISSUER="", **header)
    assert code == 0
    assert "X-User is believed on connections from 10.0.0.7/32" in text
    assert "warning  REMOTE_USER_GROUPS_HEADER" in text
