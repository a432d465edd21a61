"""The `penfold` command on an installation without a server; what a server adds is in test_server."""

import json
import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from adapters.server.cli import app
from tests.adapters.installed import PASSWORD, Installed, running


@pytest.fixture
def house(tmp_path: Path) -> Installed:
    return Installed(tmp_path / "mail").init()


def test_init_makes_everything_and_a_second_time_nothing(tmp_path: Path) -> None:
    """T-11.1, T-11.3."""
    house = Installed(tmp_path / "mail")
    first = house.json("init", "--domain", "Example.COM")
    assert first["made"] == ["settings_file", "database", "domain"]
    assert (first["domains"], first["databases"]) == (["example.com"], ["first"])
    assert Path(first["certificate"]).exists()
    before = house.file.read_text()
    again = house.json("init", "--domain", "example.com")
    assert again["made"] == []
    assert again == {**first, "made": []}
    assert house.file.read_text() == before


def test_init_says_what_to_do_next(tmp_path: Path) -> None:
    """T-11.1."""
    house = Installed(tmp_path / "mail")
    told = house.run("init", "--domain", "example.com").stdout
    assert f"penfold mailbox add ada --config {house.file}" in told
    assert f"penfold serve --config {house.file}" in told.splitlines()
    assert "Everything was there already" in house.run("init").stdout
    house.add("ada")
    assert "mailbox add" not in house.run("init", "--domain", "example.org").stdout


def test_init_lets_no_stranger_look_into_the_data(tmp_path: Path) -> None:
    house = Installed(tmp_path / "mail").init()
    assert stat.S_IMODE(house.directory.stat().st_mode) == 0o750
    assert stat.S_IMODE((house.directory / "tls" / "key.pem").stat().st_mode) == 0o600


def test_init_takes_an_existing_settings_file_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text('server.data_dir = "elsewhere"\n')
    result = CliRunner().invoke(app, ["init", "--config", str(file), "--domain", "example.com", "--json"])
    assert json.loads(result.stdout)["data_dir"] == str(tmp_path / "elsewhere")
    assert file.read_text() == 'server.data_dir = "elsewhere"\n'


@pytest.mark.parametrize("domain", ["", "not a domain", "192.0.2.1"])
def test_init_without_a_domain_or_with_a_bad_one_makes_nothing(tmp_path: Path, domain: str) -> None:
    house = Installed(tmp_path / "mail")
    words = ["--domain", domain] if domain else []
    house.refused("init", *words, code=1 if domain else 2)
    assert not house.directory.exists()


def test_a_new_mailbox_has_its_address_and_folders(house: Installed) -> None:
    made = house.add("ada", "--name", "Ada Byron")
    assert made["addresses"] == ["ada@example.com"]
    assert (made["name"], made["enabled"], made["database"], made["messages"]) == ("Ada Byron", True, "first", 0)
    assert [folder["path"] for folder in made["folders"]] == ["Archive", "Drafts", "INBOX", "Junk", "Sent", "Trash"]
    assert house.json("mailbox", "show", "ADA@example.com") == made
    assert house.json("mailbox", "list") == [
        {"alias": "ada", "name": "Ada Byron", "address": "ada@example.com", "enabled": True, "database": "first"}
    ]


def test_a_password_that_is_made_up_is_shown_once(house: Installed) -> None:
    password = house.json("mailbox", "add", "ada", "--generate")["password"]
    assert len(password) == 23
    assert password not in house.run("mailbox", "show", "ada").stdout
    assert password not in (house.directory / "administration.log").read_text()
    assert "Its password is " in house.run("mailbox", "set", "ada", "--generate").stdout


def test_the_password_is_the_first_line_of_the_input_or_nothing_is_done(house: Installed) -> None:
    assert "--password-stdin or --generate" in house.refused("mailbox", "add", "ada", code=2)
    house.refused("mailbox", "add", "ada", "--password-stdin", "--generate", code=2)
    house.refused("mailbox", "add", "ada", "--password-stdin", input="\n", code=2)
    assert "control characters" in house.refused("mailbox", "add", "ada", "--password-stdin", input="a\tb\n")
    assert house.json("mailbox", "list") == []


def test_no_command_takes_a_password_as_a_word(house: Installed) -> None:
    house.run("mailbox", "set", "ada", "--password", "secret", code=2)


