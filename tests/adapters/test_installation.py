"""An installation on disk: where things are, who may have it, and what happens when something is not there."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.server.config import HostName, Server, Settings, Tls
from adapters.server.installation import DEFAULT_FOLDERS, DatabaseMissing, Installation, NotInstalled
from adapters.stores.sqlite import DatabaseLocked
from core.errors import NoSuchRecipient
from core.recipients import Credential, InvalidAlias, NoSuchDatabase, RecipientExists


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(server=Server(data_dir=tmp_path / "mail"))


@pytest.fixture
def house(settings: Settings) -> Iterator[Installation]:
    house = Installation(settings, create=True)
    house.organization.add_domain("example.com")
    try:
        yield house
    finally:
        house.close()


def credential(house: Installation) -> Credential:
    return house.passwords.make(b"secret")


def test_nothing_is_made_where_nothing_was_asked_for(settings: Settings) -> None:
    with pytest.raises(NotInstalled, match="penfold init"):
        Installation(settings)
    assert not settings.server.data_dir.exists()


def test_an_installation_has_one_owner_at_a_time(settings: Settings, house: Installation) -> None:
    with pytest.raises(DatabaseLocked):
        Installation(settings)
    house.add_database("first")
    house.close()
    again = Installation(settings)
    try:
        with pytest.raises(DatabaseLocked):
            Installation(settings)
    finally:
        again.close()


def test_everything_is_there_again_when_it_is_opened_again(settings: Settings, house: Installation) -> None:
    house.add_database("first")
    made = house.add_mailbox("ada", credential(house))
    house.close()
    again = Installation(settings)
    try:
        assert again.recipient("Ada@EXAMPLE.com") == made
        with again.databases[made.database_id].read() as tx:
            assert {folder.name for folder in tx.folders(made.mailbox_id)} == {new.path for new in DEFAULT_FOLDERS}
    finally:
        again.close()


def test_a_database_that_cannot_be_opened_leaves_no_lock_behind(settings: Settings, house: Installation) -> None:
    house.add_database("first")
    house.close()
    file = settings.server.data_dir / "databases" / "first.db"
    file.rename(file.with_suffix(".away"))
    file.mkdir()
    for _ in range(2):
        with pytest.raises(Exception, match="unable to open"):
            Installation(settings)
    file.rmdir()
    file.with_suffix(".away").rename(file)
    Installation(settings).close()


def test_a_database_is_made_anew_only_where_no_mail_is_lost(settings: Settings, house: Installation) -> None:
    """A crash may come between its entry and its file; a disk that is not mounted looks the same."""
    for name in ("first", "second"):
        house.add_database(name)
    house.add_mailbox("ada", credential(house), database="first")
    house.close()
    folder = settings.server.data_dir / "databases"
    (folder / "second.db").unlink()
    Installation(settings).close()
    assert (folder / "second.db").exists()
    (folder / "first.db").rename(folder / "first.away")
    for create in (False, True):
        with pytest.raises(DatabaseMissing, match=r"first\.db is missing"):
            Installation(settings, create=create)
    (folder / "first.away").rename(folder / "first.db")
    Installation(settings).close()


def test_a_mailbox_needs_a_database(house: Installation) -> None:
    with pytest.raises(NoSuchDatabase, match="no mailbox database yet"):
        house.add_mailbox("ada", credential(house))


def test_a_refused_mailbox_leaves_nothing_behind(house: Installation) -> None:
    info = house.add_database("first")
    house.add_mailbox("ada", credential(house))
    with pytest.raises(RecipientExists):
        house.add_mailbox("ADA", credential(house))
    with pytest.raises(InvalidAlias):
        house.add_mailbox("bob", credential(house), name=" \n")
    with house.databases[info.database_id].read() as tx:
        assert len(tx.mailboxes()) == 1


def test_a_removed_mailbox_is_gone_with_all_that_was_in_it(house: Installation) -> None:
    """T-1.4, but for the days in which it could be had back."""
    house.add_database("first")
    made = house.add_mailbox("ada", credential(house))
    house.remove_mailbox("ada@example.com")
    with pytest.raises(NoSuchRecipient, match="ada"):
        house.recipient("ada")
    with house.databases[made.database_id].read() as tx:
        assert tx.mailboxes() == []
    assert house.add_mailbox("ada", credential(house)).mailbox_id != made.mailbox_id


def test_the_certificate_is_our_own_until_the_settings_name_one(tmp_path: Path, house: Installation) -> None:
    assert house.ensure_certificate()
    assert not house.ensure_certificate()
    assert house.certificate == (house.root / "tls" / "certificate.pem", house.root / "tls" / "key.pem")
    theirs = Settings(
        server=Server(data_dir=tmp_path / "other", hostname=HostName("mail.example.com")),
        tls=Tls(tmp_path / "c.pem", tmp_path / "k.pem"),
    )
    other = Installation(theirs, create=True)
    try:
        assert other.certificate == (tmp_path / "c.pem", tmp_path / "k.pem")
        assert not other.ensure_certificate()
        assert (other.hostname, house.hostname) == ("mail.example.com", os.uname().nodename)
    finally:
        other.close()
