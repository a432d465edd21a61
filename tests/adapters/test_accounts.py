"""What sessions are told of people: whose mailboxes are open to whom, and who is meant by a name."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from adapters.directory.throttle import Throttle
from adapters.net.census import Census
from adapters.server.accounts import Accounts
from adapters.server.admission import Admission
from adapters.server.config import Auth, Server, Settings
from adapters.server.executor import StoreExecutor
from adapters.server.installation import Installation
from core.model import MailboxId
from core.recipients import Quota, Recipient, RecipientId
from core.rights import ANYONE, Actor
from core.watching import Views
from protocols.imap.finding.kept import Kept
from protocols.imap.naming.homes import Home
from protocols.imap.offering.policy import ClientPolicy
from protocols.imap.services import Account
from tests.adapters.test_control import Log


class House:
    """An installation, and what its sessions would be told."""

    def __init__(self, directory: Path) -> None:
        settings = Settings(server=Server(data_dir=directory), auth=Auth(scram_iterations=4096))
        self.installation = Installation(settings, create=True)
        self.installation.add_database("first")
        self.organization = self.installation.organization
        self.sharing = self.organization.sharing
        self.organization.add_domain("example.com")
        self.log = Log()
        loop = asyncio.new_event_loop()
        self.executor = StoreExecutor(self.installation.databases, loop)
        loop.close()
        self.accounts = Accounts(
            organization=self.organization,
            directory=self.installation.directory,
            tokens=None,
            throttle=Throttle(self.installation.clock),
            admission=Admission(Census(), total=10, per_address=10, per_account=10),
            executor=self.executor,
            views=Views(),
            kept=Kept(),
            clock=self.installation.clock,
            entropy=self.installation.entropy,
            spool=lambda database_id: self.installation.spool(database_id, 1000),
            append_limit=1000,
            plaintext_logins=True,
            may_unauthenticate=True,
            client_policy=ClientPolicy(),
            url_access=None,
            has_tls=False,
            channel_bindings={},
            quota_admins=frozenset(),
            administer=lambda user, ask: None,
            annotations={},
            log=self.log,
        )

    def add(self, alias: str, password: str = "pass", database: str = "") -> Recipient:
        credential = self.installation.passwords.make(password.encode())
        return self.installation.add_mailbox(alias, credential, database=database)

    def group(self, name: str, *members: RecipientId) -> RecipientId:
        group_id = self.sharing.add_group(name, at=0).group_id
        for member in members:
            self.sharing.add_member(group_id, member)
        return group_id

    def close(self) -> None:
        self.executor.close()
        self.installation.close()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path / "mail")
    try:
        yield house
    finally:
        house.close()


def account(recipient: Recipient) -> Account:
    return Account(recipient.alias, recipient.mailbox_id, recipient.database_id, recipient.recipient_id)


def own(recipient: Recipient) -> Home:
    """The mailbox as its owner comes to it."""
    return Home(recipient.mailbox_id, recipient.database_id, None)


def test_a_list_may_mean_somebody_by_name_by_group_or_as_anyone(house: House) -> None:
    ada = house.add("ada")
    team = house.group("team", ada.recipient_id)
    firm = house.group("firm", team)
    house.group("others")
    assert house.accounts.trustees(account(ada)) == {ada.recipient_id, team, firm, ANYONE}


def test_full_access_makes_an_owner_of_whoever_has_it(house: House) -> None:
    """T-12.7: by name, or through a group; to all others the mailbox has its lists."""
    boss, ada, bob, eve = (house.add(alias) for alias in ("Boss", "ada", "bob", "eve"))
    staff = house.group("staff", house.group("team", bob.recipient_id))
    house.sharing.add_full_access(boss.recipient_id, ada.recipient_id)
    house.sharing.add_full_access(boss.recipient_id, staff)
    for who in (ada, bob):
        assert house.accounts.full_access(account(who)) == [("Boss", own(boss))]
        assert house.accounts.mailbox_of(account(who), "boss") == own(boss)
    assert house.accounts.full_access(account(eve)) == []
    by = Actor(eve.recipient_id, frozenset((eve.recipient_id, ANYONE)))
    assert house.accounts.mailbox_of(account(eve), "boss") == Home(boss.mailbox_id, boss.database_id, by)
    assert house.accounts.mailbox_of(account(eve), "nobody") is None
    assert house.accounts.mailbox_of(account(eve), "boss" * 17) is None
    house.sharing.remove_full_access(boss.recipient_id, staff)
    assert house.accounts.full_access(account(bob)) == []


def test_nobody_is_another_to_himself(house: House) -> None:
    ada = house.add("ada")
    house.sharing.add_full_access(ada.recipient_id, house.group("all", ada.recipient_id))
    assert house.accounts.full_access(account(ada)) == []
    assert house.accounts.mailbox_of(account(ada), "ADA") is None


def test_a_mailbox_that_is_not_mounted_is_left_out(house: House) -> None:
    """T-1.5: a list of folders must not fail because of another's database."""
    house.installation.add_database("second")
    ada, boss = house.add("ada"), house.add("boss", database="second")
    house.sharing.add_full_access(boss.recipient_id, ada.recipient_id)
    house.installation.databases.pop(boss.database_id).close()
    assert house.accounts.full_access(account(ada)) == []
    assert house.accounts.mailbox_of(account(ada), "boss") == own(boss)


