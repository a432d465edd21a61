"""The store beside the oracle: whatever is done to both, both say the same and then hold the same."""

import os
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from core.changes import (
    AccessKeyChange,
    AnnotationsChange,
    Change,
    FolderRemoved,
    MailboxRemoved,
    Missed,
    SeenChange,
    TreeChange,
)
from core.commands import (
    Append,
    ClaimRecent,
    Command,
    Copy,
    CreateFolder,
    CreateMailbox,
    DeleteFolder,
    DeleteMailbox,
    Deliver,
    Delivery,
    DropAccessKeys,
    Expunge,
    Filing,
    FlagMode,
    Flags,
    NewFolder,
    PurgeFolder,
    RenameFolder,
    Replace,
    SetAccessKey,
    StoreFlags,
    Subscribe,
    SweepBlobs,
    SweepDeliveries,
)
from core.errors import Refusal
from core.folders import tree
from core.model import MAX_UID, UID, Folder, FolderId, MailboxId, UIDRanges
from core.recipients import RecipientId
from core.view import FolderView
from tests.model import strategies as some
from tests.model.oracle import AFolder, AMailbox, Oracle
from tests.model.small import small_limits
from tests.support.store import DAY, SECOND, Store, incoming

EVERYTHING = ((1, MAX_UID),)
USERS = (RecipientId(1), RecipientId(2))


