"""Who may send."""

from ipaddress import ip_network

import pytest

from protocols.smtp.policy import Policy

HUBS = Policy([ip_network("192.0.2.0/28"), ip_network("2001:db8::/64"), ip_network("fe80::/10")])


@pytest.mark.parametrize(
    ("ip", "trusted"),
    [
        ("192.0.2.15", True),
        ("192.0.2.16", False),
        ("::ffff:192.0.2.1", True),
        ("::ffff:192.0.2.99", False),
        ("2001:db8::99", True),
        ("2001:db8:1::1", False),
        ("fe80::1%eth0", True),
        ("127.0.0.1", False),
        ("", False),
        (None, True),
    ],
)
def test_hubs_and_the_unix_socket_are_trusted_and_nobody_else(ip: str | None, trusted: bool) -> None:
    assert HUBS.trusts(ip) == trusted


def test_without_hubs_only_the_unix_socket_is_trusted() -> None:
    assert not Policy().trusts("127.0.0.1")
    assert Policy().trusts(None)
