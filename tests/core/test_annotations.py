"""Annotations in the store: whose they are, what may be set by whom, and how much."""

import pytest

from core import annotations, limits
from core.annotations import SERVER, covers, read_values
from core.changes import AnnotationsChange
from core.commands import DeleteMailbox, FlagMode, PurgeFolder, SetAnnotations, SetGrant
from core.errors import (
    AnnotationTooLarge,
    InvalidName,
    InvalidUse,
    NoPermission,
    NoSuchFolder,
    ReadOnlyAnnotation,
    TooManyAnnotations,
    UseTaken,
)
from core.model import FolderId, MailboxId
from core.recipients import RecipientId
from core.rights import Actor, mask
from tests.support.store import ONE, TWO, Store

OWNER = RecipientId(11)
GUEST = RecipientId(12)
COMMENT, SHARED = "/private/comment", "/shared/comment"


def setting(
    path: str | None,
    user: RecipientId = OWNER,
    by: Actor | None = None,
    mailbox: MailboxId = ONE,
    /,
    **values: bytes | None,
) -> SetAnnotations:
    """A command; a value's name has underscores in place of slashes."""
    names = {f"/{name.replace('_', '/')}": value for name, value in values.items()}
    return SetAnnotations(mailbox, path, user, tuple(names.items()), by)


def values(
    store: Store, path: str | None, *names: str, user: RecipientId = OWNER, below: bool = False
) -> dict[str, bytes]:
    folder_id = SERVER if path is None else store.folder(path).folder_id
    with store.read() as tx:
        return read_values(tx, ONE, folder_id, user, names, below=below)


def guest(store: Store, letters: str, *, own_only: bool = False) -> Actor:
    """One who may do this in INBOX."""
    store.do(SetGrant(ONE, "INBOX", GUEST, False, FlagMode.REPLACE, mask(letters), None, own_only))
    return Actor(GUEST, frozenset({GUEST}))


def test_what_is_set_is_read_and_what_is_nil_goes(store: Store) -> None:
    changes = store.changes(setting("INBOX", private_comment=b"mine\0\xff", shared_comment=b""))
    inbox = store.folder("INBOX").folder_id
    assert changes == [
        AnnotationsChange(ONE, inbox, OWNER, (COMMENT,)),
        AnnotationsChange(ONE, inbox, RecipientId(0), (SHARED,)),
    ]
    assert values(store, "INBOX", COMMENT, SHARED) == {COMMENT: b"mine\0\xff", SHARED: b""}
    store.do(setting("INBOX", private_comment=None, shared_comment=b"new", private_nothing=None))
    assert values(store, "INBOX", COMMENT, SHARED) == {SHARED: b"new"}


def test_private_ones_are_each_users_own(store: Store) -> None:
    by = guest(store, "lrw")
    store.do(setting("INBOX", private_comment=b"owner's", shared_comment=b"owner's"))
    store.do(setting("INBOX", GUEST, by, private_comment=b"guest's", shared_comment=b"guest's"))
    assert values(store, "INBOX", COMMENT, SHARED) == {COMMENT: b"owner's", SHARED: b"guest's"}
    assert values(store, "INBOX", COMMENT, SHARED, user=GUEST) == {COMMENT: b"guest's", SHARED: b"guest's"}


def test_below_a_name_is_what_follows_a_slash(store: Store) -> None:
    names = ("/private/a", "/private/a/b", "/private/a/b/c", "/private/a-b", "/private/a0", "/private/ab")
    store.do(SetAnnotations(ONE, "INBOX", OWNER, tuple((name, b"x") for name in names)))
    assert list(values(store, "INBOX", "/private/a")) == ["/private/a"]
    assert set(values(store, "INBOX", "/private/a", below=True)) == {"/private/a", "/private/a/b", "/private/a/b/c"}
    assert set(values(store, "INBOX", "/private", below=True)) == set(names)


@pytest.mark.parametrize(
    ("asked", "name", "depths"),
    [
        ("/shared/a", "/shared/a", (True, True, True)),
        ("/shared/a", "/shared/a/b", (False, True, True)),
        ("/shared/a", "/shared/a/b/c", (False, False, True)),
        ("/shared/a", "/shared/ab", (False, False, False)),
        ("/shared/a/b", "/shared/a", (False, False, False)),
    ],
)
def test_depth_counts_levels(asked: str, name: str, depths: tuple[bool, bool, bool]) -> None:
    """RFC 5464 4.2.2."""
    assert tuple(covers(asked, name, depth) for depth in (0, 1, None)) == depths


@pytest.mark.parametrize("letters", ["lr", "ls", "lw", "li", "lp"])
def test_any_right_to_the_content_lets_a_guest_keep_private_ones(store: Store, letters: str) -> None:
    """RFC 5464 3.3."""
    by = guest(store, letters)
    store.do(setting("INBOX", GUEST, by, private_comment=b"x"))
    with store.read() as tx:
        folder, mine = annotations.annotated(tx, ONE, "INBOX", by)
    assert (folder.name, mine.granted) == ("INBOX", mask(letters))