class StoreAndOracle(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.stack.enter_context(small_limits())
        self.store = Store(Path(self.stack.enter_context(tempfile.TemporaryDirectory())))
        self.store.subscribers.append(self.hear)
        self.oracle = Oracle()
        self.views: dict[tuple[int, int], FolderView] = {}
        self.validities: dict[tuple[int, str], int] = {}

    def teardown(self) -> None:
        try:
            self.store.check()
        finally:
            self.store.close()
            self.stack.close()

    def hear(self, changes: Sequence[Change]) -> None:
        """Folds what is published; a folder that is heard of for the first time begins empty."""
        for change in changes:
            if isinstance(change, MailboxRemoved):
                self.views = {key: view for key, view in self.views.items() if key[0] != change.mailbox_id}
                continue
            if isinstance(change, TreeChange | AnnotationsChange | AccessKeyChange | Missed):
                continue
            key = (change.mailbox_id, change.folder_id)
            assert not isinstance(change, SeenChange), "only owners write here"
            if isinstance(change, FolderRemoved):
                # INBOX renamed away is no longer the folder that was selected, but its messages live on.
                self.views.pop(key, None)
                continue
            if (view := self.views.get(key)) is not None:
                assert change.since == view.modseq, "no gap"
                assert change.modseq > view.modseq
                self.views[key] = view.apply(change)

    # ------------------------------------------------------------------------------------------ doing both

    def do(self, command: Command) -> Any:
        """Both carry the command out, or both refuse it for the same reason."""
        expected: object
        got: object
        try:
            expected = self.oracle.apply(command)
        except Refusal as refusal:
            expected = type(refusal)
        try:
            got = self.store.do(command)
        except Refusal as refusal:
            got = type(refusal)
        if isinstance(command, CreateFolder) and isinstance(got, Folder):
            got = None  # compared with all others below
        if isinstance(got, list):
            got = [type(outcome) if isinstance(outcome, Refusal) else outcome for outcome in got]
        assert got == expected, command
        self.compare()
        return got

    def compare(self) -> None:
        with self.store.read() as tx:
            assert {mailbox.mailbox_id for mailbox in tx.mailboxes()} == self.oracle.mailboxes.keys()
            for mailbox_id, mailbox in self.oracle.mailboxes.items():
                self.compare_mailbox(tx, MailboxId(mailbox_id), mailbox)

    def compare_mailbox(self, tx: Any, mailbox_id: MailboxId, mailbox: AMailbox) -> None:
        found = tree(tx.folders(mailbox_id))
        assert found.keys() == mailbox.folders.keys()
        assert tx.subscriptions(mailbox_id) == mailbox.subscriptions
        stored = tx.mailbox(mailbox_id)
        assert (stored.used_count, stored.used_bytes) == mailbox.used()
        assert len(found) + len(mailbox.dead) == len(tx.folders(mailbox_id))
        for path, folder in found.items():
            self.compare_folder(tx, path, folder, mailbox.folders[path])

    def compare_folder(self, tx: Any, path: str, folder: Folder, expected: AFolder) -> None:
        self.see_numbers(path, folder, expected)
        assert (folder.selectable, folder.special_use) == (expected.selectable, expected.special_use)
        assert (folder.uidnext, folder.modseq, folder.recent_from) == (
            expected.uidnext,
            expected.modseq,
            expected.recent_from,
        )
        assert (folder.n_exists, folder.n_unseen, folder.n_deleted, folder.n_bytes) == expected.counters()
        place = (folder.mailbox_id, folder.folder_id, 1, MAX_UID)
        keys = {user: tx.access_key(*place[:2], user) for user in USERS}
        assert {user: key for user, key in keys.items() if key is not None} == expected.keys
        names = tx.keywords(*place[:2])
        assert [name.lower() for name in names] == [name.lower() for name in expected.keywords]
        entries = tx.entries(*place)
        assert [
            (e.uid, e.flags, frozenset(n.lower() for bit, n in enumerate(names) if e.keywords >> bit & 1), e.modseq)
            for e in entries
        ] == [(e.uid, e.flags, e.words, e.modseq) for e in expected.entries]
        bodies = []
        for item in tx.items(*place):
            blob = tx.blob(item.hash)
            bodies.append((item.prefix, tx.read_blob(blob, 0, blob.size), item.size))
        assert bodies == [(e.prefix, e.body, e.size) for e in expected.entries]
        fresh = FolderView.of(entries, folder.modseq, names)
        view = self.views.setdefault((folder.mailbox_id, folder.folder_id), fresh)
        assert (view.modseq, view.keywords, list(view.numbered(EVERYTHING))) == (
            fresh.modseq,
            fresh.keywords,
            list(fresh.numbered(EVERYTHING)),
        )

    def see_numbers(self, path: str, folder: Folder, expected: AFolder) -> None:
        """What the store has chosen must be new then, and stay from then on."""
        if expected.folder_id is None:
            expected.folder_id = folder.folder_id
        if expected.uidvalidity is None:
            assert folder.uidvalidity > self.validities.get((folder.mailbox_id, path), 0)
            expected.uidvalidity = folder.uidvalidity
        assert (folder.folder_id, folder.uidvalidity) == (expected.folder_id, expected.uidvalidity)
        key = (folder.mailbox_id, path)
        self.validities[key] = max(folder.uidvalidity, self.validities.get(key, 0))

    def pick(self, data: st.DataObject, mailbox_id: MailboxId) -> FolderId:
        """The number of some folder, mostly one that is there."""
        mailbox = self.oracle.mailboxes.get(mailbox_id, AMailbox())
        there = [folder.folder_id or 0 for folder in mailbox.folders.values() if folder.selectable]
        others = [folder.folder_id or 0 for folder in (*mailbox.folders.values(), *mailbox.dead)]
        return FolderId(data.draw(st.sampled_from([*there, *there, *there, *others, 999])))

    def pick_path(self, data: st.DataObject, mailbox_id: MailboxId) -> str:
        """Some path, mostly of a folder that is there."""
        paths = list(self.oracle.mailboxes.get(mailbox_id, AMailbox()).folders)
        there = st.sampled_from(paths or ["INBOX"])
        return data.draw(st.one_of(there, there, there, some.PATHS))

    @property
    def now(self) -> int:
        return self.store.clock.now()

    # ------------------------------------------------------------------------------------------ rules

    @initialize(path=some.PATHS)
    def two_mailboxes(self, path: str) -> None:
        folders = (NewFolder("INBOX"), NewFolder("Sent", "\\Sent"))
        self.do(CreateMailbox(MailboxId(1), b"1" * 16, folders, self.now))
        self.do(CreateMailbox(MailboxId(2), b"2" * 16, (NewFolder("INBOX"), NewFolder(path)), self.now))

    @rule(step=st.sampled_from([1, SECOND, 8 * DAY, -SECOND]))
    def time_passes(self, step: int) -> None:
        self.store.clock.advance(step)

    @rule(mailbox_id=some.MAILBOXES)
    def create_mailbox(self, mailbox_id: MailboxId) -> None:
        self.do(CreateMailbox(mailbox_id, b"3" * 16, (NewFolder("INBOX"),), self.now))

    @rule()
    def delete_the_second_mailbox(self) -> None:
        command = DeleteMailbox(MailboxId(2))
        while not self.store.do(command):
            assert self.store.broken(deep=False) == []
        self.oracle.apply(command)
        # A new mailbox of this number would count its folders and UIDVALIDITY from the beginning.
        self.validities = {key: validity for key, validity in self.validities.items() if key[0] != 2}
        self.compare()

    @rule(mailbox_id=some.MAILBOXES, path=some.PATHS, use=some.SPECIAL_USES)
    def create_folder(self, mailbox_id: MailboxId, path: str, use: str | None) -> None:
        self.do(CreateFolder(mailbox_id, NewFolder(path, use), self.now))

    @rule(mailbox_id=some.MAILBOXES, data=st.data())
    def delete_folder(self, mailbox_id: MailboxId, data: st.DataObject) -> None:
        self.do(DeleteFolder(mailbox_id, self.pick_path(data, mailbox_id), self.now))

    @rule(mailbox_id=some.MAILBOXES, data=st.data())
    def purge_folder(self, mailbox_id: MailboxId, data: st.DataObject) -> None:
        self.do(PurgeFolder(mailbox_id, self.pick(data, mailbox_id)))

    @rule(mailbox_id=some.MAILBOXES, to=some.PATHS, data=st.data())
    def rename_folder(self, mailbox_id: MailboxId, to: str, data: st.DataObject) -> None:
        source = self.pick_path(data, mailbox_id)
        self.do(RenameFolder(mailbox_id, source, to, self.now))

    @rule(mailbox_id=some.MAILBOXES, path=some.PATHS, subscribed=st.booleans())
    def subscribe(self, mailbox_id: MailboxId, path: str, subscribed: bool) -> None:
        self.do(Subscribe(mailbox_id, path, subscribed))

    @rule(
        mailbox_id=some.MAILBOXES,
        user=st.sampled_from(USERS),
        secret=st.sampled_from([b"a" * 32, b"\0\xff" * 16]),
        keep=st.booleans(),
        data=st.data(),
    )
    def set_access_key(
        self, mailbox_id: MailboxId, user: RecipientId, secret: bytes, keep: bool, data: st.DataObject
    ) -> None:
        self.do(SetAccessKey(mailbox_id, self.pick_path(data, mailbox_id), user, secret, keep))

    @rule(user=st.sampled_from(USERS))
    def drop_access_keys(self, user: RecipientId) -> None:
        self.do(DropAccessKeys(user))

    @rule(mailbox_id=some.MAILBOXES, body=some.BODIES, flags=some.FLAGS, quota=some.QUOTAS, data=st.data())
    def append(self, mailbox_id: MailboxId, body: bytes, flags: Flags, quota: int | None, data: st.DataObject) -> None:
        path = self.pick_path(data, mailbox_id)
        self.do(Append(mailbox_id, path, (Filing(incoming(body), flags, self.now, 0),), self.now, quota))

    @rule(mailbox_id=some.MAILBOXES, uids=some.UIDS, move=st.booleans(), quota=some.QUOTAS, data=st.data())
    def copy(self, mailbox_id: MailboxId, uids: UIDRanges, move: bool, quota: int | None, data: st.DataObject) -> None:
        folder_id, target = self.pick(data, mailbox_id), self.pick_path(data, mailbox_id)
        self.do(Copy(mailbox_id, folder_id, uids, target, self.now, move, quota))

    @rule(mailbox_id=some.MAILBOXES, several=st.lists(st.tuples(some.BODIES, some.FLAGS), max_size=5), data=st.data())
    def append_several(self, mailbox_id: MailboxId, several: list[tuple[bytes, Flags]], data: st.DataObject) -> None:
        path = self.pick_path(data, mailbox_id)
        for body, flags in several:
            self.do(Append(mailbox_id, path, (Filing(incoming(body), flags, self.now, 0),), self.now))

    @rule(
        mailbox_id=some.MAILBOXES,
        several=st.lists(st.tuples(some.BODIES, some.FLAGS), min_size=1, max_size=4),
        quota=some.QUOTAS,
        data=st.data(),
    )
    def append_all(
        self, mailbox_id: MailboxId, several: list[tuple[bytes, Flags]], quota: int | None, data: st.DataObject
    ) -> None:
        path = self.pick_path(data, mailbox_id)
        filings = tuple(Filing(incoming(body), flags, self.now, 0) for body, flags in several)
        self.do(Append(mailbox_id, path, filings, self.now, quota))

    @rule(
        mailbox_id=some.MAILBOXES,
        body=some.BODIES,
        flags=some.FLAGS,
        quota=some.QUOTAS,
        uid=st.integers(1, 12),
        data=st.data(),
    )
    def replace(
        self, mailbox_id: MailboxId, body: bytes, flags: Flags, quota: int | None, uid: int, data: st.DataObject
    ) -> None:
        folder_id, path = self.pick(data, mailbox_id), self.pick_path(data, mailbox_id)
        append = (mailbox_id, path, (Filing(incoming(body), flags, self.now, 0),), self.now, quota)
        self.do(Replace(*append, folder_id=folder_id, uid=UID(uid)))

    @rule(mailbox_id=some.MAILBOXES, data=st.data())
    def purge_what_is_deleted(self, mailbox_id: MailboxId, data: st.DataObject) -> None:
        if dead := self.oracle.mailboxes.get(mailbox_id, AMailbox()).dead:
            self.do(PurgeFolder(mailbox_id, FolderId(data.draw(st.sampled_from(dead)).folder_id or 0)))

    @rule(
        mailbox_id=some.MAILBOXES,
        uids=some.UIDS,
        mode=some.MODES,
        flags=some.FLAGS,
        since=some.MODSEQS,
        data=st.data(),
    )
    def store_flags(
        self,
        mailbox_id: MailboxId,
        uids: UIDRanges,
        mode: FlagMode,
        flags: Flags,
        since: int | None,
        data: st.DataObject,
    ) -> None:
        self.do(StoreFlags(mailbox_id, self.pick(data, mailbox_id), uids, mode, flags, since))

    @rule(mailbox_id=some.MAILBOXES, uids=some.UIDS, data=st.data())
    def expunge(self, mailbox_id: MailboxId, uids: UIDRanges, data: st.DataObject) -> None:
        self.do(Expunge(mailbox_id, self.pick(data, mailbox_id), uids))

    @rule(mailbox_id=some.MAILBOXES, below=st.integers(1, 9), data=st.data())
    def claim_recent(self, mailbox_id: MailboxId, below: int, data: st.DataObject) -> None:
        self.do(ClaimRecent(mailbox_id, self.pick(data, mailbox_id), below))

    @rule(
        body=some.BODIES,
        to=st.lists(st.tuples(some.MAILBOXES, some.PREFIXES, some.QUOTAS, some.PATHS), max_size=4),
        token=some.TOKENS,
    )
    def deliver(self, body: bytes, to: list[tuple[MailboxId, bytes, int | None, str]], token: bytes | None) -> None:
        deliveries = tuple(Delivery(*recipient) for recipient in to)
        self.do(Deliver(incoming(body), deliveries, self.now, token, self.now + 7 * DAY))

    @rule(age=st.sampled_from([-SECOND, 0, DAY]))
    def sweep_blobs(self, age: int) -> None:
        self.do(SweepBlobs(self.now - age, 1000))
        self.store.database.forget_packs()

    @rule()
    def sweep_deliveries(self) -> None:
        self.do(SweepDeliveries(self.now, 1000))

    @rule()
    def restart(self) -> None:
        self.store.reopen()
        self.compare()

    @invariant()
    def no_promise_is_broken(self) -> None:
        assert self.store.broken(deep=False) == []
        assert self.store.faults == []
        named = {pack_id for (pack_id,) in self.store.rows("SELECT DISTINCT pack_id FROM blob WHERE pack_id > 0")}
        assert named <= set(self.store.pack_files())


TestStoreAndOracle = StoreAndOracle.TestCase
TestStoreAndOracle.settings = (
    settings(settings.get_profile("soak"))
    if os.environ.get("PENFOLD_SOAK")
    else settings(settings.get_profile("ci"), max_examples=100, stateful_step_count=50)
)
