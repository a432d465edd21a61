"""How many may be connected: in all, from one address, of one account (D.12)."""

from hypothesis import given
from hypothesis import strategies as st

from adapters.net.census import Census
from adapters.server.admission import Admission


def test_there_is_a_limit_in_all() -> None:
    admission = Admission(Census(), total=2, per_address=10, per_account=10)
    assert [admission.enter(address) for address in ("a", "b", "c")] == [True, True, False]
    admission.leave("a")
    assert admission.enter("c")


def test_one_address_cannot_take_all() -> None:
    admission = Admission(Census(), total=10, per_address=2, per_account=10)
    assert [admission.enter("a") for _ in range(3)] == [True, True, False]
    assert admission.enter("b")
    admission.leave("a")
    assert admission.enter("a")


def test_one_account_has_so_many_connections_from_wherever() -> None:
    admission = Admission(Census(), total=10, per_address=10, per_account=2)
    assert [admission.sign_in(1) for _ in range(3)] == [True, True, False]
    assert admission.sign_in(2)
    admission.sign_out(1)
    assert admission.sign_in(1)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=60))
def test_whoever_comes_and_goes_it_is_counted(moves: list[tuple[str, bool]]) -> None:
    """Against a list of who is here."""
    census = Census()
    admission = Admission(census, total=5, per_address=3, per_account=1)
    here: list[str] = []
    for address, comes in moves:
        if comes:
            may = len(here) < 5 and here.count(address) < 3
            assert admission.enter(address) is may
            here += [address] * may
        elif address in here:
            admission.leave(address)
            here.remove(address)
    for address in here:
        admission.leave(address)
    assert not list(census.here())
    assert [admission.enter(address) for address in "aaabb"] == [True] * 5
