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


def test_impersonation_is_permitted_shown_and_taken_back(house: Installed) -> None:
    """T-12.7."""
    permission = ("mailbox", "permission")
    assert not house.json(*permission, "list", "ada")["impersonation"]
    assert house.run(*permission, "add", "ada", "--impersonation").stdout == "ada may sign in as anybody now\n"
    house.run("mailbox", "set", "ada", "--name", "Ada")
    assert house.json(*permission, "list", "ada")["impersonation"]
    assert "May impersonate  yes" in house.run(*permission, "list", "ada").stdout
    assert house.json(*permission, "rm", "ada", "--impersonation") == {"alias": "ada", "sessions_ended": 0}
    assert not house.json(*permission, "list", "ada")["impersonation"]
    given, taken = [record for record in house.trail() if record["do"] == "impersonation.set"]
    assert (given["before"], taken["before"], taken["with"]) == (False, True, {"alias": "ada", "allowed": False})
    assert "No mailbox has the alias" in house.refused(*permission, "add", "eve", "--impersonation")


def test_what_cannot_be_permitted_is_one_line_that_names_the_remedy(house: Installed) -> None:
    permission = ("mailbox", "permission")
    for words, says in (
        ((*permission, "list", "nobody"), "No mailbox has the alias or address nobody: `penfold mailbox list` shows"),
        ((*permission, "add", "bob", "--full-access", "nobody"), "Neither a mailbox nor a group is called nobody"),
        ((*permission, "add", "bob", "--full-access", "anyone"), "Neither a mailbox nor a group is called anyone"),
        ((*permission, "rm", "bob", "--full-access", "ada"), "Full access was not given there"),
    ):
        assert says in house.refused(*words), words


MISUSED = [
    ("add", "bob", "ada"),
    ("add", "bob", "--full-access"),
    ("add", "bob", "ada", "--impersonation"),
    ("rm", "bob", "--folder", "INBOX"),
    ("rm", "bob", "--impersonation", "--full-access"),
    ("add", "bob", "ada", "--full-access", "--folder", "INBOX"),
    ("add", "bob", "ada", "--full-access", "--role", "Editor"),
    ("rm", "bob", "ada", "--full-access", "--recursive"),
]


def test_options_that_do_not_fit_together_are_told_from_refusals(house: Installed) -> None:
    for words in MISUSED:
        house.refused("mailbox", "permission", *words, code=2)


def test_what_cannot_be_permitted_in_a_folder_is_one_line(house: Installed) -> None:
    permission = ("mailbox", "permission")
    in_inbox = (*permission, "add", "bob", "ada", "--folder", "INBOX")
    for words, says in (
        (in_inbox, "Say either a role or rights"),
        ((*in_inbox, "--role", "Editor", "--rights", "lr"), "Say either a role or rights"),
        ((*in_inbox, "--role", "King"), "The roles are Owner, PublishingEditor, "),
        ((*in_inbox, "--rights", "lrz"), "Rights are some of the letters lrswipkxtea, not lrz"),
        ((*permission, "add", "bob", "eve", "--folder", "INBOX", "--rights", "l"), "is called eve"),
        (
            (*permission, "add", "bob", "ada", "--folder", "No", "--rights", "l"),
            "no such folder: `penfold mailbox show`",
        ),
        ((*permission, "list", "bob", "--folder", "No"), "There is no such folder"),
        ((*permission, "rm", "eve", "ada", "--folder", "INBOX"), "No mailbox has the alias"),
    ):
        assert says in house.refused(*words), words


def test_a_folder_of_a_mailbox_is_opened_to_others(house: Installed) -> None:
    house.run("group", "add", "Sales")
    permission = ("mailbox", "permission")
    changed = house.json(*permission, "add", "bob", "ada", "--folder", "inbox", "--role", "author")
    assert changed == {
        "folder": "inbox",
        "trustee": "ada",
        "rights": "lrswipte",
        "own_only": True,
        "folders_changed": 1,
    }
    house.run(*permission, "add", "bob", "group:sales", "--folder", "Sent", "--rights", "lr")
    house.run(*permission, "add", "bob", "anyone", "--folder", "Sent", "--rights", "l")
    lines = house.json(*permission, "list", "bob")["folders"]
    assert [(line["folder"], line["trustee"], line["rights"], line["role"]) for line in lines] == [
        ("INBOX", "ada", "lrswipte", "Author"),
        ("Sent", "anyone", "l", None),
        ("Sent", "group:Sales", "lr", None),
    ]
    assert "group:Sales  lr" in house.run(*permission, "list", "bob", "--folder", "Sent").stdout
    assert "INBOX" not in house.run(*permission, "list", "bob", "--folder", "Sent").stdout
    said = house.run(*permission, "rm", "bob", "group:Sales", "--folder", "Sent").stdout
    assert said == "group:Sales has nothing in Sent; 1 folder changed\n"
    assert [line["trustee"] for line in house.json(*permission, "list", "bob", "--folder", "Sent")["folders"]] == [
        "anyone"
    ]


# ---------------------------------------------------------------------------------------------- shared mailboxes