@pytest.mark.parametrize(
    ("letters", "refusal"), [("lka", NoPermission), ("l", NoPermission), ("rw", NoSuchFolder), ("", NoSuchFolder)]
)
def test_without_such_a_right_nothing_is_read_or_set(store: Store, letters: str, refusal: type) -> None:
    by = guest(store, letters)
    store.refuses(setting("INBOX", GUEST, by, private_comment=b"x"), refusal)
    with store.read() as tx, pytest.raises(refusal):
        annotations.annotated(tx, ONE, "INBOX", by)


def test_shared_ones_are_set_by_who_may_change_all_messages(store: Store) -> None:
    store.refuses(setting("INBOX", GUEST, guest(store, "lrs"), shared_comment=b"x"), NoPermission)
    by = guest(store, "lrw", own_only=True)
    store.refuses(setting("INBOX", GUEST, by, private_comment=b"x", shared_comment=b"x"), NoPermission)
    store.do(setting("INBOX", GUEST, guest(store, "lw"), shared_comment=b"x"))


def test_a_place_in_the_hierarchy_has_annotations_while_it_is_there(store: Store) -> None:
    r"""RFC 5464 4.1: also what is \Noselect, and with that they go."""
    store.create("a/b")
    store.do(setting("a", private_comment=b"folder"))
    store.delete("a")
    assert values(store, "a", COMMENT) == {}, "the place is another than the folder was"
    store.do(setting("a", private_comment=b"place"))
    assert values(store, "a", COMMENT) == {COMMENT: b"place"}
    store.delete("a/b")
    assert store.rows("SELECT name FROM annotation") == []


def test_annotations_move_with_their_folder(store: Store) -> None:
    """RFC 5464 4.1."""
    store.create("a")
    store.do(setting("a", private_comment=b"x"))
    store.rename("a", "b/c")
    assert values(store, "b/c", COMMENT) == {COMMENT: b"x"}
    store.create("a")
    assert values(store, "a", COMMENT) == {}


def test_inbox_keeps_its_annotations_when_it_is_renamed(store: Store) -> None:
    """RFC 5464 4.1: they are copied."""
    by = guest(store, "lr")
    store.do(setting("INBOX", private_comment=b"x", shared_comment=b"y"))
    store.do(setting("INBOX", GUEST, by, private_comment=b"z"))
    store.rename("INBOX", "old")
    for path in ("INBOX", "old"):
        assert values(store, path, COMMENT, SHARED) == {COMMENT: b"x", SHARED: b"y"}
        assert values(store, path, COMMENT, user=GUEST) == {COMMENT: b"z"}


def test_a_new_folder_of_an_old_name_has_none(store: Store) -> None:
    store.create("a")
    store.append("a", b"x")
    store.do(setting("a", private_comment=b"x", shared_comment=b"x"))
    folder_id = store.folder("a").folder_id
    store.delete("a")
    store.do(PurgeFolder(ONE, folder_id))
    store.create("a")
    assert values(store, "a", COMMENT, SHARED) == {}
    assert store.rows("SELECT name FROM annotation") == []


def test_they_go_with_the_mailbox(store: Store) -> None:
    store.create_mailbox(TWO)
    store.do(setting("INBOX", OWNER, None, TWO, private_comment=b"x"))
    store.do(setting(None, OWNER, None, TWO, private_comment=b"x"))
    store.do(setting(None, private_comment=b"kept"))
    while not store.do(DeleteMailbox(TWO)):
        pass
    assert store.rows("SELECT mailbox_id, value FROM annotation") == [(ONE, b"kept")]


def test_what_is_said_of_the_server_is_no_folders(store: Store) -> None:
    store.do(setting(None, private_comment=b"server"))
    assert values(store, None, COMMENT) == {COMMENT: b"server"}
    assert values(store, "INBOX", COMMENT) == {}


def test_what_all_see_of_the_server_is_not_for_users(store: Store) -> None:
    """RFC 5464 3.2.1.1, 3.3."""
    store.refuses(setting(None, private_comment=b"x", shared_comment=b"x"), ReadOnlyAnnotation)


def test_what_we_set_is_not_for_users(store: Store) -> None:
    store.refuses(setting("INBOX", private_comment=b"x", shared_vendor_penfold_role=b"x"), ReadOnlyAnnotation)
    store.do(setting("INBOX", shared_vendor_penfolds_role=b"x", private_vendor_penfold_role=b"x"))


