"""Keys: who calls, who is let in, and what the backend gets to see. wire A2, E1, G10, G11."""

from contextlib import nullcontext

import pytest

from bridge.keys.authentication import (
    INVALID,
    ISSUED_ONLY,
    MISSING,
    NEVER_FORWARDED,
    PREFIX,
    VENDOR_KEY,
    Caller,
    IssuedKey,
    KeyEndedError,
    KeyPolicy,
    admit,
    check_address,
    check_model,
    credential,
    digest,
    identify,
    is_loopback,
)
from bridge.keys.client_address import client_address, networks_of
from bridge.translation.errors.api_error import ApiError
from tests.bridge.making import a_backend

OURS = PREFIX + "issued"
EXPIRED, DISABLED = PREFIX + "expired", PREFIX + "disabled"
NOW = 5000.0
ISSUED = {
    digest(OURS): IssuedKey(1, "team"),
    digest(EXPIRED): IssuedKey(2, "old", expires_at=NOW),
    digest(DISABLED): IssuedKey(3, "off", enabled=False),
}
POLICY = KeyPolicy(fingerprint_key=b"k")
STRANGER = Caller("f" * 12, secret="cpk_callers")
TEAM = Caller("f" * 12, issued=ISSUED[digest(OURS)])


def caller(**headers: str) -> Caller:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return identify(named, ISSUED, POLICY, NOW)


def refusal(**headers: str) -> ApiError:
    with pytest.raises(ApiError) as caught:
        caller(**headers)
    return caught.value


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        ({"x_api_key": "K"}, "K"),
        ({"authorization": "Bearer K"}, "K"),
        ({"authorization": "bearer  K "}, "K"),
        ({"authorization": "K"}, "K"),
        ({"x_api_key": "K", "authorization": "Bearer L"}, "K"),
        ({"x_api_key": " ", "authorization": "Bearer L"}, "L"),
    ],
)
def test_key_is_found_in_either_header(headers: dict[str, str], key: str) -> None:
    """wire A2, F1, F2: x-api-key is looked at first."""
    assert caller(**headers).secret == key


@pytest.mark.parametrize(
    "headers",
    [
        {"x_api_key": OURS},
        {"authorization": f"Bearer {OURS}"},
        {"x_api_key": "unknown", "authorization": f"Bearer {OURS}"},
        {"x_api_key": PREFIX + "unknown", "authorization": f"Bearer {OURS}"},
        {"x_api_key": OURS, "authorization": "Bearer unknown"},
    ],
)
def test_issued_key_is_known_wherever_it_stands(headers: dict[str, str]) -> None:
    """wire F3: both headers, only one of them a known key."""
    found = caller(**headers)
    assert (found.name, found.issued, found.secret) == ("team", ISSUED[digest(OURS)], "")


@pytest.mark.parametrize(
    "headers",
    [{}, {"x_api_key": ""}, {"authorization": ""}, {"authorization": "Bearer "}],
)
def test_no_key_is_a_401(headers: dict[str, str]) -> None:
    """wire E1, first row; A3: x-should-retry false on 401."""
    error = refusal(**headers)
    assert (error.status, error.type, error.message) == (401, "authentication_error", MISSING)
    assert error.reply_headers() == {"x-should-retry": "false"}


@pytest.mark.parametrize("prefix", NEVER_FORWARDED)
def test_secret_of_ours_that_is_no_key_reaches_no_backend(prefix: str) -> None:
    """docs/security.md: what is forwarded is a caller's own key for the backend."""
    for headers in (
        {"x_api_key": f"{prefix}x.y"},
        {"authorization": f"Bearer {prefix}x.y"},
        {"x_api_key": "K", "authorization": f"Bearer {prefix}x.y"},
    ):
        error = refusal(**headers)
        assert (error.status, error.message) == (401, NEVER_FORWARDED[prefix])


def test_password_is_no_key() -> None:
    """wire A2: the credential is a bearer; Basic carries a user's password."""
    assert refusal(authorization="Basic dXNlcjpwYXNz").message == MISSING


