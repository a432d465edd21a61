"""Who may put mail into the organisation: its own mail hubs, and nobody else."""

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

Network = IPv4Network | IPv6Network


class Policy:
    """The networks of the trusted hubs."""

    def __init__(self, trusted_hubs: Iterable[Network] = ()) -> None:
        self._networks = tuple(trusted_hubs)

    def trusts(self, ip: str | None) -> bool:
        """Whether a client there may send; None is a Unix socket, which its file permissions guard.

        "" is a client that was gone before it could be asked for its address.
        """
        if not ip:
            return ip is None
        address = ip_address(ip)
        # A dual-stack listener sees IPv4 clients as ::ffff:192.0.2.1.
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self._networks)
