import pytest

from core import folders, limits
from core.changes import Change, FolderRemoved, TreeChange
from core.commands import CreateFolder, DeleteFolder, Expunge, NewFolder, PurgeFolder, RenameFolder, Subscribe
from core.errors import (
    FolderExists,
    InvalidName,
    LimitExceeded,
    NoSuchFolder,
    NoSuchMailbox,
    ProtectedFolder,
    UseTaken,
)
from core.folders import canonical, existing, selectable, tree
from core.model import DELETED, SEEN, UID, Folder, FolderId, MailboxId, ModSeq
from tests.support.store import ALL, ONE, SECOND, TWO, Store

TREE = TreeChange(ONE)


def creating(store: Store, path: str) -> CreateFolder:
    return CreateFolder(ONE, NewFolder(path), store.clock.now())


def renaming(store: Store, source: str, target: str) -> RenameFolder:
    return RenameFolder(ONE, source, target, store.clock.now())


def deleting(store: Store, path: str) -> DeleteFolder:
    return DeleteFolder(ONE, path, store.clock.now())


class TestNames:
    @pytest.mark.parametrize("path", ["inbox", "InBoX", "INBOX"])
    def test_inbox_is_inbox_whatever_its_case(self, path: str) -> None:
        """RFC 9051 5.1: INBOX is case-insensitive, also as the first level of a path."""
        assert canonical(path) == "INBOX"
        assert canonical(f"{path}/Work") == "INBOX/Work"

    def test_below_the_first_level_inbox_is_a_name_like_others(self) -> None:
        assert canonical("a/inbox") == "a/inbox"

    @pytest.mark.parametrize(
        "path", ["\N{LATIN SMALL LETTER DOTLESS I}nbox", "inbox ", "inboxes", "iNBOX\N{COMBINING ACUTE ACCENT}"]
    )
    def test_what_only_looks_like_inbox_is_another_folder(self, path: str) -> None:
        assert canonical(path).partition("/")[0] != "INBOX"

    def test_a_name_is_kept_in_one_normal_form(self, store: Store) -> None:
        """RFC 9051 5.1: names are Net-Unicode, which is NFC."""
        store.create("Cafe\N{COMBINING ACUTE ACCENT}")
        assert "Café" in store.paths()
        store.refuses(creating(store, "Café"), FolderExists)

    def test_other_names_have_a_case(self, store: Store) -> None:
        store.create("Work")
        store.create("work")
        assert {"Work", "work"} <= store.paths().keys()

    @pytest.mark.parametrize(
        "path", ["", "/", "a/", "/a", "a//b", " a", "a ", "a/ b", "a\x00b", "a\nb", "a\x7f", "a\x9f", "\ud800"]
    )
    def test_a_name_that_no_folder_may_have_is_refused(self, store: Store, path: str) -> None:
        store.refuses(creating(store, path), InvalidName)
        store.refuses(renaming(store, "INBOX", path), InvalidName)
        store.refuses(Subscribe(ONE, path, subscribed=True), InvalidName)

    def test_a_name_may_have_255_octets_and_no_more(self, store: Store) -> None:
        store.create("é" * 127 + "x")
        store.refuses(creating(store, "é" * 128), InvalidName)

    def test_folders_may_be_nested_32_deep_and_no_deeper(self, store: Store) -> None:
        deepest = "/".join(["d"] * limits.FOLDER_DEPTH)
        store.create(deepest)
        assert len(store.paths()) == 1 + limits.FOLDER_DEPTH
        store.refuses(creating(store, deepest + "/d"), InvalidName)

    def test_the_tree_lists_parents_before_children_and_inbox_first(self, store: Store) -> None:
        for path in ("b/x", "B", "a", "INBOX/z", "a/INBOX", "a/A", "é"):
            store.create(path)
        assert list(store.paths()) == ["INBOX", "INBOX/z", "B", "a", "a/A", "a/INBOX", "b", "b/x", "é"]


