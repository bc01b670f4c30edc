"""What a webhook may not reach: anything that is not on the public internet, however it is written."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaqore_ai_gateway.domain.webhook import MOST_ATTEMPTS, retry_us
from metaqore_ai_gateway.domain.webhook_target import is_public, public_addresses, read_target
from metaqore_governance_core.errors import MetaQoreError


@pytest.mark.parametrize(
    ("url", "host", "port", "path", "authority"),
    [
        ("https://example.com", "example.com", 443, "/", "example.com"),
        ("https://EXAMPLE.com:8443/a/b?c=d", "example.com", 8443, "/a/b?c=d", "example.com:8443"),
        ("https://[2606:4700::1111]/x", "2606:4700::1111", 443, "/x", "[2606:4700::1111]"),
        ("https://8.8.8.8/", "8.8.8.8", 443, "/", "8.8.8.8"),
    ],
)
def test_a_public_address_is_read(url, host, port, path, authority):
    target = read_target(url)
    assert (target.secure, target.host, target.port, target.path, target.trusted) == (True, host, port, path, False)
    assert target.authority == authority


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "https://localhost/",
        "https://localhost./",
        "https://a.localhost/",
        "https://metadata.google.internal/computeMetadata/v1/",
        "https://printer.local/",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0177.0.0.1/",
        "https://169.254.169.254/latest/meta-data/",
        "https://100.64.0.1/",
        "https://10.1.2.3/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:a9fe:a9fe]/",
        "https://[fd00:ec2::254]/",
        "https://[fe80::1]/",
        "https://[64:ff9b::a9fe:a9fe]/",
        "https://[2002:7f00:1::]/",
        "https://[ff02::1]/",
        "https://0.0.0.0/",
        "https://./",
    ],
)
def test_what_is_not_on_the_public_internet_is_refused(url):
    with pytest.raises(MetaQoreError) as refused:
        read_target(url)
    assert refused.value.code == "webhook_target_forbidden"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "ftp://example.com/",
        "https://",
        "https:///path",
        "https://user:password@example.com/",
        "https://example.com@127.0.0.1/",
        "https://example.com/#part",
        "https://example.com\\@127.0.0.1/",
        "https://example.com:0/",
        "https://example.com:99999/",
        "https://exa mple.com/",
        "https://example.com/\r\nx: y",
        "https://bücher.example/",
        "https://[::1/",
        "https://[fe80::1%25eth0]/",
        "https://example.com/" + "a" * 2048,
    ],
)
def test_what_is_no_address_is_refused(url):
    with pytest.raises(MetaQoreError) as refused:
        read_target(url)
    assert refused.value.code == "webhook_target_invalid"


@pytest.mark.parametrize("allowed", ["127.0.0.1", "127.0.0.1:9000"])
def test_an_operator_may_allow_a_host(allowed):
    target = read_target("http://127.0.0.1:9000/hook", [allowed])
    assert (target.secure, target.trusted, target.port) == (False, True, 9000)
    with pytest.raises(MetaQoreError):
        read_target("http://127.0.0.2:9000/hook", [allowed])
    assert read_target("https://[::1]:9/", ["::1"]).trusted


def test_of_addresses_only_public_ones_are_used():
    found = ["10.0.0.1", "93.184.216.34", "::ffff:93.184.216.34", "2606:4700::1", "fe80::1%eth0", "not an address"]
    assert public_addresses(found) == ["93.184.216.34", "2606:4700::1"]


@given(st.ip_addresses())
def test_what_python_calls_private_is_never_public(address):
    embedded = [address]
    if isinstance(address, ipaddress.IPv6Address):
        embedded += [one for one in (address.ipv4_mapped, address.sixtofour, *(address.teredo or ())) if one]
    if any(not one.is_global or one.is_multicast or one.is_reserved for one in embedded):
        assert not is_public(str(address))


def test_retries_grow_for_about_a_day():
    for chance in (0.0, 0.5, 1.0):
        delays = [retry_us(attempts, chance) for attempts in range(1, MOST_ATTEMPTS)]
        assert delays == sorted(delays)
        assert 4_000_000 <= delays[0] <= 6_000_000
        assert 18 * 3600 < sum(delays) / 1e6 < 32 * 3600
    assert retry_us(MOST_ATTEMPTS, 0.5) is None


def test_who_asks_for_time_is_given_it_but_not_for_ever():
    assert retry_us(1, 0.5, asked_s=60) == 60_000_000
    assert retry_us(1, 0.5, asked_s=0) == 5_000_000
    assert retry_us(1, 0.5, asked_s=1e9) == 6 * 3600 * 1_000_000