ENDED: dict[str, tuple[IssuedKey, str]] = {
    "expired": (
        IssuedKey(2, "old", expires_at=NOW, four="abcd"),
        "expired at 1970-01-01 01:23 UTC",
    ),
    "switched off": (IssuedKey(3, "off", enabled=False), "is switched off"),
    "revoked": (IssuedKey(3, "off", enabled=False, ended="revoked", ended_at=NOW), "was revoked"),
    "rotated": (IssuedKey(1, "team", ended="rotated", ended_at=NOW), "was replaced by a new one"),
    "deleted": (IssuedKey(4, "gone", ended="deleted", ended_at=NOW), "was deleted"),
}


@pytest.mark.parametrize(("issued", "words"), ENDED.values(), ids=ENDED)
def test_key_of_ours_that_is_no_longer_good_is_told_why(issued: IssuedKey, words: str) -> None:
    """wire E1: a 401 that is not tried again; which key it was stays known for the record."""
    key = PREFIX + "once-good"
    with pytest.raises(KeyEndedError) as caught:
        identify({"x-api-key": key}, {digest(key): issued}, POLICY, NOW)
    error = caught.value
    assert (error.status, error.type, error.issued) == (401, "authentication_error", issued)
    assert words in error.message and key not in error.message
    assert error.reply_headers() == {"x-should-retry": "false"}


def test_good_key_counts_beside_one_that_has_ended() -> None:
    """Ours: a client that sends both headers, one of them from an old configuration."""
    assert caller(x_api_key=DISABLED, authorization=f"Bearer {OURS}").name == "team"


def test_rotated_key_is_good_until_its_overlap_ends() -> None:
    known = {digest(OURS): IssuedKey(1, "team", ended="rotated", ended_at=NOW)}
    assert identify({"x-api-key": OURS}, known, POLICY, NOW - 1).name == "team"


def test_key_that_was_never_issued_is_invalid() -> None:
    error = refusal(x_api_key=PREFIX + "never-issued")
    assert (error.status, error.message, error.should_retry) == (401, INVALID, False)


NETWORKS = networks_of("192.0.2.7\n10.0.0.0/8, 2001:db8::/32")


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("192.0.2.7", True),
        ("10.9.9.9", True),
        ("::ffff:10.1.2.3", True),
        ("2001:db8:1::1", True),
        ("192.0.2.8", False),
        ("2001:db9::1", False),
        ("", False),
    ],
)
def test_key_with_addresses_is_refused_elsewhere(address: str, allowed: bool) -> None:
    """Ours: also where nobody can tell where a request comes from."""
    seen = client_address(address, "", trusts_front=False)
    team = Caller("f", issued=IssuedKey(1, "team", networks=NETWORKS))
    check_address(TEAM, seen)
    check_address(STRANGER, seen)
    if allowed:
        check_address(team, seen)
        return
    with pytest.raises(ApiError) as caught:
        check_address(team, seen)
    assert (caught.value.status, caught.value.should_retry) == (403, False)
    assert "may not be used from" in caught.value.message
    assert str(seen or "this connection") in caught.value.message


def test_key_expires_at_its_second() -> None:
    assert identify({"x-api-key": EXPIRED}, ISSUED, POLICY, NOW - 1).name == "old"


def test_fingerprint_is_steady_and_tells_nothing() -> None:
    """design, Secrets: an HMAC fingerprint; no key in a log. S24."""
    one, again = caller(x_api_key="cpk_a"), caller(authorization="Bearer cpk_a")
    other = caller(x_api_key="cpk_b")
    assert one.name == again.name != other.name
    assert "cpk_a" not in one.name + repr(one)
    elsewhere = identify({"x-api-key": "cpk_a"}, {}, KeyPolicy(fingerprint_key=b"other"), NOW)
    assert elsewhere.fingerprint != one.fingerprint


# --- who is let in -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "bound_to_loopback", "address", "operators_key", "welcome"),
    [
        ("auto", True, "127.0.0.1", True, True),
        ("auto", True, "::1", True, True),
        ("auto", False, "127.0.0.1", True, False),
        ("auto", True, "192.0.2.7", True, False),
        ("auto", False, "192.0.2.7", True, False),
        ("auto", False, "192.0.2.7", False, True),
        ("0", False, "192.0.2.7", True, True),
        ("1", True, "127.0.0.1", False, False),
    ],
)
def test_strangers_are_let_in_where_it_costs_the_operator_nothing(
    rule: str, bound_to_loopback: bool, address: str, operators_key: bool, welcome: bool
) -> None:
    """wire G10: an open port never spends the operator's money."""
    policy = KeyPolicy(require_issued=rule, bound_to_loopback=bound_to_loopback)
    admit(TEAM, policy, operators_key, address)
    if welcome:
        admit(STRANGER, policy, operators_key, address)
        return
    with pytest.raises(ApiError) as caught:
        admit(STRANGER, policy, operators_key, address)
    assert (caught.value.status, caught.value.message) == (401, ISSUED_ONLY)
    assert caught.value.should_retry is False


