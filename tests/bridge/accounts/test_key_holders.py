"""Key holders: who a key makes one, for how long, and what it may ask for (pages, "my")."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.test import RequestFactory
from django.utils import timezone

from bridge.accounts import key_holders
from bridge.accounts.key_holders import KeyHolder
from bridge.keys import authentication
from bridge.models import AliasTarget, ApiKey, Backend, DiscoveredModel, ModelAlias, UsageHour

pytestmark = pytest.mark.django_db

FORWARDED = "cpk_somebodys_own_key_0123456789"
LONG = timedelta(hours=1)


@pytest.fixture(autouse=True)
def counted_anew() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


def used(settings: Any, key: str = FORWARDED, **told: Any) -> str:
    """A forwarded key that was served once; its fingerprint."""
    fingerprint = authentication.fingerprint(
        key, authentication.fingerprint_key(settings.SECRET_KEY)
    )
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    UsageHour.objects.create(hour=hour, fingerprint=fingerprint, **told)
    return fingerprint


def again(holder: KeyHolder) -> KeyHolder | None:
    return key_holders.revalidate(holder.key_id, holder.fingerprint, holder.mark)


# --- who it is ------------------------------------------------------------------------------------


def test_an_issued_key_makes_its_holder() -> None:
    row, text = ApiKey.issue("maria")
    for told in (text, f"  {text}\n"):
        holder = key_holders.holder_of(told)
        assert holder is not None and holder.row == row
        assert (holder.key_id, holder.fingerprint) == (row.pk, "")
    assert holder is not None and again(holder) == holder


def test_what_goes_on_is_not_the_key_nor_its_digest() -> None:
    row, text = ApiKey.issue("maria")
    holder = key_holders.holder_of(text)
    assert holder is not None and holder.mark
    assert row.digest not in holder.mark and holder.mark not in row.digest
    assert text not in str(holder)


def test_a_forwarded_key_is_known_once_it_was_served(settings: Any) -> None:
    assert key_holders.holder_of(FORWARDED) is None
    fingerprint = used(settings)
    holder = key_holders.holder_of(FORWARDED)
    assert holder == KeyHolder(0, fingerprint)
    assert again(KeyHolder(0, fingerprint)) == KeyHolder(0, fingerprint)


def test_the_gateway_and_the_page_know_a_key_by_the_same_fingerprint(settings: Any) -> None:
    policy = authentication.KeyPolicy(
        fingerprint_key=authentication.fingerprint_key(settings.SECRET_KEY)
    )
    caller = authentication.identify({"x-api-key": FORWARDED}, {}, policy, 0.0)
    assert caller.fingerprint == used(settings)


def test_a_key_that_looks_issued_is_no_forwarded_one(settings: Any) -> None:
    """The data plane refuses it, whatever was recorded of it before."""
    used(settings, "gwk_deleted_long_ago")
    assert key_holders.holder_of("gwk_deleted_long_ago") is None


@pytest.mark.parametrize(
    "text", ["", "   ", "gwk_", "ключ", "a\x00b", "x" * 5000, "two\nlines"], ids=repr
)
def test_what_is_no_key_makes_no_holder(text: str) -> None:
    ApiKey.issue("maria")
    assert key_holders.holder_of(text) is None


def test_a_digest_opens_nothing() -> None:
    """Whoever reads the database must not get in with what stands there."""
    row, _ = ApiKey.issue("maria")
    assert key_holders.holder_of(row.digest) is None


ENDS: dict[str, Any] = {
    "switched off": lambda row: ApiKey.objects.filter(pk=row.pk).update(enabled=False),
    "revoked": lambda row: row.revoke(),
    "deleted": lambda row: row.delete(),
    "expired": lambda row: ApiKey.objects.filter(pk=row.pk).update(
        expires_at=timezone.now() - LONG
    ),
    "rotated": lambda row: row.rotate(timedelta()),
}


@pytest.mark.parametrize("end", ENDS)
def test_a_visit_ends_with_its_key(end: str) -> None:
    row, text = ApiKey.issue("maria")
    holder = key_holders.holder_of(text)
    assert holder is not None
    ENDS[end](row)
    assert again(holder) is None
    assert key_holders.holder_of(text) is None


def test_a_rotated_key_lasts_as_long_as_its_overlap() -> None:
    row, former = ApiKey.issue("maria")
    visiting = key_holders.holder_of(former)
    fresh = row.rotate(LONG)
    assert visiting is not None and again(visiting) is not None
    for text in (former, fresh):
        holder = key_holders.holder_of(text)
        assert holder is not None and again(holder) is not None
    ApiKey.objects.update(former_until=timezone.now() - LONG)
    assert again(visiting) is None and key_holders.holder_of(former) is None
    assert key_holders.holder_of(fresh) is not None


def test_no_mark_fits_another_key() -> None:
    (one, text), (other, _) = ApiKey.issue("maria"), ApiKey.issue("ci")
    holder = key_holders.holder_of(text)
    assert holder is not None and holder.key_id == one.pk
    assert key_holders.revalidate(other.pk, "", holder.mark) is None
    assert key_holders.revalidate(one.pk, "", "") is None
    assert key_holders.revalidate(0, "", holder.mark) is None


def test_a_key_costs_as_many_queries_whether_it_is_known_or_not(
    settings: Any, django_assert_num_queries: Any
) -> None:
    """What is looked up does not depend on what is found."""
    _, text = ApiKey.issue("maria")
    used(settings)
    for told in (text, FORWARDED, "cpk_unknown", "gwk_unknown"):
        with django_assert_num_queries(2):
            key_holders.holder_of(told)


# --- how often ------------------------------------------------------------------------------------


def asks(address: str) -> Any:
    return RequestFactory().post("/my/", REMOTE_ADDR=address)


def test_too_many_tries_of_one_address_end(settings: Any) -> None:
    settings.LOGIN_FAILURES = 3
    tried = [key_holders.tries_left(asks("192.0.2.1")) for _ in range(5)]
    assert tried == [True, True, True, False, False]
    assert key_holders.tries_left(asks("192.0.2.2"))


def test_a_good_key_forgives_the_tries_before_it(settings: Any) -> None:
    settings.LOGIN_FAILURES = 2
    assert key_holders.tries_left(asks("192.0.2.1")) and key_holders.tries_left(asks("192.0.2.1"))
    key_holders.forgive(asks("192.0.2.1"))
    assert key_holders.tries_left(asks("192.0.2.1"))


def test_neighbours_within_one_network_of_ipv6_count_as_one(settings: Any) -> None:
    """A provider's customer can vary half of such an address at will."""
    settings.LOGIN_FAILURES = 1
    assert key_holders.tries_left(asks("2001:db8::1"))
    assert not key_holders.tries_left(asks("2001:db8::2"))
    assert key_holders.tries_left(asks("2001:db8:0:1::1"))


