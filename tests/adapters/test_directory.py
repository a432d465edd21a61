"""The directory: who gets mail for an address, who may sign in, and who has to wait."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import scramp  # type: ignore[import-untyped]

from adapters.directory import throttle as throttling
from adapters.directory.local import LocalDirectory
from adapters.directory.passwords import Passwords
from adapters.directory.throttle import LONGEST, Throttle
from adapters.directory.verified import VerifiedPasswords
from adapters.stores.organization import OrganizationDatabase
from core.errors import NoSuchRecipient, RelayDenied, Unavailable
from core.recipients import Account, Digest, NewRecipient, Quota, Recipient, RecipientId
from protocols.sasl.scram import Scram
from protocols.sasl.steps import Challenge, Failure, Success

NOON = 1_700_000_000_000_000


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> int:
        return NOON + int(self.seconds * 1_000_000)

    def monotonic(self) -> float:
        return self.seconds


class Counting:
    """Entropy that is different each time, and the same in each run."""

    def __init__(self) -> None:
        self._drawn = 0

    def token(self, octets: int) -> bytes:
        self._drawn += 1
        return self._drawn.to_bytes(octets, "big")


class World:
    """An organization with one user, and its directory."""

    def __init__(self, path: Path) -> None:
        self.clock = Clock()
        self.passwords = Passwords(Counting(), iterations=4096, passes=1, memory_kib=8)
        self.verified = VerifiedPasswords(self.clock, b"key")
        self.org = OrganizationDatabase(path / "organization.db", at=NOON)
        self.database = self.org.add_database("A", at=NOON).database_id
        self.org.add_domain("example.com")
        self.directory = self.opened()
        self.u1 = self.add("u1", "u1@example.com", "User.One@example.com")

    def opened(
        self, *, passwords: Passwords | None = None, plus_addressing: bool = True, postmaster: str = "postmaster"
    ) -> LocalDirectory:
        return LocalDirectory(
            self.org,
            passwords or self.passwords,
            self.verified,
            self.clock,
            decoy_secret=b"decoy",
            plus_addressing=plus_addressing,
            postmaster=postmaster,
        )

    def add(self, alias: str, *addresses: str, password: bytes = b"secret") -> Recipient:
        recipient = NewRecipient(alias, alias, self.database, self.org.new_mailbox_id(), addresses[0], addresses[1:])
        return self.org.add_recipient(recipient, self.passwords.make(password), at=NOON)

    def disable(self, recipient: Recipient) -> Recipient:
        return self.org.set_recipient(msgspec.structs.replace(recipient, enabled=False))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.org.close()


# Addresses


@pytest.mark.parametrize(
    "address",
    ["u1@example.com", "U1@EXAMPLE.com", "user.one@example.com", "u1+lists@example.com", "U1+a+b@Example.com"],
)
def test_mail_reaches_a_recipient_by_every_address(world: World, address: str) -> None:
    """T-7.1."""
    assert world.directory.resolve(address) == world.u1


@pytest.mark.parametrize("address", ["u2@example.com", "+u1@example.com", "u1@example.com@example.com"])
def test_mail_for_nobody_is_refused(world: World, address: str) -> None:
    """T-7.1."""
    with pytest.raises(NoSuchRecipient):
        world.directory.resolve(address)


@pytest.mark.parametrize("address", ["u1@example.net", "u1", "postmaster@example.net", "", "u1@mail.example.com"])
def test_mail_for_others_domains_is_not_relayed(world: World, address: str) -> None:
    """T-7.1."""
    with pytest.raises(RelayDenied):
        world.directory.resolve(address)


def test_a_real_plus_sign_wins_over_a_detail(world: World) -> None:
    plus = world.add("plus", "u1+lists@example.com")
    assert world.directory.resolve("u1+lists@example.com") == plus
    assert world.directory.resolve("u1+other@example.com") == world.u1


def test_plus_addressing_can_be_off(world: World) -> None:
    with pytest.raises(NoSuchRecipient):
        world.opened(plus_addressing=False).resolve("u1+lists@example.com")


def test_a_disabled_recipient_is_nobody(world: World) -> None:
    """T-1.4."""
    world.disable(world.u1)
    with pytest.raises(NoSuchRecipient):
        world.directory.resolve("u1@example.com")
    assert world.directory.login("u1") is None


@pytest.mark.parametrize("address", ["postmaster", "PostMaster", "POSTMASTER@example.com"])
def test_postmaster_is_whoever_is_configured(world: World, address: str) -> None:
    """RFC 5321 4.5.1."""
    for who in ("u1", "user.one@example.com"):
        assert world.opened(postmaster=who).resolve(address) == world.u1


def test_a_recipient_of_the_name_postmaster_comes_first(world: World) -> None:
    postmaster = world.add("boss", "postmaster@example.com")
    assert world.opened(postmaster="u1").resolve("Postmaster@example.com") == postmaster


def test_without_anybody_configured_postmaster_is_nobody(world: World) -> None:
    with pytest.raises(NoSuchRecipient):
        world.directory.resolve("postmaster")


# Signing in


@pytest.mark.parametrize("name", ["u1", "U1", "u1@example.com", "User.ONE@Example.com"])
def test_a_user_signs_in_by_alias_or_any_address(world: World, name: str) -> None:
    assert world.directory.check_cached(name, b"secret") is None  # never seen
    assert world.directory.verify(name, b"secret") == Account(world.u1, 1)
    assert world.directory.check_cached(name, b"secret") == Account(world.u1, 1)
    assert world.directory.check_cached("u1", b"secret") == Account(world.u1, 1)


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("u1", b"wrong"),
        ("u2", b"secret"),
        ("u1+x@example.com", b"secret"),
        ("u1@example.net", b"secret"),
        ("", b"secret"),
        ("u1", b""),
        ("u1", b"x" * 2000),
        ("u" * 10_000, b"secret"),
    ],
)
def test_whatever_is_wrong_looks_the_same(world: World, name: str, password: bytes) -> None:
    world.directory.verify("u1", b"secret")
    assert world.directory.verify(name, password) is None
    assert world.directory.check_cached(name, password) is None


def test_a_user_without_a_password_cannot_sign_in(world: World) -> None:
    new = NewRecipient("u3", "u3", world.database, world.org.new_mailbox_id(), "u3@example.com")
    world.org.add_recipient(new, None, at=NOON)
    assert world.directory.verify("u3", b"") is None
    assert world.directory.account("u3") is None
    assert world.directory.keys("u3").iterations == 4096


def test_a_verified_password_must_be_verified_again_after_a_while(world: World) -> None:
    world.directory.verify("u1", b"secret")
    world.clock.seconds += 599
    assert world.directory.check_cached("u1", b"secret")
    world.clock.seconds += 1
    assert world.directory.check_cached("u1", b"secret") is None


def test_a_changed_password_holds_at_once(world: World) -> None:
    account = world.directory.verify("u1", b"secret")
    assert account
    assert world.directory.current(account) == account
    world.directory.set_password(world.u1.recipient_id, b"new secret")
    assert world.directory.check_cached("u1", b"secret") is None
    assert world.directory.verify("u1", b"secret") is None
    assert world.directory.verify("u1", b"new secret") == Account(world.u1, 2)
    assert world.directory.current(account) is None


def test_a_disabled_user_is_shut_out_at_once(world: World) -> None:
    account = world.directory.verify("u1", b"secret")
    assert account
    world.disable(world.u1)
    assert world.directory.check_cached("u1", b"secret") is None
    assert world.directory.verify("u1", b"secret") is None
    assert world.directory.account("u1") is None
    assert world.directory.current(account) is None


def test_a_deleted_user_is_shut_out_at_once(world: World) -> None:
    """T-1.4."""
    account = world.directory.verify("u1", b"secret")
    assert account
    world.org.delete_recipient(world.u1.recipient_id)
    assert world.directory.check_cached("u1", b"secret") is None
    assert world.directory.current(account) is None
    world.add("u1", "u1@example.com", password=b"other")
    assert world.directory.check_cached("u1", b"secret") is None


def test_a_session_learns_of_a_new_quota_and_alias(world: World) -> None:
    """T-1.2."""
    account = world.directory.verify("u1", b"secret")
    assert account
    changed = msgspec.structs.replace(world.u1, alias="u9", use_database_quota=False, own_quota=Quota(1, 2, 3))
    world.org.set_recipient(changed)
    assert world.directory.current(account) == Account(changed, 1)


def test_a_password_is_hashed_anew_when_the_parameters_have_changed(world: World) -> None:
    today = Passwords(Counting(), iterations=5000, passes=1, memory_kib=8)
    directory = world.opened(passwords=today)
    assert directory.verify("u1", b"wrong") is None
    assert directory.keys("u1").iterations == 4096
    assert directory.verify("u1", b"secret") == Account(world.u1, 1)
    assert directory.keys("u1").iterations == 5000
    assert directory.check_cached("u1", b"secret") == Account(world.u1, 1)
    assert directory.verify("u1", b"secret")


def test_a_password_that_cannot_be_hashed_anew_is_right_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise Unavailable("The disk is full")

    monkeypatch.setattr(world.org, "renew_credential", fail)
    today = Passwords(Counting(), iterations=5000, passes=1, memory_kib=8)
    assert world.opened(passwords=today).verify("u1", b"secret") == Account(world.u1, 1)


def test_verified_passwords_are_bounded_and_the_oldest_goes() -> None:
    verified = VerifiedPasswords(Clock(), b"key", entries=2)
    one, two, three = (RecipientId(n) for n in (1, 2, 3))
    for number in (one, two, one, three):
        verified.add(number, 1, b"secret")
    assert [verified.has(number, 1, b"secret") for number in (one, two, three)] == [True, False, True]
    assert not verified.has(one, 2, b"secret")
    assert not verified.has(one, 1, b"Secret")


# SCRAM


def scram(world: World, name: str, password: str, digest: Digest = "sha256") -> object:
    """How a SCRAM conversation ends."""
    one = scramp.ScramClient([{"sha1": "SCRAM-SHA-1", "sha256": "SCRAM-SHA-256"}[digest]], name, password)
    mechanism = Scram(Counting(), digest)
    mechanism.start(one.get_client_first().encode())
    challenge = mechanism.keys(world.directory.keys(name, digest))
    assert isinstance(challenge, Challenge)
    one.set_server_first(challenge.data.decode())
    return mechanism.step(one.get_client_final().encode())


@pytest.mark.parametrize("digest", ["sha1", "sha256"])
def test_scram_lets_in_who_knows_the_password(world: World, digest: Digest) -> None:
    assert isinstance(scram(world, "U1@example.com", "secret", digest), Success)
    assert world.directory.account("U1@example.com") == Account(world.u1, 1)


@pytest.mark.parametrize(("name", "password"), [("u1", "wrong"), ("u2", "secret"), ("u2@example.com", "secret")])
def test_scram_fails_alike_for_unknown_users_and_wrong_passwords(world: World, name: str, password: str) -> None:
    assert scram(world, name, password) == Failure("wrong proof")
    assert scram(world, name, password, "sha1") == Failure("wrong proof")


def test_a_credential_from_before_sha_1_gets_its_keys_when_the_password_comes(world: World) -> None:
    """RFC 5802 A: they cannot be made of what was kept until then; nor may an unknown user look any different."""
    found = world.org.credential(world.u1.recipient_id)
    assert found is not None
    old = msgspec.structs.replace(found[0], scram_sha1=None)
    world.org.renew_credential(world.u1.recipient_id, old, version=found[1])
    without = world.directory.keys("u1", "sha1")
    assert (without.salt, without.iterations) == (old.scram.salt, old.scram.iterations)
    assert len(without.stored_key) == len(world.directory.keys("u2", "sha1").stored_key) == 20
    assert scram(world, "u1", "secret", "sha1") == Failure("wrong proof")
    assert isinstance(scram(world, "u1", "secret"), Success)
    assert world.directory.verify("u1", b"secret")
    assert isinstance(scram(world, "u1", "secret", "sha1"), Success)


def test_an_unknown_user_has_a_salt_like_any_other(world: World) -> None:
    real, decoy = world.directory.keys("u1"), world.directory.keys("u2")
    assert len(decoy.salt) == len(real.salt)
    assert decoy.iterations == real.iterations
    same = [world.directory.keys(name).salt for name in ("u2", "U2", "u2@example.com", "U2@EXAMPLE.com")]
    assert same == [decoy.salt] * 4
    assert world.opened().keys("u2") == decoy  # also after a restart
    assert world.directory.keys("u3").salt != decoy.salt
    assert world.directory.keys("u2@example.net").salt != decoy.salt


def test_a_disabled_user_keeps_the_salt_and_gets_keys_that_nothing_fits(world: World) -> None:
    before = world.directory.keys("u1")
    world.disable(world.u1)
    after = world.directory.keys("u1")
    assert (after.salt, after.iterations) == (before.salt, before.iterations)
    assert scram(world, "u1", "secret") == Failure("wrong proof")


# Throttle


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def throttle(clock: Clock) -> Throttle:
    return Throttle(clock)


def fail(throttle: Throttle, source: str | None, login: str, times: int) -> list[float]:
    """The delay before each of so many failures."""
    delays = []
    for _ in range(times):
        delays.append(throttle.delay(source, login))
        throttle.failed(source, login)
    return delays


def test_whoever_guesses_waits_longer_and_longer(throttle: Throttle) -> None:
    """T-10.5."""
    assert fail(throttle, "192.0.2.1", "u1", 10) == [0, 0, 0, 1, 2, 4, 8, 16, 16, 16]


def test_the_longest_delay_is_bounded_for_ever(throttle: Throttle) -> None:
    fail(throttle, "192.0.2.1", "u1", 5000)
    assert throttle.delay("192.0.2.1", "u1") == LONGEST


def test_nobody_can_lock_a_user_out(throttle: Throttle) -> None:
    fail(throttle, "192.0.2.1", "u1", 100)
    assert throttle.delay("198.51.100.1", "u1") == 0


def test_guessing_many_names_slows_the_source_down(throttle: Throttle) -> None:
    for n in range(30):
        throttle.failed("192.0.2.1", f"u{n}")
    assert throttle.delay("192.0.2.1", "new") == LONGEST
    assert throttle.delay("192.0.2.2", "new") == 0


def test_who_gave_no_name_holds_up_no_neighbour(throttle: Throttle) -> None:
    """A token names its user, and what is malformed nobody: the network's others would wait for it."""
    for n in range(9):
        throttle.failed(f"192.0.2.{n}", "")
    assert throttle.delay("192.0.2.99", "") == 0
    assert fail(throttle, "192.0.2.1", "", 30)[-1] == LONGEST