def test_refused_stranger_is_told_the_way() -> None:
    """wire G10: the 401 says how to issue a key and which setting lifts the rule."""
    assert "issue_key" in ISSUED_ONLY
    assert "REQUIRE_GATEWAY_KEY=0" in ISSUED_ONLY


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.0.2.7", False),
        ("gateway.example.com", False),
        ("localhost.example.com", False),
        ("::1234", False),
    ],
)
def test_loopback_is_recognised(host: str, local: bool) -> None:
    """wire G10 hangs on it."""
    assert is_loopback(host) is local


# --- what the backend sees ---------------------------------------------------------------------

OPERATORS = "cpk_operators"


@pytest.mark.parametrize(
    ("style", "operators", "who", "sent"),
    [
        ("both", "", STRANGER, "cpk_callers"),
        ("both", OPERATORS, STRANGER, OPERATORS),
        ("header", "", STRANGER, "cpk_callers"),
        ("header", OPERATORS, STRANGER, "cpk_callers"),
        ("env", OPERATORS, STRANGER, OPERATORS),
        ("env", "", STRANGER, ""),
        ("both", OPERATORS, TEAM, OPERATORS),
        ("header", OPERATORS, TEAM, OPERATORS),
        ("env", OPERATORS, TEAM, OPERATORS),
        ("both", "", TEAM, ""),
        ("header", "", TEAM, ""),
    ],
)
def test_backend_gets_the_key_of_the_style(
    style: str, operators: str, who: Caller, sent: str
) -> None:
    """wire G10 and seeds, CHUTES_AUTH_STYLE; an issued key is never sent upstream. P7."""
    policy = KeyPolicy(style)
    assert credential(who, a_backend(key=operators), policy) == (sent, sent == OPERATORS)


@pytest.mark.parametrize(
    ("style", "operators"), [("both", ""), ("header", ""), ("header", OPERATORS)]
)
def test_key_of_the_vendor_is_not_forwarded(style: str, operators: str) -> None:
    """wire E1: where keys are forwarded, an sk-ant- key is a 401."""
    vendors = Caller("f" * 12, secret="sk-ant-api03-x")
    with pytest.raises(ApiError) as caught:
        credential(vendors, a_backend(key=operators), KeyPolicy(style))
    assert (caught.value.status, caught.value.message) == (401, VENDOR_KEY)
    assert caught.value.should_retry is False


@pytest.mark.parametrize("style", ["both", "env"])
def test_key_of_the_vendor_does_no_harm_where_it_is_replaced(style: str) -> None:
    vendors = Caller("f" * 12, secret="sk-ant-api03-x")
    sent = credential(vendors, a_backend(key=OPERATORS), KeyPolicy(style))
    assert sent == (OPERATORS, True)


def test_demo_sees_no_key() -> None:
    demo = a_backend("demo://local/v1", name="demo")
    vendors = Caller("f" * 12, secret="sk-ant-api03-x")
    assert credential(vendors, demo, POLICY) == ("", False)


@pytest.mark.parametrize(
    ("asked", "found", "passes"),
    [
        ("anthropic/zai-org/glm", "", True),
        ("anthropic/zai-org/glm[1m]", "zai-org/glm", True),
        ("anthropic/claude-opus", "claude-opus", True),
        ("anthropic/claude-opus", "anthropic/claude-opus", False),
        ("anthropic/else", "", False),
    ],
)
def test_key_for_a_model_is_for_every_spelling_of_it(asked: str, found: str, passes: bool) -> None:
    """Observed client: asks for names with a prefix; one that leads elsewhere stays refused."""
    team = Caller("f", issued=IssuedKey(1, "n", allowed=("zai-org/*", "claude-*")))
    with nullcontext() if passes else pytest.raises(ApiError):
        check_model(team, asked, found)