def test_a_shared_mailbox_has_no_password_until_it_is_given_one(house: Installed) -> None:
    """T-12.7."""
    made = house.json("mailbox", "add", "info", "--shared")
    assert (made["shared"], made["addresses"], made["enabled"]) == (True, ["info@example.com"], True)
    assert ["Shared", "yes"] in [line.split() for line in house.run("mailbox", "show", "info").stdout.splitlines()]
    assert not house.json("mailbox", "show", "ada")["shared"]
    for words in (("--generate",), ("--password-stdin",)):
        assert "has no password" in house.refused("mailbox", "add", "x", "--shared", *words, input="pass\n", code=2)
    assert not house.json("mailbox", "set", "info", "--generate")["shared"]
    record = next(record for record in house.trail() if record["do"] == "mailbox.add" and record["after"]["shared"])
    assert record["with"] == {"alias": "info"}


# ---------------------------------------------------------------------------------------------- public folders


def test_public_folders_are_made_listed_shown_and_removed(house: Installed) -> None:
    assert house.json("public-folder", "list") == []
    assert "There are no public folders yet" in house.refused("public-folder", "show", "Sales")
    made = house.json("public-folder", "create", "Sales/Orders")
    assert (made["path"], made["database"], made["messages"], made["permissions"]) == ("Sales/Orders", "first", 0, [])
    assert "Nobody sees it yet" in house.run("public-folder", "create", "News").stdout
    assert [row["path"] for row in house.json("public-folder", "list")] == ["News", "Sales", "Sales/Orders"]
    assert "Sales/Orders" in house.run("public-folder", "list").stdout
    assert "first" in house.run("public-folder", "show", "News").stdout
    asked = house.run("public-folder", "rm", "News", input="n\n", code=1)
    assert "Remove News with 0 messages, for good?" in asked.stderr
    assert house.run("public-folder", "rm", "News", "--yes").stdout == "News is gone\n"
    assert house.json("public-folder", "rm", "Sales", "--yes")["path"] == "Sales"
    rows = house.json("public-folder", "list")
    assert [(row["path"], row["selectable"]) for row in rows] == [("Sales", False), ("Sales/Orders", True)]
    (checked,) = house.json("check")["databases"]
    assert (checked["broken"], checked["unowned"]) == ([], [])


def test_there_is_one_mailbox_of_public_folders(house: Installed) -> None:
    house.run("database", "add", "second")
    assert house.json("public-folder", "create", "Sales", "--database", "second")["database"] == "second"
    assert house.json("public-folder", "create", "News")["database"] == "second"
    refused = house.refused("public-folder", "create", "More", "--database", "first")
    assert refused == "The public folders are in the mailbox database second: leave --database out"
    assert [row["mailboxes"] for row in house.json("database", "list")] == [2, 1]


def test_what_no_public_folder_may_be_called_is_refused(house: Installed) -> None:
    house.run("public-folder", "create", "Sales")
    for path, says in (("inbox/x", "called INBOX"), ("a//b", "may not be empty"), ("Sales", "exists already")):
        assert says in house.refused("public-folder", "create", path)
    assert "`penfold public-folder list`" in house.refused("public-folder", "rm", "News", "--yes")


def test_a_new_folder_has_the_permissions_of_the_one_above_and_a_later_change_goes_down_when_asked(
    house: Installed,
) -> None:
    """T-2.5."""
    permission = ("public-folder", "permission")
    assert "There are no public folders yet" in house.refused(*permission, "add", "Sales", "ada", "--role", "Owner")
    house.run("public-folder", "create", "Sales")
    house.run(*permission, "add", "Sales", "ada", "--role", "Owner")
    inherited = house.json("public-folder", "create", "Sales/Orders")["permissions"]
    assert [(line["trustee"], line["role"]) for line in inherited] == [("ada", "Owner")]
    said = house.run(*permission, "add", "Sales", "bob", "--role", "PublishingAuthor").stdout
    assert said == "bob has lrswipkte (own messages only) in Sales; 1 folder changed\n"
    assert house.json(*permission, "list", "Sales/Orders") == inherited
    everywhere = house.json(*permission, "add", "Sales", "bob", "--role", "Reviewer", "--recursive")
    assert everywhere["folders_changed"] == 2
    lines = house.json(*permission, "list", "Sales/Orders")
    assert [(line["trustee"], line["rights"]) for line in lines] == [("ada", "lrswipkxtea"), ("bob", "lrs")]
    assert "Reviewer" in house.run(*permission, "list", "Sales").stdout
    assert house.json(*permission, "rm", "Sales", "ada", "--recursive")["folders_changed"] == 2
    assert [line["trustee"] for line in house.json(*permission, "list", "Sales")] == ["bob"]
    house.run(*permission, "add", "Sales", "bob", "--role", "None")
    assert house.json(*permission, "list", "Sales") == []
    added = next(record for record in house.trail() if record["do"] == "folder-permission.add" and record["before"])
    assert [line["role"] for line in added["before"]] == ["PublishingAuthor"]


def test_public_folders_in_a_missing_database_stop_the_start(house: Installed) -> None:
    house.run("database", "add", "second")
    house.run("public-folder", "create", "Sales", "--database", "second")
    (house.directory / "databases" / "second.db").unlink()
    assert "second.db is missing, with all the mail that was in it" in house.refused("mailbox", "list", code=3)
