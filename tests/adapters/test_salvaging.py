"""`penfold check --repair` on an installation with damaged files: what can be read is there, what is lost is named."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapters.server import demo, salvaging
from adapters.server.config import Server, Settings
from adapters.server.installation import Installation
from adapters.stores.salvage.tables import known
from adapters.stores.sqlite import PAGE_OCTETS, DatabaseDamaged
from core.commands import Append, Filing, Flags
from core.model import MAX_UID, SEEN
from tests.adapters.installed import Installed, running
from tests.support.ports import free_ports

BODIES = [b"Subject: %d\r\n\r\n%s\r\n" % (number, b"x" * (number * 700)) for number in range(30)]
TODAY = 1_000


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """u1 has thirty messages, some of them in a pack, and u2 none."""
    directory = tmp_path_factory.mktemp("made") / "mail"
    settings = demo.settings(directory, free_ports(1)[0] % 1000 + 20_000)
    demo.prepare(settings, users=2, password="pass", sample=False)
    house = Installation(settings)
    try:
        recipient = house.recipient("u1")
        for body in BODIES:
            spool = house.spool(1, 1_000_000)
            spool.write(body)
            filing = Filing(spool.finish(), Flags(SEEN, ("word",)), house.clock.now(), 0)
            house.databases[1].write(Append(recipient.mailbox_id, "INBOX", (filing,), house.clock.now()))
            spool.keep()
    finally:
        house.close()
    return directory


@pytest.fixture
def house(made: Path, tmp_path: Path) -> Installed:
    shutil.copytree(made, tmp_path / "mail")
    return Installed(tmp_path / "mail")


def first_page(component: str, table: str) -> int:
    return next(one.root for one in known(component, TODAY) if one.name == table)


def zero(path: Path, *numbers: int) -> None:
    with path.open("r+b") as file:
        for number in numbers:
            file.seek((number - 1) * PAGE_OCTETS)
            file.write(bytes(PAGE_OCTETS))


def database(house: Installed) -> Path:
    return house.directory / "databases" / "first.db"


def bodies(house: Installed, user: str = "u1") -> dict[str, list[bytes]]:
    """What is in each folder."""
    opened = Installation(Settings(server=Server(data_dir=house.directory)))
    try:
        mailbox_id = opened.recipient(user).mailbox_id
        found: dict[str, list[bytes]] = {}
        with opened.databases[1].read() as tx:
            for folder in tx.folders(mailbox_id):
                for item in tx.items(mailbox_id, folder.folder_id, 1, MAX_UID):
                    blob = tx.blob(item.hash)
                    assert blob is not None
                    found.setdefault(folder.name, []).append(tx.read_blob(blob, 0, blob.size))
        return found
    finally:
        opened.close()


def repaired(house: Installed) -> Any:
    """What a repair says; nothing is broken after it, and another finds nothing to do."""
    told = house.json("check", "--repair")
    assert told["sound"]
    assert house.json("check", "--deep")["sound"]
    again = house.json("check", "--repair")
    assert (again["salvaged"], again["databases"][0]["found"]) == ([], 0)
    return told


@pytest.mark.parametrize(
    "table", ["mailbox", "folder", "keyword", "thread_key", "subscription", "organization", "pack"]
)
def test_no_message_is_lost_with_a_page_of_what_can_be_made_again(house: Installed, table: str) -> None:
    zero(database(house), first_page("mailbox", table))
    told = repaired(house)
    assert told["salvaged"][0]["damage_count"] == 1
    assert told["databases"][0]["lost"] == []
    assert bodies(house) == {"INBOX": BODIES}
    kept = Path(told["salvaged"][0]["kept_in"])
    assert sorted(path.name for path in kept.iterdir())[0] == "first.db"
    assert (kept.stat().st_mode & 0o777) == 0o700


def test_without_entries_all_messages_are_in_a_folder_of_their_own(house: Installed) -> None:
    zero(database(house), first_page("mailbox", "entry"))
    (mended,) = repaired(house)["databases"]
    assert mended["mailboxes"] == [{"mailbox": "u1", "refiled": 30, "folders": []}]
    assert mended["lost"] == [{"mailbox": "u1", "path": "INBOX", "count": 30, "uids": [[1, 30]]}]
    assert sorted(bodies(house)["Recovered"]) == sorted(BODIES)


def test_messages_of_which_no_row_is_left_are_named_and_their_bodies_kept_beside(house: Installed) -> None:
    zero(database(house), *pages_of(database(house), "message"))
    told = repaired(house)
    (lost,) = told["databases"][0]["lost"]
    (salvaged,) = told["salvaged"]
    assert lost["path"] == "INBOX"
    assert lost["count"] == salvaged["bodies"] == 30 - len(bodies(house).get("INBOX", []))
    files = list((Path(salvaged["kept_in"]) / "bodies").iterdir())
    assert {path.read_bytes() for path in files} | set(bodies(house).get("INBOX", [])) == set(BODIES)
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}


def pages_of(path: Path, table: str) -> list[int]:
    """Every page of a table but the first."""
    from adapters.stores.salvage.pages import PageFile
    from adapters.stores.salvage.trees import Trees

    with PageFile(path) as file:
        tables = known("mailbox", TODAY)
        return [number for number, one in Trees(file, tables).reached() if one.name == table and number != one.root]


def test_bodies_of_which_no_row_is_left_come_from_the_packs_or_leave_their_headers(house: Installed) -> None:
    root = first_page("mailbox", "blob")
    zero(database(house), root, *pages_of(database(house), "blob"))
    (mended,) = repaired(house)["databases"]
    large = [body for body in BODIES if len(body) > 16_384]
    assert mended["bodies_restored"] == len(large)
    assert len(mended["damaged"]) == len(BODIES) - len(large)
    found = bodies(house)["INBOX"]
    assert [body for body in found if not body.startswith(b"X-Penfold-Damaged")] == large
    assert sum(b"\r\nSubject: 3\r\n" in body for body in found) == 1


@pytest.mark.parametrize("octets", [b"garbage" * 10, b"\0" * 100])
def test_a_file_that_does_not_begin_as_a_database_loses_nothing(house: Installed, octets: bytes) -> None:
    with database(house).open("r+b") as file:
        file.write(octets)
    assert "is damaged (file is not a database)" in house.refused("check", code=3)
    repaired(house)
    assert bodies(house) == {"INBOX": BODIES}


def test_a_file_cut_off_at_its_beginning_leaves_mailboxes_that_take_mail(house: Installed) -> None:
    with database(house).open("r+b") as file:
        file.truncate(20_000)
    told = house.run("check", "--repair").stdout
    assert "made anew of the rows that could be read:\n  nothing\n" in told
    assert "and 20 more" in told
    assert bodies(house) == {}
    assert house.json("mailbox", "show", "u1")["alias"] == "u1"


@pytest.mark.parametrize("table", ["sequence", "secret", "accepted_domain", "credential"])
def test_an_organization_gives_no_number_twice_and_opens_its_databases(house: Installed, table: str) -> None:
    path = house.directory / "organization.db"
    zero(path, first_page("organization", table))
    repaired(house)
    assert bodies(house) == {"INBOX": BODIES}
    house.json("domain", "add", "example.net")
    assert house.add("new", "--address", "new@example.net")["alias"] == "new"
    assert bodies(house, "new") == {}
    assert house.json("check", "--deep")["sound"]


def test_who_was_lost_leaves_a_mailbox_that_nobody_inherits(house: Installed) -> None:
    zero(house.directory / "organization.db", first_page("organization", "recipient"))
    told = house.json("check", "--repair")
    assert told["sound"]
    assert house.json("check")["databases"][0]["unowned"] == [1, 2]
    house.add("new")
    assert bodies(house, "new") == {}


def test_an_exchange_that_was_cut_off_is_finished(house: Installed) -> None:
    path = database(house)
    shutil.copy(path, path.with_suffix(".rebuilt"))
    zero(path, *range(1, 20))
    path.with_suffix(".rebuilding").write_bytes(b"half-made")
    told = repaired(house)
    assert told["salvaged"][0]["damage"] == []
    assert bodies(house) == {"INBOX": BODIES}
    assert not path.with_suffix(".rebuilt").exists()


def test_what_an_organization_must_know_is_in_its_file_before_that_takes_its_place(
    house: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command that is cut off in between, and another that finds all but the exchange done."""

    def cut_off(path: Path, rebuilt: Path, at: int) -> Path:
        raise KeyboardInterrupt

    zero(house.directory / "organization.db", *(first_page("organization", table) for table in ("secret", "sequence")))
    with monkeypatch.context() as patch:
        patch.setattr(salvaging, "_exchange", cut_off)
        with pytest.raises(KeyboardInterrupt):
            salvaging.salvage(house.directory, 1, lambda step: None)
    repaired(house)
    house.add("new")
    assert bodies(house) == {"INBOX": BODIES}
    assert bodies(house, "new") == {}


