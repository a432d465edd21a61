"""The `penfold` commands for groups, permissions and public folders, on an installation without a server."""

from pathlib import Path

import pytest

from tests.adapters.installed import Installed


@pytest.fixture
def house(tmp_path: Path) -> Installed:
    house = Installed(tmp_path / "mail").init()
    house.add("ada")
    house.add("bob")
    return house


def test_groups_are_made_filled_shown_and_removed(house: Installed) -> None:
    made = house.json("group", "add", "Sales")
    assert (made["name"], made["members"], made["member_of"]) == ("Sales", [], [])
    house.run("group", "add", "Firm")
    assert house.run("group", "add-member", "Firm", "group:sales").stdout == "Firm has 1 member now\n"
    added = house.json("group", "add-member", "group:SALES", "ada@example.com")
    assert added == {"name": "Sales", "members": 1, "sessions_ended": 0}
    shown = house.json("group", "show", "sales")
    assert (shown["members"], shown["member_of"]) == (["ada"], ["group:Firm"])
    assert house.json("group", "show", "firm")["members"] == ["group:Sales"]
    assert "group:Firm" in house.run("group", "show", "Sales").stdout
    assert [(row["name"], row["members"]) for row in house.json("group", "list")] == [("Firm", 1), ("Sales", 1)]
    assert "MEMBERS" in house.run("group", "list").stdout
    assert house.run("group", "remove-member", "Sales", "ada").stdout == "Sales has 0 members now\n"
    assert house.json("group", "rm", "Sales")["name"] == "Sales"
    assert house.json("group", "show", "Firm")["members"] == []
    assert house.run("group", "rm", "Firm").stdout == "Firm is gone\n"
    assert house.json("group", "list") == []


def test_more_groups_than_a_page_are_listed(house: Installed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.server.administration.groups.PAGE", 2)
    for name in ("c", "B", "a", "d"):
        house.run("group", "add", name)
    assert [row["name"] for row in house.json("group", "list")] == ["a", "B", "c", "d"]


def test_what_cannot_be_done_with_a_group_is_one_line_that_names_the_remedy(house: Installed) -> None:
    house.run("group", "add", "Sales")
    house.run("group", "add", "Firm")
    house.run("group", "add-member", "Firm", "group:Sales")
    for words, says in (
        (("group", "add", "SALES"), "Another group has the name SALES: choose another name"),
        (("group", "add", "a:b"), "A name may not have the character U+003A"),
        (("group", "show", "nothing"), "No group has the name nothing: `penfold group list` shows"),
        (("group", "rm", "nothing"), "No group has the name nothing"),
        (("group", "add-member", "nothing", "ada"), "No group has the name nothing"),
        (("group", "add-member", "Sales", "nobody"), "Neither a mailbox nor a group is called nobody"),
        (("group", "add-member", "Sales", "Firm"), "a group is called group:NAME"),
        (("group", "add-member", "Sales", "anyone"), "Neither a mailbox nor a group is called anyone"),
        (("group", "add-member", "Sales", "group:Firm"), "The group would be in itself: `penfold group show`"),
        (("group", "remove-member", "Sales", "bob"), "The group Sales does not have this member"),
    ):
        assert says in house.refused(*words), words


def test_changes_of_groups_are_on_record(house: Installed) -> None:
    """T-11.3; not with all members each time."""
    house.run("group", "add", "Sales")
    house.run("group", "add-member", "Sales", "ada")
    house.refused("group", "add-member", "Sales", "nobody")
    house.run("group", "rm", "Sales")
    made, added, refused, removed = house.trail()[-4:]
    assert (made["do"], made["with"], made["before"]) == ("group.add", {"name": "Sales"}, None)
    assert (added["do"], added["with"]) == ("group.add-member", {"name": "Sales", "member": "ada"})
    assert added["after"]["members"] == 1
    assert "Neither" in refused["refused"]
    assert removed["before"]["members"] == ["ada"]


# ---------------------------------------------------------------------------------------------- permissions


def test_full_access_is_given_shown_and_taken_back(house: Installed) -> None:
    """T-12.7."""
    house.run("group", "add", "Sales")
    permission = ("mailbox", "permission")
    said = house.run(*permission, "add", "bob", "--full-access", "ada@example.com").stdout
    assert said == "ada@example.com has full access to bob now\n"
    given = {"alias": "bob", "sessions_ended": 0}
    assert house.json(*permission, "add", "bob@example.com", "--full-access", "group:Sales") == given
    assert house.json(*permission, "list", "bob")["full_access"] == ["ada", "group:Sales"]
    assert "ada, group:Sales" in house.run(*permission, "list", "bob").stdout
    assert house.json(*permission, "rm", "bob", "ada", "--full-access") == given
    house.run("group", "rm", "Sales")
    assert house.json(*permission, "list", "bob")["full_access"] == []
    added, again = [record for record in house.trail() if record["do"].startswith("full-access")][:2]
    assert added["with"] == {"alias": "bob", "trustee": "ada@example.com"}
    assert (added["before"], again["before"]) == (False, False)


def test_what_cannot_be_permitted_is_one_line_that_names_the_remedy(house: Installed) -> None:
    permission = ("mailbox", "permission")
    for words, says in (
        ((*permission, "list", "nobody"), "No mailbox has the alias or address nobody: `penfold mailbox list` shows"),
        ((*permission, "add", "bob", "--full-access", "nobody"), "Neither a mailbox nor a group is called nobody"),
        ((*permission, "add", "bob", "--full-access", "anyone"), "Neither a mailbox nor a group is called anyone"),
        ((*permission, "rm", "bob", "--full-access", "ada"), "Full access was not given there"),
    ):
        assert says in house.refused(*words), words
    house.run(*permission, "add", "bob", "ada", code=2)
