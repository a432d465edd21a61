"""How many are connected: at this worker, and at the others of the same server."""

from collections import Counter
from collections.abc import Callable, Iterator

Key = tuple[str, str | int]  # what is counted, and of whom


class Census:
    """Counts by kind and key.

    What the others tell lags behind by the way it takes: two who come to two workers in the same moment may both be the
    last who is let in.
    """

    def __init__(self, tell: Callable[[str, str | int, int], None] = lambda kind, key, more: None) -> None:
        """`tell` is called with each change of what is counted here."""
        self._tell = tell
        self._here: Counter[Key] = Counter()
        self._elsewhere: dict[int, Counter[Key]] = {}

    def add(self, kind: str, key: str | int = "", more: int = 1) -> None:
        """So many more here, or fewer."""
        _add(self._here, (kind, key), more)
        self._tell(kind, key, more)

    def total(self, kind: str, key: str | int = "") -> int:
        """How many there are everywhere."""
        return self._here[kind, key] + sum(there[kind, key] for there in self._elsewhere.values())

    def here(self) -> Iterator[tuple[str, str | int, int]]:
        """All that is counted at this worker."""
        return ((*key, count) for key, count in tuple(self._here.items()))

    def heard(self, worker: int, kind: str, key: str | int, more: int) -> None:
        """So many more at another worker."""
        _add(self._elsewhere.setdefault(worker, Counter()), (kind, key), more)

    def forget(self, worker: int) -> None:
        """It is gone, with all who were there."""
        self._elsewhere.pop(worker, None)


def _add(counter: Counter[Key], key: Key, more: int) -> None:
    counter[key] += more
    if counter[key] <= 0:
        del counter[key]  # or the table would grow with every address that ever came