# --- what it may ask for --------------------------------------------------------------------------


@pytest.fixture
def routes() -> None:
    backend = Backend.objects.create(name="main", url="http://main.example.com/v1")
    DiscoveredModel.objects.create(backend=backend, name="vendor/coder", context=100_000)
    DiscoveredModel.objects.create(backend=backend, name="vendor/small", context=8_000)
    for pattern, model in (("claude-*", "vendor/coder"), ("fast", "vendor/small")):
        alias = ModelAlias.objects.create(pattern=pattern)
        AliasTarget.objects.create(alias=alias, backend=backend, model=model)
    ModelAlias.objects.create(pattern="leads-nowhere-*")


def offered(allowed: str) -> list[tuple[str, int | None, bool]]:
    row, text = ApiKey.issue("maria", {"allowed": allowed})
    holder = key_holders.holder_of(text)
    assert holder is not None
    return [
        (one.name, one.facts.context, one.is_pattern) for one in key_holders.offers(holder).names
    ]


def test_a_key_without_patterns_may_ask_for_everything(routes: None) -> None:
    assert offered("") == [
        ("claude-*", 100_000, True),
        ("fast", 8_000, False),
        ("vendor/coder", 100_000, False),
        ("vendor/small", 8_000, False),
    ]


def test_a_key_for_some_models_is_offered_those(routes: None) -> None:
    assert [name for name, _, _ in offered("fast\nVENDOR/*")] == [
        "fast",
        "vendor/coder",
        "vendor/small",
    ]


def test_a_key_for_names_that_an_alias_catches_is_offered_the_alias(routes: None) -> None:
    assert offered("claude-*") == [("claude-*", 100_000, True)]


def test_a_key_for_nothing_that_exists_is_offered_nothing(routes: None) -> None:
    assert offered("nothing-of-this-name") == []


def test_a_forwarded_key_is_offered_everything(routes: None) -> None:
    assert len(key_holders.offers(KeyHolder(0, "abc")).names) == 4


def test_what_is_offered_takes_few_queries(
    routes: None, django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(7):
        key_holders.offers(KeyHolder(0, "abc"))