def test_who_may_impersonate_acts_for_all_who_are_enabled(house: House) -> None:
    """T-12.7, RFC 4422 3.4.1."""
    ada, bob, eve = (house.add(alias) for alias in ("ada", "bob", "eve"))
    act_for = house.accounts.act_for
    for own_name in ("ada", "ADA", "ada@example.com"):
        assert act_for(account(ada), own_name) == account(ada)
    assert act_for(account(ada), "bob") is act_for(account(ada), "nobody") is None
    ada = house.organization.set_recipient(replace(ada, may_impersonate=True))
    assert act_for(account(ada), "bob") == act_for(account(ada), "Bob@example.com") == account(bob)
    house.organization.set_recipient(replace(eve, enabled=False))
    assert act_for(account(ada), "eve") is act_for(account(ada), "nobody") is None
    house.organization.set_recipient(replace(ada, enabled=False))
    assert act_for(account(ada), "bob") is act_for(account(ada), "ada") is None


def test_nobody_signs_in_to_a_shared_mailbox_but_it_takes_mail_and_is_open_to_others(house: House) -> None:
    """T-12.7: no password, no token, no certificate."""
    info = house.installation.add_mailbox("info", None)
    ada = house.organization.set_recipient(replace(house.add("ada"), may_impersonate=True))
    assert house.accounts.sign_in("info", b"") is house.accounts.sign_in("info", b"pass") is None
    assert house.accounts.sign_in_again("info", b"pass") is None
    assert house.accounts.sign_in_with_certificate(("info@example.com",), "") is None
    assert house.accounts.sign_in_with_certificate(("info@example.com", "ada@example.com"), "info") == account(ada)
    keys, others = house.accounts.keys("info", "sha256"), house.accounts.keys("nobody", "sha256")
    assert (len(keys.salt), keys.iterations) == (len(others.salt), others.iterations)
    assert house.accounts.route("info@example.com").mailbox_id == info.mailbox_id
    house.sharing.add_full_access(info.recipient_id, ada.recipient_id)
    assert house.accounts.mailbox_of(account(ada), "info") == own(info)
    assert house.accounts.act_for(account(ada), "info") == account(info)
    house.installation.directory.set_password(info.recipient_id, b"pass")
    assert house.accounts.sign_in("info", b"pass") == account(info)


def test_both_names_of_an_impersonation_are_logged(house: House) -> None:
    ada, bob = house.add("ada"), house.add("bob")
    house.accounts.login_succeeded("192.0.2.1", "ada")
    house.accounts.login_succeeded("192.0.2.1", "ada", account(bob))
    assert house.log.events == [
        ("signin", {"peer": "192.0.2.1", "login": "ada"}),
        ("signin.impersonated", {"peer": "192.0.2.1", "login": "ada", "user": "bob"}),
    ]
    assert not ada.may_impersonate


