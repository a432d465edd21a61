"""Lists of many folders changed at once, and the roles that administrators give."""

import pytest

from core import folders
from core.commands import FlagMode, SetGrant, SetGrants
from core.errors import LimitExceeded, NoSuchFolder
from core.recipients import RecipientId
from core.rights import ALL, ANYONE, LETTERS, ROLES, Grant, letters, mask
from tests.support.store import ONE, TWO, Store

ADA, BOB = RecipientId(7), RecipientId(8)


def lists(store: Store) -> dict[str, list[Grant]]:
    """The lists of the mailbox's folders, by path."""
    with store.read() as tx:
        by_folder = tx.all_grants(ONE)
        return {
            path: by_folder[folder.folder_id]
            for path, folder in folders.tree(tx.folders(ONE)).items()
            if folder.folder_id in by_folder
        }


def granting(path: str, rights: int, *, denied: bool = False, trustee: RecipientId = ADA) -> SetGrant:
    return SetGrant(ONE, path, trustee, denied, FlagMode.REPLACE, rights)


def test_a_change_of_one_folder_leaves_those_below_alone(store: Store) -> None:
    """T-2.5: a new folder has the list of the one above it; what is changed there later does not go down by itself."""
    store.create("a")
    store.do(SetGrants(ONE, "a", ADA, mask("lr")))
    store.create("a/b")
    store.do(SetGrants(ONE, "a", ADA, mask("lrs")))
    assert lists(store) == {"a": [Grant(ADA, mask("lrs"))], "a/b": [Grant(ADA, mask("lr"))]}


def test_a_recursive_change_reaches_all_below_and_nothing_beside(store: Store) -> None:
    """T-2.5."""
    for path in ("a", "a/b/c", "ab", "A/b", "é/x", "a/d"):
        store.create(path)
    store.delete("a/b")  # a mere place, with c below it
    store.do(granting("a/d", ALL, trustee=BOB))
    assert store.do(SetGrants(ONE, "a", ADA, mask("lrs"), own_only=True, recursive=True)) == 3
    line = Grant(ADA, mask("lrs"), own_only=True)
    assert lists(store) == {"a": [line], "a/b/c": [line], "a/d": [line, Grant(BOB, ALL)]}
    assert store.do(SetGrants(ONE, "e\N{COMBINING ACUTE ACCENT}", ANYONE, mask("l"), recursive=True)) == 2
    assert store.do(SetGrants(ONE, "a", ADA, 0, recursive=True)) == 3
    assert set(lists(store)) == {"a/d", "é", "é/x"}


def test_what_is_given_takes_the_place_of_all_the_trustee_had(store: Store) -> None:
    """Also of what was denied, or the rights would be others than was said."""
    store.create("a")
    store.do(granting("a", ALL))
    store.do(granting("a", mask("w"), denied=True))
    assert store.do(SetGrants(ONE, "a", ADA, mask("lr"))) == 1
    assert lists(store) == {"a": [Grant(ADA, mask("lr"))]}
    assert store.do(SetGrants(ONE, "a", ADA, mask("lr"))) == 0
    store.do(granting("a", mask("w"), denied=True))
    assert store.do(SetGrants(ONE, "a", ADA, 0)) == 1
    assert lists(store) == {}


def test_a_recursive_change_is_made_everywhere_or_nowhere(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "GRANTS_PER_FOLDER", 1)
    for path in ("a", "a/b", "a/c"):
        store.create(path)
    store.do(granting("a/c", ALL, trustee=BOB))
    store.refuses(SetGrants(ONE, "a", ADA, mask("l"), recursive=True), LimitExceeded)
    assert lists(store) == {"a/c": [Grant(BOB, ALL)]}
    store.do(SetGrants(ONE, "a", BOB, mask("l"), recursive=True))
    assert set(lists(store)) == {"a", "a/b", "a/c"}


def test_a_folder_that_is_not_there_has_no_list(store: Store) -> None:
    store.create("a/b")
    store.delete("a")
    for path in ("nothing", "a"):
        store.refuses(SetGrants(ONE, path, ADA, ALL, recursive=True), NoSuchFolder)
    store.refuses(SetGrants(TWO, "INBOX", ADA, ALL), NoSuchFolder)


def test_the_roles_have_exchanges_rights() -> None:
    given = {name: (letters(role.rights), role.own_only) for name, role in ROLES.items()}
    assert given == {
        "Owner": (LETTERS, False),
        "PublishingEditor": ("lrswipkte", False),
        "Editor": ("lrswipte", False),
        "PublishingAuthor": ("lrswipkte", True),
        "Author": ("lrswipte", True),
        "NonEditingAuthor": ("lrsipte", True),
        "Reviewer": ("lrs", False),
        "Contributor": ("lip", False),
        "None": ("", False),
    }