class TestCreate:
    def test_missing_superiors_are_created_as_folders(self, store: Store) -> None:
        """RFC 9051 6.3.4."""
        made = store.create("a/b/c")
        assert store.paths() == {"INBOX": True, "a": True, "a/b": True, "a/b/c": True}
        assert made == store.folder("a/b/c")

    def test_superiors_that_exist_are_used(self, store: Store) -> None:
        parent = store.create("a")
        assert store.create("a/b").parent_id == parent.folder_id

    def test_a_folder_starts_empty_with_uid_1(self, store: Store) -> None:
        folder = store.create("Sent", "\\Sent")
        assert (folder.uidnext, folder.recent_from, folder.n_exists, folder.n_bytes) == (1, 1, 0, 0)
        assert folder.special_use == "\\Sent"
        assert folder.modseq >= 1

    def test_a_special_use_is_given_once(self, store: Store) -> None:
        """RFC 6154 3 leaves it to the server; a deleted folder has none any more."""
        store.create("Sent", "\\Sent")
        store.refuses(CreateFolder(ONE, NewFolder("a/b", "\\Sent"), store.clock.now()), UseTaken)
        store.delete("Sent")
        assert store.create("a/b", "\\Sent").special_use == "\\Sent"

    def test_a_folder_that_exists_is_refused(self, store: Store) -> None:
        store.create("a/b")
        store.refuses(creating(store, "a/b"), FolderExists)
        store.refuses(creating(store, "a"), FolderExists)
        store.refuses(creating(store, "inbox"), FolderExists)

    def test_every_folder_has_a_uidvalidity_of_its_own(self, store: Store) -> None:
        made = [store.create(name) for name in "abc"]
        validities = [store.folder("INBOX").uidvalidity, *(folder.uidvalidity for folder in made)]
        assert len(set(validities)) == 4
        assert validities == sorted(validities)
        assert validities[0] == store.clock.now() // SECOND

    def test_a_folder_made_again_has_a_new_uidvalidity_even_when_the_clock_goes_back(self, store: Store) -> None:
        """RFC 9051 2.3.1.1: a UIDVALIDITY is never used twice for a name."""
        first = store.create("a")
        store.delete("a")
        store.clock.advance(-3600 * SECOND)
        again = store.create("a")
        assert again.uidvalidity > first.uidvalidity
        assert again.folder_id != first.folder_id

    def test_a_mailbox_that_is_not_there_is_refused(self, store: Store) -> None:
        store.refuses(CreateFolder(TWO, NewFolder("a"), 0), NoSuchMailbox)

    def test_a_mailbox_may_have_only_so_many_folders(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(folders, "FOLDERS_PER_MAILBOX", 4)
        store.create("a")
        store.refuses(creating(store, "b/c/d"), LimitExceeded)
        store.refuses(renaming(store, "a", "b/c/d/e"), LimitExceeded)
        store.create("b/c")
        store.refuses(creating(store, "d"), LimitExceeded)
        store.refuses(creating(store, "a"), FolderExists)

    def test_a_place_becomes_a_folder_in_a_mailbox_that_has_no_room(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store.create("a/b")
        store.delete("a")
        monkeypatch.setattr(folders, "FOLDERS_PER_MAILBOX", 3)
        store.create("a")
        assert store.paths()["a"] is True


class TestDelete:
    def test_a_folder_goes_with_its_messages(self, store: Store) -> None:
        store.create("a")
        store.append("a", b"one")
        folder = store.folder("a")
        assert store.changes(deleting(store, "a")) == [FolderRemoved(ONE, folder.folder_id), TREE]
        assert store.paths() == {"INBOX": True}
        assert store.used() == (0, 0)

    def test_inbox_cannot_be_deleted(self, store: Store) -> None:
        """RFC 9051 6.3.5."""
        store.refuses(deleting(store, "inbox"), ProtectedFolder)

    def test_what_is_not_there_cannot_be_deleted(self, store: Store) -> None:
        store.refuses(deleting(store, "a"), NoSuchFolder)
        store.refuses(deleting(store, "INBOX/a"), NoSuchFolder)
        store.refuses(deleting(store, ""), NoSuchFolder)

    def test_with_folders_below_a_place_stays_that_cannot_be_selected(self, store: Store) -> None:
        r"""RFC 9051 6.3.5: the name stays in the hierarchy, as \NonExistent or \Noselect."""
        store.create("a/b")
        store.append("a", b"in a")
        store.append("a/b", b"in b")
        below = store.folder("a/b")
        store.delete("a")
        assert store.paths() == {"INBOX": True, "a": False, "a/b": True}
        assert store.folder("a/b").folder_id == below.folder_id
        assert store.body("a/b", 1) == b"in b"
        assert store.used() == (1, 4)
        store.refuses(deleting(store, "a"), ProtectedFolder)
        store.refuses(store.appending("a", b"x"), NoSuchFolder)

    def test_a_place_goes_with_the_last_folder_below_it(self, store: Store) -> None:
        store.create("a/b/c/d")
        for path in ("a/b", "a/b/c", "a"):
            store.delete(path)
        assert store.paths() == {"INBOX": True, "a": False, "a/b": False, "a/b/c": False, "a/b/c/d": True}
        store.delete("a/b/c/d")
        assert store.paths() == {"INBOX": True}

    def test_a_place_stays_as_long_as_something_is_below_it(self, store: Store) -> None:
        for path in ("a/b", "a/c"):
            store.create(path)
        store.delete("a")
        store.delete("a/b")
        assert store.paths() == {"INBOX": True, "a": False, "a/c": True}

    def test_a_place_that_becomes_a_folder_again_has_a_new_uidvalidity(self, store: Store) -> None:
        """RFC 9051 6.3.5: unless the UIDs go on where they were, UIDVALIDITY must differ."""
        first = store.create("a")
        store.create("a/b")
        store.append("a", b"x")
        store.delete("a")
        place = store.folder("a")
        again = store.create("a", "\\Archive")
        assert again.uidvalidity > place.uidvalidity > first.uidvalidity
        assert again.folder_id != first.folder_id
        assert again.special_use == "\\Archive"
        assert store.paths() == {"INBOX": True, "a": True, "a/b": True}
        assert store.append("a", b"y") == 1

    def test_the_folders_messages_are_shared_with_copies_elsewhere(self, store: Store) -> None:
        store.create("a")
        store.append("a", b"shared")
        store.copy("a", "INBOX")
        store.delete("a")
        assert store.body("INBOX", 1) == b"shared"
        assert store.used() == (1, 6)

    def test_a_large_folder_is_purged_in_slices(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(folders, "ROWS_PER_COMMAND", 2)
        folder = store.create("a")
        for number in range(5):
            store.append("a", b"%d" % number, DELETED if number % 2 else SEEN, "word")
        store.delete("a")
        assert store.paths() == {"INBOX": True}
        with store.read() as tx:
            assert tx.graveyard() == [(ONE, folder.folder_id)]
            for find in (existing, selectable):
                with pytest.raises(NoSuchFolder):
                    find(tx, ONE, folder.folder_id if find is existing else "a")  # type: ignore[arg-type]
        purge = PurgeFolder(ONE, folder.folder_id)
        left = []
        while True:
            left.append(store.used()[0])
            assert store.broken() == []
            if store.do(purge):
                break
        assert left == [5, 3, 1]
        assert store.used() == (0, 0)
        assert store.do(purge) is True, "a retry finds nothing left to do"
        with store.read() as tx:
            assert tx.graveyard() == []

    def test_a_name_is_free_while_its_old_folder_is_being_purged(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(folders, "ROWS_PER_COMMAND", 1)
        for number in range(2):
            store.create("a")
            store.append("a", b"x%d" % number)
            store.append("a", b"y%d" % number)
            store.delete("a")
        store.create("a")
        with store.read() as tx:
            assert len(tx.graveyard()) == 2
        assert store.uids("a") == []

    def test_a_folder_in_use_is_never_purged(self, store: Store) -> None:
        store.append("INBOX", b"x")
        assert store.do(PurgeFolder(ONE, store.folder("INBOX").folder_id)) is True
        assert store.uids("INBOX") == [1]

    def test_a_selected_folder_that_is_gone_takes_no_commands(self, store: Store) -> None:
        folder = store.create("a")
        store.delete("a")
        store.refuses(Expunge(ONE, folder.folder_id, ALL), NoSuchFolder)


class TestRename:
    def test_a_folder_keeps_its_number_its_uids_and_its_uidvalidity(self, store: Store) -> None:
        store.create("a")
        store.append("a", b"x", SEEN, "word")
        before, entries = store.folder("a"), store.entries("a")
        assert store.changes(renaming(store, "a", "b")) == [TREE]
        after = store.folder("b")
        assert (after.folder_id, after.uidvalidity, after.uidnext) == (
            before.folder_id,
            before.uidvalidity,
            before.uidnext,
        )
        assert store.entries("b") == entries
        assert store.keywords("b") == ("word",)

    def test_the_folders_below_move_along(self, store: Store) -> None:
        """RFC 9051 6.3.6."""
        store.create("a/b/c")
        store.rename("a", "x/y")
        assert store.paths() == {"INBOX": True, "x": True, "x/y": True, "x/y/b": True, "x/y/b/c": True}

    def test_a_place_can_be_renamed_and_stays_one(self, store: Store) -> None:
        store.create("a/b")
        store.delete("a")
        store.rename("a", "c")
        assert store.paths() == {"INBOX": True, "c": False, "c/b": True}

    def test_a_place_that_nothing_is_below_any_more_goes(self, store: Store) -> None:
        store.create("a/b")
        store.delete("a")
        store.rename("a/b", "a/c")
        assert store.paths() == {"INBOX": True, "a": False, "a/c": True}
        store.rename("a/c", "c")
        assert store.paths() == {"INBOX": True, "c": True}

    @pytest.mark.parametrize(("source", "target"), [("a", "a/b"), ("a", "a/x/y"), ("A", "A/b")])
    def test_a_folder_cannot_move_below_itself(self, store: Store, source: str, target: str) -> None:
        store.create("a")
        store.create("A")
        store.refuses(renaming(store, source, target), InvalidName)

    def test_a_name_that_begins_alike_is_not_below(self, store: Store) -> None:
        store.create("a")
        store.rename("a", "ab/c")
        assert store.paths() == {"INBOX": True, "ab": True, "ab/c": True}

    @pytest.mark.parametrize("target", ["b", "inbox", "a", "p"])
    def test_an_existing_name_is_refused(self, store: Store, target: str) -> None:
        for path in ("a", "b", "p/q"):
            store.create(path)
        store.delete("p")
        store.refuses(renaming(store, "a", target), FolderExists)

    def test_what_is_not_there_cannot_be_renamed(self, store: Store) -> None:
        store.refuses(renaming(store, "a", "b"), NoSuchFolder)

    def test_what_moves_may_not_become_deeper_than_the_limit(self, store: Store) -> None:
        """Otherwise renames could nest folders without end, and every walk of the tree with them."""
        half = limits.FOLDER_DEPTH // 2
        store.create("/".join(["a"] * half))
        store.create("/".join(["b"] * half))
        below = "/".join(["b"] * half) + "/a"
        store.rename("a", below)
        store.create("c")
        store.rename(below.partition("/")[0], "c2")
        store.refuses(renaming(store, "c2", "c/b"), InvalidName)
        assert max(path.count("/") + 1 for path in store.paths()) == limits.FOLDER_DEPTH

    def test_renaming_inbox_moves_its_messages_and_leaves_it_empty(self, store: Store) -> None:
        """RFC 9051 6.3.6: INBOX stays, and so do the folders below it."""
        store.create("INBOX/kept")
        store.append("INBOX", b"x", SEEN)
        before = store.folder("INBOX")
        assert store.changes(renaming(store, "inbox", "old/mail")) == [FolderRemoved(ONE, before.folder_id), TREE]
        assert list(store.paths()) == ["INBOX", "INBOX/kept", "old", "old/mail"]
        assert store.body("old/mail", 1) == b"x"
        assert store.folder("old/mail").uidvalidity == before.uidvalidity
        fresh = store.folder("INBOX")
        assert (fresh.n_exists, fresh.uidnext) == (0, 1)
        assert fresh.uidvalidity > before.uidvalidity
        assert store.append("INBOX", b"y") == 1

    @pytest.mark.parametrize("target", ["INBOX/old", "inbox/a/b", "INBOX/kept/old"])
    def test_inbox_can_become_a_folder_below_the_new_inbox(self, store: Store, target: str) -> None:
        store.create("INBOX/kept")
        store.append("INBOX", b"x")
        store.rename("INBOX", target)
        path = canonical(target)
        assert store.paths().keys() >= {"INBOX", "INBOX/kept", path}
        assert store.body(path, 1) == b"x"
        assert store.uids("INBOX") == []

    def test_inbox_below_another_folder_is_a_folder_like_others(self, store: Store) -> None:
        store.create("a/INBOX")
        store.rename("a/INBOX", "b")
        store.delete("b")
        assert store.paths() == {"INBOX": True, "a": True}


class TestSubscriptions:
    def subscriptions(self, store: Store) -> set[str]:
        with store.read() as tx:
            return tx.subscriptions(ONE)

    def test_a_name_is_subscribed_whether_or_not_it_exists(self, store: Store) -> None:
        """RFC 9051 6.3.7."""
        store.subscribe("not/there")
        store.subscribe("not/there")
        assert self.subscriptions(store) == {"INBOX", "not/there"}
        store.subscribe("not/there", subscribed=False)
        store.subscribe("not/there", subscribed=False)
        assert self.subscriptions(store) == {"INBOX"}

    def test_deleting_and_renaming_folders_leaves_subscriptions(self, store: Store) -> None:
        """RFC 9051 6.3.7: a server must not remove a name because its folder is gone."""
        store.create("a")
        store.subscribe("a")
        store.rename("a", "b")
        store.delete("b")
        assert self.subscriptions(store) == {"INBOX", "a"}

    def test_inbox_is_subscribed_under_one_name(self, store: Store) -> None:
        store.subscribe("Inbox", subscribed=False)
        assert self.subscriptions(store) == set()
        store.subscribe("iNbOx/a")
        assert self.subscriptions(store) == {"INBOX/a"}

    def test_a_mailbox_may_have_only_so_many(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(folders, "FOLDERS_PER_MAILBOX", 2)
        store.subscribe("a")
        store.refuses(Subscribe(ONE, "b", subscribed=True), LimitExceeded)
        store.subscribe("a")

    def test_a_mailbox_that_is_not_there_is_refused(self, store: Store) -> None:
        store.refuses(Subscribe(TWO, "a", subscribed=True), NoSuchMailbox)


def test_the_graveyard_is_in_no_listing() -> None:
    numbers = (1, UID(1), ModSeq(1), UID(1), 0, 0, 0, 0)
    dead = Folder(MailboxId(1), FolderId(5), folders.GRAVEYARD, "5", None, True, *numbers)
    assert tree([dead]) == {}


def test_a_deleted_folders_number_does_not_hide_a_folder_of_that_name(store: Store) -> None:
    removed: list[Change] = []
    folder = store.create("a")
    removed += store.changes(deleting(store, "a"))
    store.create(str(folder.folder_id))
    assert removed == [FolderRemoved(ONE, folder.folder_id), TREE]
    assert store.paths() == {"INBOX": True, str(folder.folder_id): True}
