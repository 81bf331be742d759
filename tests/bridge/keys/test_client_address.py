"""Where a request comes from: whom to believe, and what of it is kept."""

from __future__ import annotations

import pytest

from bridge.keys.client_address import client_address, networks_of, recorded

PEER = "198.51.100.4"


@pytest.mark.parametrize(
    ("forwarded", "trusts", "seen"),
    [
        ("203.0.113.9", False, PEER),
        ("203.0.113.9", True, "203.0.113.9"),
        ("10.0.0.1, 203.0.113.9", True, "203.0.113.9"),
        ("", True, PEER),
        ("10.0.0.1, nonsense", True, "None"),
    ],
)
def test_header_counts_where_a_front_is_trusted_and_its_last_address_only(
    forwarded: str, trusts: bool, seen: str
) -> None:
    """docs, security: what stands before it came from the client."""
    assert str(client_address(PEER, forwarded, trusts)) == seen


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:DB8::7", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("[2001:db8::7]:443", "2001:db8::7"),
        ("[::ffff:192.0.2.1]:443", "192.0.2.1"),
        ("192.0.2.1:51234", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::1"),
        ("[fe80::1%eth0]:443", "fe80::1"),
        ("[192.0.2.1", None),
        ("[]:443", None),
        ("2001:db8::7:443:1:2:3:4:5", None),
        ("192.0.2.1:x", None),
        (":443", None),
        ("%eth0", None),
    ],
)
def test_address_is_read_as_fronts_write_it(text: str, address: str | None) -> None:
    """Without its zone, which somebody else chooses; IPv4 in IPv6 is IPv4."""
    for found in (client_address(text, "", False), client_address("", f"1.2.3.4, {text}", True)):
        assert (found and str(found)) == address


@pytest.mark.parametrize("text", ["300.1.1.1", "10.0.0.0/40", "host.example", "10.0.0.1;"])
def test_text_that_names_no_network_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="does not appear to be"):
        networks_of(text)


def test_record_has_the_address_as_the_setting_says() -> None:
    """Ours: hashed, it tells visitors apart and nothing else."""
    one, other = (client_address(peer, "", False) for peer in ("192.0.2.1", "192.0.2.2"))
    assert (recorded(one, "off", "k"), recorded(one, "whole", "k")) == ("", "192.0.2.1")
    hashed = recorded(one, "hashed", "k")
    assert len(hashed) == 12
    assert hashed == recorded(one, "hashed", "k") != recorded(other, "hashed", "k")
    assert hashed != recorded(one, "hashed", "another")
    assert recorded(None, "whole", "k") == ""