def test_a_certificate_with_several_names_is_of_the_one_who_is_meant(house: House) -> None:
    ada, bob, eve = (house.add(alias) for alias in ("ada", "bob", "eve"))
    names = ("nobody@example.com", "ada@example.com", "bob@example.com")
    for authzid, whose in (("", ada), ("bob", bob), ("ada", ada), ("eve", ada), ("nobody", ada)):
        assert house.accounts.sign_in_with_certificate(names, authzid) == account(whose)
    assert house.accounts.sign_in_with_certificate(names[:1], "eve") is None
    assert house.accounts.act_for(account(ada), "eve") is None
    assert eve.enabled


def test_public_folders_are_for_everybody_as_their_lists_say(house: House) -> None:
    ada = house.add("ada")
    assert house.accounts.public_folders(account(ada)) is None
    house.installation.add_database("second")
    public = house.installation.make_public_folders("second")
    by = Actor(ada.recipient_id, frozenset((ada.recipient_id, ANYONE)))
    home = Home(public.mailbox_id, public.database_id, by)
    assert house.accounts.public_folders(account(ada)) == home
    assert house.accounts.alias_of(public.mailbox_id) is None
    assert house.organization.database(public.database_id).name == "second"
    house.installation.databases.pop(public.database_id).close()
    assert house.accounts.public_folders(account(ada)) is None, "or no list of folders could be had"


def test_public_folders_have_the_quota_of_their_database(house: House) -> None:
    """T-1.2."""
    ada, public = house.add("ada"), house.installation.make_public_folders()
    house.organization.set_database_quota(public.database_id, Quota(prohibit_all=5))
    home = house.accounts.public_folders(account(ada))
    assert home is not None
    assert house.accounts.quota(home) == 5
    house.organization.set_recipient(replace(ada, use_database_quota=False, own_quota=Quota(prohibit_all=7)))
    assert house.accounts.quota(own(ada)) == 7


def test_trustees_are_called_by_alias_address_group_and_anyone(house: House) -> None:
    """RFC 4314 3."""
    ada = house.add("Ada")
    team = house.group("The Team")
    meant = house.accounts.trustee
    assert meant("ada") == meant("ADA@example.com") == ada.recipient_id
    assert meant("group:the team") == meant("GROUP:The Team") == team
    assert meant("anyone") == meant("Anyone") == ANYONE
    for nobody in ("", "nobody", "group:ada", "group:", "the team", "ada@elsewhere.example", "x" * 255):
        assert meant(nobody) is None
    assert [house.accounts.identifier(number) for number in (ada.recipient_id, team, ANYONE)] == [
        "Ada",
        "group:The Team",
        "anyone",
    ]
    house.organization.delete_recipient(ada.recipient_id)
    house.sharing.delete_group(team)
    assert house.accounts.identifier(ada.recipient_id) is house.accounts.identifier(team) is None


def test_whose_a_mailbox_is(house: House) -> None:
    ada = house.add("ada")
    assert house.accounts.alias_of(ada.mailbox_id) == "ada"
    assert house.accounts.alias_of(MailboxId(99)) is None


def test_a_user_is_named_as_in_signing_in(house: House) -> None:
    """By alias or by address, and only while he may sign in."""
    ada = house.add("ada")
    named = house.accounts.account_named
    assert named("ADA") == named("ada@example.com") == account(ada)
    assert (named("bob"), named("ada@example.org"), named("")) == (None, None, None)
    house.organization.set_recipient(replace(ada, enabled=False))
    assert named("ada") is None


def test_databases_are_there_though_they_are_not_mounted(house: House) -> None:
    second = house.installation.add_database("second").database_id
    both = sorted(house.accounts.databases())
    house.installation.databases.pop(second).close()
    assert second not in house.accounts.databases()
    assert sorted(house.accounts.all_databases()) == both