def test_a_neighbour_who_has_signed_in_before_does_not_wait_for_a_guesser(throttle: Throttle) -> None:
    throttle.succeeded("192.0.2.1", "u1")
    for n in range(30):
        throttle.failed("192.0.2.1", f"x{n}")
    assert throttle.delay("192.0.2.1", "U1") == 0
    assert throttle.delay("192.0.2.1", "u2") == LONGEST
    fail(throttle, "192.0.2.1", "u1", 8)
    assert throttle.delay("192.0.2.1", "u1") == LONGEST  # for that name it waits like everybody


def test_trust_in_a_neighbour_ends(throttle: Throttle, clock: Clock) -> None:
    throttle.succeeded("192.0.2.1", "u1")
    clock.seconds += throttling.TRUSTED_FOR
    for n in range(30):
        throttle.failed("192.0.2.1", f"x{n}")
    assert throttle.delay("192.0.2.1", "u1") == LONGEST


def test_failures_are_forgiven_with_time_and_by_success(throttle: Throttle, clock: Clock) -> None:
    fail(throttle, "192.0.2.1", "u1", 6)
    before = throttle.delay("192.0.2.1", "u1")
    clock.seconds += throttling.HALF_LIFE
    assert 0 < throttle.delay("192.0.2.1", "u1") < before
    clock.seconds += throttling.HALF_LIFE * 2
    assert throttle.delay("192.0.2.1", "u1") == 0
    fail(throttle, "192.0.2.1", "u1", 6)
    throttle.succeeded("192.0.2.1", "u1")
    assert throttle.delay("192.0.2.1", "u1") == 0


