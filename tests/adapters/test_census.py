"""How many are connected, at this worker and at the others."""

from collections import Counter

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from adapters.net.census import Census, Key

KINDS = st.sampled_from(["address", "account", "all"])
KEYS: st.SearchStrategy[str | int] = st.sampled_from(["192.0.2.1", "192.0.2.2", "", 1, 2])
WORKERS = st.integers(1, 3)


def test_nobody_is_anywhere_at_first() -> None:
    census = Census()
    assert census.total("all") == 0
    assert list(census.here()) == []


def test_all_who_are_connected_here_or_elsewhere_are_counted() -> None:
    census = Census()
    census.add("address", "192.0.2.1")
    census.heard(1, "address", "192.0.2.1", 2)
    census.heard(2, "address", "192.0.2.1", 4)
    census.heard(2, "address", "192.0.2.2", 1)
    assert census.total("address", "192.0.2.1") == 7
    assert census.total("address", "192.0.2.2") == 1
    assert census.total("account", "192.0.2.1") == 0
    assert list(census.here()) == [("address", "192.0.2.1", 1)]


def test_an_account_is_not_an_address_of_the_same_spelling() -> None:
    census = Census()
    census.add("account", 1)
    census.add("account", "1", 2)
    assert (census.total("account", 1), census.total("account", "1"), census.total("account")) == (1, 2, 0)


def test_a_worker_that_is_gone_takes_its_counts_with_it() -> None:
    """Its connections have ended with it, and nobody is left to say so."""
    census = Census()
    census.add("all")
    census.heard(1, "all", "", 5)
    census.heard(2, "all", "", 7)
    census.forget(1)
    assert census.total("all") == 8
    census.forget(1)
    census.heard(1, "all", "", 1)
    assert census.total("all") == 9


def test_others_are_told_of_each_change_here_and_of_none_elsewhere() -> None:
    told: list[tuple[str, str | int, int]] = []
    census = Census(lambda *change: told.append(change))
    census.add("account", 7)
    census.heard(1, "account", 7, 3)
    census.add("account", 7, -1)
    census.forget(1)
    assert told == [("account", 7, 1), ("account", 7, -1)]


def test_what_is_counted_here_may_change_while_it_is_told() -> None:
    census = Census()
    for address in ("a", "b", "c"):
        census.add("address", address)
    for kind, key, count in census.here():
        census.add(kind, key, -count)
    assert list(census.here()) == []


class TwoWorkersAndTheirCounts(RuleBasedStateMachine):
    """Against lists of who is where; whoever hears all that another tells has what the other has."""

    def __init__(self) -> None:
        super().__init__()
        self.census = Census(self.tell)
        self.far = Census()  # of another worker, which hears all that this one tells
        self.here: list[Key] = []
        self.there: dict[int, list[Key]] = {1: [], 2: [], 3: []}

    def tell(self, kind: str, key: str | int, more: int) -> None:
        self.far.heard(0, kind, key, more)

    @rule(kind=KINDS, key=KEYS, more=st.integers(1, 3))
    def come(self, kind: str, key: str | int, more: int) -> None:
        self.census.add(kind, key, more)
        self.here += [(kind, key)] * more

    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        if self.here:
            key = data.draw(st.sampled_from(self.here))
            self.here.remove(key)
            self.census.add(*key, -1)

    @rule(worker=WORKERS, kind=KINDS, key=KEYS)
    def come_elsewhere(self, worker: int, kind: str, key: str | int) -> None:
        self.census.heard(worker, kind, key, 1)
        self.there[worker].append((kind, key))

    @rule(worker=WORKERS, data=st.data())
    def leave_elsewhere(self, worker: int, data: st.DataObject) -> None:
        if self.there[worker]:
            key = data.draw(st.sampled_from(self.there[worker]))
            self.there[worker].remove(key)
            self.census.heard(worker, *key, -1)

    @rule(worker=WORKERS)
    def die(self, worker: int) -> None:
        self.census.forget(worker)
        self.there[worker] = []

    @rule()
    def meet_again(self) -> None:
        """The other was cut off, and is told of all who are here."""
        self.far.forget(0)
        for told in self.census.here():
            self.far.heard(0, *told)

    @invariant()
    def all_are_counted(self) -> None:
        everywhere = Counter([*self.here, *(key for keys in self.there.values() for key in keys)])
        for key in {*everywhere, ("all", ""), ("account", 1), ("account", "1")}:
            assert self.census.total(*key) == everywhere[key]
            assert self.far.total(*key) == self.here.count(key)

    @invariant()
    def nothing_is_kept_of_who_has_left(self) -> None:
        assert {(kind, key): count for kind, key, count in self.census.here()} == Counter(self.here)
        for worker, keys in self.there.items():
            assert self.census._elsewhere.get(worker, Counter()) == Counter(keys)
            assert len(self.census._elsewhere.get(worker, ())) == len(set(keys))


TestTwoWorkersAndTheirCounts = TwoWorkersAndTheirCounts.TestCase