REFUSALS = [
    (("mailbox", "show", "nobody"), "No mailbox has the alias or address nobody: `penfold mailbox list` shows"),
    (("mailbox", "rm", "nobody", "--yes"), "No mailbox has the alias"),
    (("mailbox", "set", "ada", "--add-address", "bob@example.com"), "Another recipient has the address"),
    (("mailbox", "set", "ada", "--add-address", "ada@elsewhere.org"), "`penfold domain add` makes it ours"),
    (("mailbox", "set", "ada", "--add-address", "no address"), "Not an address"),
    (("mailbox", "set", "ada", "--remove-address", "x@example.com"), "ada does not have the address"),
    (("mailbox", "set", "ada", "--remove-address", "ada@example.com"), "make another one the primary address"),
    (("mailbox", "set", "ada", "--quota", "1GB", "--quota-send", "2GB"), "may not be above"),
    (("mailbox", "set", "ada", "--quota", "1GB", "--use-database-quota"), "either"),
    (("mailbox", "set", "ada", "--name", " "), "Not a name to show"),
    (("mailbox", "add", "ada", "--generate"), "Another recipient has the alias ada: choose another"),
    (("mailbox", "add", "a b", "--generate"), "A name may not have the character U+0020"),
    (("mailbox", "add", "eve", "--generate", "--database", "second"), "`penfold database list` shows"),
    (("database", "show", "second"), "`penfold database list` shows"),
    (("database", "add", "First"), "already there: choose another name"),
    (("domain", "rm", "example.com"), "Recipients have addresses"),
    (("check", "second"), "`penfold database list` shows"),
]


def test_a_refusal_is_one_line_that_names_the_remedy(house: Installed) -> None:
    house.add("ada")
    house.add("bob")
    before = house.json("mailbox", "show", "ada")
    for words, says in REFUSALS:
        assert says in house.refused(*words), words
    assert house.json("mailbox", "show", "ada") == before


def test_a_misuse_is_told_from_a_refusal(house: Installed) -> None:
    for words in (
        ("mailbox", "set", "ada"),
        ("mailbox", "set", "ada", "--quota", "plenty"),
        ("database", "set", "first"),
        ("sessions", "kick"),
        ("sessions", "kick", "1", "--user", "ada"),
    ):
        house.refused(*words, code=2)


def test_what_needs_a_server_says_so(house: Installed) -> None:
    for words in (("sessions", "list"), ("sessions", "kick", "1"), ("sessions", "kick", "--user", "ada")):
        assert "start one with `penfold serve`" in house.refused(*words, code=3)


def test_a_directory_without_an_installation_is_out_of_reach(tmp_path: Path) -> None:
    house = Installed(tmp_path / "nothing")
    for words in (("mailbox", "list"), ("serve",), ("show",)):
        assert "run `penfold init`" in house.refused(*words, code=3)
    assert not house.directory.exists()
    house.directory.mkdir()
    for words in (("mailbox", "list"), ("serve",)):
        assert "run `penfold init`" in house.refused(*words, code=3)
    assert list(house.directory.iterdir()) == []


