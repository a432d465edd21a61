"""A group carried out in one transaction does what its commands do one by one."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from core.changes import Change
from core.commands import (
    Append,
    ClaimRecent,
    Command,
    Copy,
    CreateFolder,
    CreateMailbox,
    DeleteFolder,
    Deliver,
    Delivery,
    Expunge,
    Filing,
    NewFolder,
    PurgeFolder,
    RenameFolder,
    StoreFlags,
    Subscribe,
    SweepBlobs,
    SweepDeliveries,
)
from core.errors import Refusal
from core.model import FolderId, MailboxId
from tests.model import strategies as some
from tests.model.small import small_limits
from tests.support.store import DAY, MORNING, ONE, TWO, Store, incoming

MESSAGES = some.BODIES.map(incoming)
AT = st.just(MORNING)
FILINGS = st.lists(st.builds(Filing, MESSAGES, some.FLAGS, AT, st.just(0)), min_size=1, max_size=3).map(tuple)
FOLDER_IDS = st.integers(1, 6).map(FolderId)
PLACES = st.sampled_from(["INBOX", "a", "a/b", "b", "absent"])
NEW = st.builds(NewFolder, st.one_of(PLACES, some.PATHS), some.SPECIAL_USES)

COMMANDS: st.SearchStrategy[Command] = st.one_of(
    # One of a mailbox whose second folder is invalid has written before it is refused.
    st.builds(
        CreateMailbox, st.integers(2, 4).map(MailboxId), st.just(b"g" * 16), st.lists(NEW, max_size=3).map(tuple), AT
    ),
    st.builds(CreateFolder, some.MAILBOXES, NEW, AT),
    st.builds(DeleteFolder, some.MAILBOXES, PLACES, AT),
    st.builds(PurgeFolder, some.MAILBOXES, FOLDER_IDS),
    st.builds(RenameFolder, some.MAILBOXES, PLACES, st.one_of(PLACES, some.PATHS), AT),
    st.builds(Subscribe, some.MAILBOXES, some.PATHS, st.booleans()),
    st.builds(Append, some.MAILBOXES, PLACES, FILINGS, AT, some.QUOTAS),
    st.builds(Append, some.MAILBOXES, PLACES, FILINGS, AT),
    st.builds(Copy, some.MAILBOXES, FOLDER_IDS, some.UIDS, PLACES, AT, st.booleans(), some.QUOTAS),
    st.builds(StoreFlags, some.MAILBOXES, FOLDER_IDS, some.UIDS, some.MODES, some.FLAGS, some.MODSEQS),
    st.builds(Expunge, some.MAILBOXES, FOLDER_IDS, some.UIDS),
    st.builds(ClaimRecent, some.MAILBOXES, FOLDER_IDS, st.integers(1, 9)),
    st.builds(
        Deliver,
        MESSAGES,
        st.lists(st.builds(Delivery, some.MAILBOXES, some.PREFIXES, some.QUOTAS, PLACES), max_size=3).map(tuple),
        AT,
        some.TOKENS,
        st.just(MORNING + DAY),
    ),
    st.builds(SweepBlobs, st.sampled_from([MORNING, MORNING + DAY]), st.just(1000)),
    st.builds(SweepDeliveries, st.sampled_from([MORNING, MORNING + 2 * DAY]), st.just(1000)),
)


def one_by_one(store: Store, commands: list[Command]) -> list[Any]:
    outcomes: list[Any] = []
    for command in commands:
        try:
            outcomes.append(store.do(command))
        except Refusal as refusal:
            outcomes.append(type(refusal))
    return outcomes


def together(store: Store, commands: list[Command]) -> list[Any]:
    return store.group(*commands)


def run(
    prepared: list[Command], commands: list[Command], carry_out: Callable[[Store, list[Command]], list[Any]]
) -> tuple[list[Any], list[Change], dict[str, list[Any]]]:
    """(outcomes, what was published, all rows) of a fresh store."""
    with tempfile.TemporaryDirectory() as root:
        store = Store(Path(root))
        try:
            store.create_mailbox(ONE, "a", "a/b")
            store.create_mailbox(TWO)
            one_by_one(store, prepared)
            store.published.clear()
            outcomes = [comparable(outcome) for outcome in carry_out(store, commands)]
            store.check()
            return (
                outcomes,
                store.published,
                {**store.dump(), "blob": store.rows("SELECT hash FROM blob ORDER BY hash")},
            )
        finally:
            store.close()


def comparable(outcome: Any) -> Any:
    if isinstance(outcome, list):
        return [type(one) if isinstance(one, Refusal) else one for one in outcome]
    return outcome


@settings(max_examples=2_000 if os.environ.get("PENFOLD_SOAK") else 100)
@given(st.lists(COMMANDS, max_size=6), st.lists(COMMANDS, min_size=2, max_size=12))
def test_together_or_one_by_one_makes_no_difference(prepared: list[Command], commands: list[Command]) -> None:
    with small_limits():
        assert run(prepared, commands, together) == run(prepared, commands, one_by_one)
