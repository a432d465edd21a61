"""How many connections there may be: in all, from one address, of one account (D.12)."""

from adapters.net.census import Census

LOOPBACK = ("127.0.0.1", "::1", "")  # "" is a Unix socket


class Admission:
    """Counts who is here.  Whoever was let in must be let out again."""

    def __init__(self, census: Census, *, total: int, per_address: int, per_account: int) -> None:
        self.total = total
        self.per_address = per_address
        self.per_account = per_account
        self._census = census

    def enter(self, address: str) -> bool:
        """Whether a connection from this address may stay.  This machine's own are many behind one address (T-10.1)."""
        is_crowded = self._census.total("address", address) >= self.per_address and address not in LOOPBACK
        if self._census.total("imap") >= self.total or is_crowded:
            return False
        self._census.add("address", address)
        self._census.add("imap")
        return True

    def leave(self, address: str) -> None:
        """A connection that was let in has ended."""
        self._census.add("address", address, -1)
        self._census.add("imap", more=-1)

    def sign_in(self, mailbox_id: int) -> bool:
        """Whether the account may have one more connection."""
        if self._census.total("account", mailbox_id) >= self.per_account:
            return False
        self._census.add("account", mailbox_id)
        return True

    def sign_out(self, mailbox_id: int) -> None:
        """A connection of the account has ended."""
        self._census.add("account", mailbox_id, -1)