def test_a_network_of_sources_counts_as_one_for_a_name(throttle: Throttle) -> None:
    for n in range(1, 9):
        throttle.failed(f"192.0.2.{n}", "u1")
    assert throttle.delay("192.0.2.99", "u1") == LONGEST
    assert throttle.delay("192.0.2.99", "u2") == 0


def test_the_holder_of_a_64_is_one_source(throttle: Throttle) -> None:
    for n in range(30):
        throttle.failed(f"2001:db8::{n:x}", f"u{n}")
    assert throttle.delay("2001:db8::ffff", "new") == LONGEST
    assert throttle.delay("2001:db8:0:1::1", "new") == 0


def test_an_ipv4_client_of_a_dual_stack_listener_is_the_same_source(throttle: Throttle) -> None:
    fail(throttle, "192.0.2.1", "u1", 6)
    assert throttle.delay("::ffff:192.0.2.1", "u1") == throttle.delay("192.0.2.1", "u1") > 0


def test_unix_sockets_and_odd_sources_are_throttled_by_name(throttle: Throttle) -> None:
    for source in (None, "", "somewhere"):
        fail(throttle, source, f"u-{source}", 20)
        assert throttle.delay(source, f"u-{source}") == LONGEST
    assert throttle.delay(None, "other") == 0
    assert throttle.delay("somewhere", "other") == LONGEST


def test_the_tables_are_bounded(clock: Clock) -> None:
    throttle = Throttle(clock, entries=10)
    for n in range(100):
        throttle.failed(f"2001:db8:{n:x}::1", f"u{n}")
        throttle.succeeded(f"2001:db8:{n:x}::1", f"v{n}")
    assert max(len(throttle._sources._levels), len(throttle._names._levels), len(throttle._trusted)) == 10
