"""How many connections there may be: in all, from one address, of one account (D.12; counted in this process)."""

from collections import Counter
from typing import TypeVar

T = TypeVar("T")


LOOPBACK = ("127.0.0.1", "::1", "")  # "" is a Unix socket


class Admission:
    """Counts who is here.  Whoever was let in must be let out again."""

    def __init__(self, *, total: int, per_address: int, per_account: int) -> None:
        self._total = total
        self._per_address = per_address
        self._per_account = per_account
        self._here = 0
        self._addresses: Counter[str] = Counter()
        self._accounts: Counter[int] = Counter()

    def enter(self, address: str) -> bool:
        """Whether a connection from this address may stay.  This machine's own are many behind one address (T-10.1)."""
        is_crowded = self._addresses[address] >= self._per_address and address not in LOOPBACK
        if self._here >= self._total or is_crowded:
            return False
        self._addresses[address] += 1
        self._here += 1
        return True

    def leave(self, address: str) -> None:
        """A connection that was let in has ended."""
        _less(self._addresses, address)
        self._here -= 1

    def sign_in(self, mailbox_id: int) -> bool:
        """Whether the account may have one more connection."""
        if self._accounts[mailbox_id] >= self._per_account:
            return False
        self._accounts[mailbox_id] += 1
        return True

    def sign_out(self, mailbox_id: int) -> None:
        """A connection of the account has ended."""
        _less(self._accounts, mailbox_id)


def _less(counter: Counter[T], key: T) -> None:
    counter[key] -= 1
    if counter[key] <= 0:
        del counter[key]  # or the table would grow with every address that ever came