class TestSpecialUse:
    """RFC 6154 4."""

    def test_a_use_is_given_and_taken_away(self, store: Store) -> None:
        store.create("a")
        store.do(setting("a", private_specialuse=b"\\sENT"))
        assert store.folder("a").special_use == "\\Sent"
        store.do(setting("a", private_specialuse=b"\\Sent", private_comment=b"x"))
        assert store.folder("a").special_use == "\\Sent"
        store.do(setting("a", private_specialuse=None))
        assert store.folder("a").special_use is None
        assert store.rows("SELECT name FROM annotation") == [(COMMENT.encode(),)]

    def test_it_is_checked_as_in_create(self, store: Store) -> None:
        store.create("Sent", "\\Sent")
        store.create("a")
        store.refuses(setting("a", private_specialuse=b"\\Sent"), UseTaken)
        for value in (b"", b"Drafts", b"\\All", b"\\Drafts \\Junk", b"\\Dr\xc3\xa4fts", b"\\"):
            store.refuses(setting("a", private_specialuse=value), InvalidUse)

    def test_it_is_the_owners_and_of_folders_only(self, store: Store) -> None:
        by = guest(store, "lrswipkxtea")
        store.refuses(setting("INBOX", GUEST, by, private_specialuse=b"\\Junk"), InvalidUse)
        store.create("a/b")
        store.delete("a")
        store.refuses(setting("a", private_specialuse=b"\\Junk"), InvalidUse)


class TestLimits:
    def test_a_value_may_be_so_large_and_no_larger(self, store: Store) -> None:
        store.do(setting("INBOX", private_comment=bytes(limits.ANNOTATION_OCTETS)))
        too_large = bytes(limits.ANNOTATION_OCTETS + 1)
        store.refuses(setting("INBOX", private_other=b"x", shared_comment=too_large), AnnotationTooLarge)

    def test_a_name_may_be_so_long_and_no_longer(self, store: Store) -> None:
        longest = "/shared/".ljust(limits.ANNOTATION_NAME_OCTETS, "x")
        store.do(SetAnnotations(ONE, "INBOX", OWNER, ((longest, b"x"),)))
        store.refuses(SetAnnotations(ONE, "INBOX", OWNER, ((longest + "x", b"x"),)), InvalidName)

    def test_a_folder_has_so_many_for_each_user_and_as_many_shared(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(annotations, "ANNOTATIONS_PER_FOLDER", 2)
        by = guest(store, "lrw")
        store.do(setting("INBOX", private_a=b"x", private_b=b"x", shared_a=b"x", shared_b=b"x"))
        store.do(setting("INBOX", GUEST, by, private_a=b"x", private_b=b"x"))
        for name in ("private_c", "shared_c"):
            store.refuses(setting("INBOX", **{name: b"x"}), TooManyAnnotations)
        store.refuses(setting("INBOX", private_a=None, private_c=b"x", shared_c=b"x"), TooManyAnnotations)
        store.do(setting("INBOX", private_a=None, private_c=b"x", shared_b=b"new"))
        assert set(values(store, "INBOX", "/private", below=True)) == {"/private/b", "/private/c"}

    def test_who_has_more_than_that_may_still_change_them(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        store.do(setting("INBOX", private_a=b"x", private_b=b"x", private_c=b"x"))
        monkeypatch.setattr(annotations, "ANNOTATIONS_PER_FOLDER", 1)
        store.do(setting("INBOX", private_a=b"xyz"))
        store.do(setting("INBOX", private_a=None))
        store.refuses(setting("INBOX", private_a=b"x"), TooManyAnnotations)

    def test_a_mailbox_has_room_for_so_many_octets_for_each_user(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one = len("/private/a") + 50 + limits.ANNOTATION_OVERHEAD
        monkeypatch.setattr(annotations, "ANNOTATION_OCTETS_PER_MAILBOX", 2 * one)
        store.create("a")
        store.do(setting("a", private_a=bytes(50)))
        store.do(setting(None, private_a=bytes(50)))
        store.refuses(setting("INBOX", private_a=b""), TooManyAnnotations)
        store.refuses(setting("a", private_a=bytes(51)), TooManyAnnotations)
        store.do(setting("INBOX", shared_a=bytes(50)))
        store.do(setting("a", private_a=bytes(49), private_b=None))
        store.do(setting("a", private_a=None, private_b=bytes(50)))

    def test_a_mailbox_that_is_too_full_may_still_get_emptier(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store.do(setting("INBOX", private_a=bytes(50), private_b=bytes(50)))
        monkeypatch.setattr(annotations, "ANNOTATION_OCTETS_PER_MAILBOX", 100)
        store.do(setting("INBOX", private_a=bytes(49)))
        store.do(setting("INBOX", private_a=None))
        store.refuses(setting("INBOX", private_b=bytes(51)), TooManyAnnotations)

    def test_they_are_what_the_rfc_demands_at_least(self) -> None:
        """RFC 5464 4.1."""
        assert limits.ANNOTATIONS_PER_FOLDER >= 10
        assert limits.ANNOTATION_OCTETS >= 1024


def test_a_folder_that_is_not_there_is_refused(store: Store) -> None:
    store.refuses(setting("nowhere", private_comment=b"x"), NoSuchFolder)
    with store.read() as tx:
        assert tx.annotation_usage(ONE, OWNER) == (0, 0)
        assert dict(tx.annotations(ONE, FolderId(99), OWNER, "/", "0")) == {}