def test_a_half_made_file_is_begun_again(house: Installed) -> None:
    path = database(house)
    for suffix in (".rebuilding", ".rebuilding-wal"):
        path.with_suffix(suffix).write_bytes(b"half-made")
    zero(path, first_page("mailbox", "keyword"))
    repaired(house)
    assert [path.name for path in path.parent.iterdir() if "rebuil" in path.name] == []


def test_a_running_server_keeps_its_files(house: Installed) -> None:
    """Its clients go on; what only a rebuilt file could mend is still told as broken."""
    house.listen_locally()
    with running("serve", "--config", str(house.file)) as server:
        server.logs("server.ready")
        zero(database(house), first_page("mailbox", "delivery_seen"))
        told = house.json("check", "--repair", "--deep", code=1)
        assert told["salvaged"] == []
        assert any("the file is damaged" in line for line in told["databases"][0]["broken"]), told
    repaired(house)


@pytest.mark.parametrize("spoil", [lambda path: path.unlink(), lambda path: path.write_bytes(b"")])
def test_nothing_is_made_of_a_file_that_is_not_there(house: Installed, spoil: Callable[[Path], None]) -> None:
    spoil(database(house))
    assert "with all the mail that was in it" in house.refused("check", "--repair", code=3)


def test_damage_is_an_error_of_its_own(house: Installed) -> None:
    zero(database(house), *range(3, 20))
    with pytest.raises(DatabaseDamaged, match=r"first\.db is damaged"):
        Installation(Settings(server=Server(data_dir=house.directory)))
