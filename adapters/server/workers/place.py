"""Which of a server's workers a process is, and which of them writes to which mailbox database."""

from typing import Final, NamedTuple


class Place(NamedTuple):
    """The worker of this number, of so many."""

    worker: int
    workers: int

    def owner(self, database_id: int) -> int:
        """The worker that alone writes to a mailbox database."""
        return (database_id - 1) % self.workers

    def owns(self, database_id: int) -> bool:
        """Whether this worker does."""
        return self.owner(database_id) == self.worker


ALONE: Final = Place(0, 1)
FIRST: Final = 0  # the worker that administrators talk to