def test_a_directory_that_cannot_be_made_is_out_of_reach(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    house = Installed(tmp_path / "file" / "mail")
    assert "cannot be written (Not a directory)" in house.refused("init", "--domain", "example.com", code=3)
    assert "Not a directory" in house.refused("demo", code=3)


def test_a_damaged_installation_is_out_of_reach(house: Installed) -> None:
    (house.directory / "organization.db").write_bytes(b"no database" * 1000)
    for words in (("mailbox", "list"), ("demo",)):
        assert "organization.db is damaged (file is not a database)" in house.refused(*words, code=3)
    with running("serve", "--dir", str(house.directory)) as server:
        assert server.ended() == 3
        assert "run `penfold check --repair`" in server.log


def test_a_mailbox_database_that_is_missing_is_not_replaced_by_an_empty_one(house: Installed) -> None:
    house.add("ada")
    file = house.directory / "databases" / "first.db"
    file.unlink()
    assert f"{file} is missing, with all the mail that was in it: mount its disk" in house.refused("check", code=3)
    assert not file.exists()
    file.write_bytes(b"")
    assert f"{file} is empty, with all the mail that was in it: mount its disk" in house.refused("check", code=3)
    assert file.stat().st_size == 0


def test_an_organization_that_is_empty_is_not_taken_for_a_new_one(house: Installed) -> None:
    file = house.directory / "organization.db"
    file.write_bytes(b"")
    assert f"{file} is empty, but there are mailbox databases" in house.refused("mailbox", "list", code=3)
    assert file.stat().st_size == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("words", [("mailbox", "list"), ("serve",), ("show",), ("init",), ("demo",)])
def test_a_stranger_is_told_whose_the_installation_is(house: Installed, words: tuple[str, ...]) -> None:
    for folder in house.directory.parents[:-1]:
        folder.chmod(folder.stat().st_mode | 0o011)
    house.directory.chmod(0o700)
    os.seteuid(65534)
    try:
        refused = house.refused(*words, code=3)
    finally:
        os.seteuid(0)
    assert "root" in refused


def test_every_mistake_in_the_settings_is_told_with_its_line(house: Installed) -> None:
    house.file.write_text("[imap]\nlisten = 143\n[smpt]\n")
    result = house.run("mailbox", "list", code=4)
    assert result.stderr.splitlines() == [
        f"penfold: {house.file}:2: imap.listen: Expected a list",
        f"penfold: {house.file}:3: Unknown section [smpt]: did you mean smtp?",
    ]


def test_the_settings_file_may_come_from_the_environment(house: Installed) -> None:
    result = CliRunner().invoke(app, ["domain", "list"], env={"PENFOLD_CONFIG": str(house.file)})
    assert "example.com  yes" in result.stdout


def test_quotas_show_whose_they_are(house: Installed) -> None:
    """T-1.2, T-11.2."""
    house.add("ada")
    inherited = house.json("mailbox", "show", "ada")["quota"]
    assert inherited == {
        "warn": 1_991_680 << 10,
        "prohibit_send": 2_097_152 << 10,
        "prohibit_all": 2_411_520 << 10,
        "source": "database",
    }
    own = house.json("mailbox", "set", "ada", "--quota", "5GB", "--quota-warn", "4GB")["quota"]
    assert own == {"warn": 4 << 30, "prohibit_send": None, "prohibit_all": 5 << 30, "source": "mailbox"}
    assert house.json("mailbox", "set", "ada", "--quota-warn", "none")["quota"]["warn"] is None
    assert "5.0 GB (of the mailbox)" in house.run("mailbox", "show", "ada").stdout
    database = house.json("database", "set", "first", "--quota", "none")
    assert database["quota"]["prohibit_all"] is None
    assert house.json("mailbox", "show", "ada")["quota"]["prohibit_all"] == 5 << 30
    again = house.json("mailbox", "set", "ada", "--use-database-quota")["quota"]
    assert (again["prohibit_all"], again["source"]) == (None, "database")


def test_addresses_come_go_and_change_places(house: Installed) -> None:
    house.add("ada")
    house.run("domain", "add", "example.org")
    words = ("--add-address", "a.byron@example.com", "--primary-address", "Ada@example.org")
    changed = house.json("mailbox", "set", "ada", *words)
    assert changed["addresses"] == ["Ada@example.org", "ada@example.com", "a.byron@example.com"]
    assert house.json("mailbox", "set", "ada", *words) == changed
    removed = house.json("mailbox", "set", "ada", "--remove-address", "ADA@example.com")
    assert removed["addresses"] == ["Ada@example.org", "a.byron@example.com"]


def test_disabling_and_enabling_may_be_done_again(house: Installed) -> None:
    """T-11.3."""
    house.add("ada")
    for verb, enabled in (("disable", False), ("disable", False), ("enable", True), ("enable", True)):
        assert house.json("mailbox", verb, "ada")["enabled"] is enabled


def test_removing_a_mailbox_asks_first(house: Installed) -> None:
    house.add("ada")
    result = house.run("mailbox", "rm", "ada", input="n\n", code=1)
    assert "with 0 messages, for good?" in result.stderr
    assert house.run("mailbox", "rm", "ada", input="y\n").stdout.endswith("ada is gone\n")
    assert house.json("mailbox", "list") == []
    assert house.json("check")["databases"][0]["mailboxes"] == 0


def test_more_mailboxes_than_a_page_are_listed(house: Installed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.server.administration.mailboxes.PAGE", 2)
    for alias in ("eve", "Bob", "ada", "cy"):
        house.add(alias)
    assert [row["alias"] for row in house.json("mailbox", "list")] == ["ada", "Bob", "cy", "eve"]


def test_databases_and_domains_are_shown(house: Installed) -> None:
    house.json("database", "add", "second")
    house.add("ada", "--database", "second")
    first, second = house.json("database", "list")
    assert (first["name"], first["mailboxes"]) == ("first", 0)
    assert (second["name"], second["mounted"], second["mailboxes"], second["used_bytes"]) == ("second", True, 1, 0)
    assert second["disk_bytes"] > 0
    assert house.json("domain", "add", "example.org", "--default")[1] == {"domain": "example.org", "default": True}
    assert house.add("bob")["addresses"] == ["bob@example.org"]
    assert "MAILBOXES" in house.run("database", "list").stdout
    assert "On disk" in house.run("database", "show", "second").stdout


def test_a_sound_store_passes_its_check(house: Installed) -> None:
    house.add("ada")
    assert house.run("check", "--deep").stdout == "first: sound (1 mailbox)\n"
    assert house.json("check") == {
        "sound": True,
        "deep": False,
        "databases": [
            {"name": "first", "mounted": True, "mailboxes": 1, "broken": [], "broken_count": 0, "unowned": []}
        ],
    }


def test_what_is_broken_is_mended_and_what_is_lost_is_named(house: Installed) -> None:
    house.add("ada")
    assert house.run("check", "--repair").stdout == "first: sound\n"
    assert house.json("check", "--repair")["sound"] is True
    file = house.directory / "databases" / "first.db"
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("INSERT INTO entry VALUES (1, 1, 1, 7, 1, 0, 0, 0, 0)")
        database.execute("DELETE FROM folder WHERE folder_id = 2")
        database.execute("INSERT INTO entry SELECT mailbox_id, 2, uid, 8, modseq, 0, 0, 0, 0 FROM entry")
    assert house.run("check", code=1).stdout.startswith("first: ")
    told = house.run("check", "--repair").stdout
    assert "broken promises, all mended" in told
    assert "ada: look at the folder Recovered 2" in told
    assert "ada: lost from INBOX: 1 of UID 1" in told
    assert "ada: lost from Recovered 2: 1 of UID 1" in told
    assert house.run("check").stdout == "first: sound (1 mailbox)\n"
    assert '"do":"repair"' in (house.directory / "administration.log").read_text()


def test_settings_are_shown_with_their_source(house: Installed) -> None:
    """T-11.2."""
    shown = {row["name"]: row for row in house.json("show", "--effective")}
    assert shown["server.data_dir"] == {
        "name": "server.data_dir",
        "value": f'"{house.directory}"',
        "source": "file",
        "after_restart": None,
    }
    assert shown["imap.listen"]["source"] == "default"
    assert [row["name"] for row in house.json("show")] == ["server.data_dir"]
    assert "server.data_dir" in house.run("show").stdout


def test_names_move_no_cursor_and_are_no_markup(house: Installed) -> None:
    house.add("ada", "--name", "[bold]Ada[/bold]")
    assert "[bold]Ada[/bold]" in house.run("mailbox", "list").stdout
    from adapters.server.cli.printing import shown

    assert shown("a\x1b[2J\u202eb\n") == "a?[2J?b?"


def test_files_are_kept_from_strangers_at_least() -> None:
    """An administrator's umask may be stricter."""
    for before, after in ((0o022, 0o027), (0o077, 0o077)):
        program = (
            f"import os; os.umask({before}); from adapters.server import cli; cli.app = lambda: 0\n"
            "try: cli.main()\nfinally: print(os.umask(0))"
        )
        printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
        assert int(printed) == after


def test_an_empty_list_of_settings_says_what_that_means(tmp_path: Path) -> None:
    house = Installed(tmp_path).init()
    house.file.write_text("")
    result = CliRunner().invoke(app, ["show", "--config", str(house.file)])
    assert result.stdout == "Every setting is at its default: --effective shows them.\n"


@pytest.mark.parametrize("words", [("--port-base", "-1"), ("--port-base", "64543"), ("--users", "0")])
def test_a_demo_with_numbers_that_cannot_be_is_misused(tmp_path: Path, words: tuple[str, ...]) -> None:
    Installed(tmp_path / "demo").run("demo", *words, code=2)
    assert not (tmp_path / "demo").exists()


def test_the_version_is_printed() -> None:
    assert CliRunner().invoke(app, ["version"]).stdout == "0.1.0\n"
    assert json.loads(CliRunner().invoke(app, ["version", "--json"]).stdout) == {"version": "0.1.0"}


def test_the_shell_completes() -> None:
    words = {"_PENFOLD_COMPLETE": "complete_bash", "COMP_WORDS": "penfold mailb", "COMP_CWORD": "1"}
    assert "mailbox" in CliRunner().invoke(app, [], env=words, prog_name="penfold").stdout


def test_what_was_changed_is_on_record_without_passwords(house: Installed) -> None:
    """T-11.3."""
    house.add("ada")
    house.run("mailbox", "set", "ada", "--name", "Ada", "--password-stdin", input="new " + PASSWORD)
    house.refused("mailbox", "disable", "nobody")
    house.run("mailbox", "list")
    changed, refused = house.trail()[-2:]
    assert (changed["do"], changed["via"], changed["with"]) == (
        "mailbox.set",
        "command",
        {"alias": "ada", "name": "Ada"},
    )
    assert (changed["before"]["name"], changed["after"]["mailbox"]["name"]) == ("ada", "Ada")
    assert changed["who"]
    assert "No mailbox" in refused["refused"]
    assert PASSWORD not in (house.directory / "administration.log").read_text()
    assert stat.S_IMODE((house.directory / "administration.log").stat().st_mode) == 0o600


def test_a_fault_is_told_as_one_and_where_it_is_on_demand(house: Installed, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr("adapters.server.cli.domains._print", fails)
    assert "a fault of Penfold's: ZeroDivisionError: oh" in house.refused("domain", "list", code=5)
    monkeypatch.setenv("PENFOLD_TRACEBACK", "1")
    assert "in fails" in house.run("domain", "list", code=5).stderr
