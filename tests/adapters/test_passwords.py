"""Passwords: prepared alike, kept in two forms, checked in equal time."""

import pytest
import scramp  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from adapters.directory.passwords import PASSWORD_OCTETS, Passwords, prepare
from core.recipients import InvalidPassword


class Counting:
    """Entropy that is different each time, and the same in each run."""

    def __init__(self) -> None:
        self._drawn = 0

    def token(self, octets: int) -> bytes:
        self._drawn += 1
        return self._drawn.to_bytes(octets, "big")


@pytest.fixture(scope="module")
def passwords() -> Passwords:
    return Passwords(Counting(), iterations=4096, passes=1, memory_kib=8)


def test_the_right_password_is_right_and_every_other_wrong(passwords: Passwords) -> None:
    credential = passwords.make("geheim ß".encode())
    assert passwords.verify(credential, "geheim ß".encode())
    for wrong in (b"geheim", b"", b"\xff", b"?", b"geheim \n", b"x" * (PASSWORD_OCTETS + 1)):
        assert not passwords.verify(credential, wrong)


def test_a_question_mark_is_no_master_key(passwords: Passwords) -> None:
    """What cannot be a password is checked as "?", to take as long; it must not count as that."""
    assert not passwords.verify(passwords.make(b"?"), b"\xff")


def test_an_unknown_user_is_checked_for_as_long_and_never_let_in(
    passwords: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str] = []
    matches = passwords._matches

    def count(password_hash: str, prepared: bytes) -> bool:
        checked.append(password_hash.rpartition("$")[0].rpartition("$")[0])  # algorithm and parameters
        return matches(password_hash, prepared)

    monkeypatch.setattr(passwords, "_matches", count)
    credential = passwords.make(b"secret")
    assert not passwords.verify(None, b"secret")
    assert not passwords.verify(credential, b"wrong")
    assert not passwords.verify(None, b"\xff")
    assert len(checked) == 3
    assert len(set(checked)) == 1


def test_even_a_match_is_nothing_without_a_user(passwords: Passwords, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_matches", lambda *_: True)
    assert not passwords.verify(None, b"secret")


def test_a_damaged_hash_lets_nobody_in(passwords: Passwords) -> None:
    credential = passwords.make(b"secret")
    damaged = type(credential)("no hash", credential.scram)
    assert not passwords.verify(damaged, b"secret")


def test_two_users_with_one_password_have_nothing_in_common(passwords: Passwords) -> None:
    one, other = passwords.make(b"secret"), passwords.make(b"secret")
    assert one.password_hash != other.password_hash
    assert one.scram.salt != other.scram.salt
    assert one.scram.stored_key != other.scram.stored_key


def test_the_scram_keys_are_those_of_another_implementation(passwords: Passwords) -> None:
    credential = passwords.make("pa\u00adss\u00a0wo\u2168rd".encode())
    for name, keys in (("SCRAM-SHA-256", credential.scram), ("SCRAM-SHA-1", credential.scram_sha1)):
        assert keys is not None
        theirs = scramp.ScramMechanism(name).make_auth_info("pass woIXrd", iteration_count=4096, salt=keys.salt)
        assert theirs == (keys.salt, keys.stored_key, keys.server_key, keys.iterations)


def test_a_credential_of_other_parameters_is_outdated(passwords: Passwords) -> None:
    credential = passwords.make(b"secret")
    assert not passwords.is_outdated(credential)
    assert passwords.is_outdated(replace(credential, scram_sha1=None)), "from before there were keys for SCRAM-SHA-1"
    assert Passwords(Counting(), iterations=5000, passes=1, memory_kib=8).is_outdated(credential)
    assert Passwords(Counting(), iterations=4096, passes=2, memory_kib=8).is_outdated(credential)


def test_fewer_iterations_than_the_rfc_asks_for_are_refused() -> None:
    """RFC 7677 section 4."""
    with pytest.raises(ValueError, match="4096"):
        Passwords(Counting(), iterations=4095)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("I\u00adX", "IX"),
        ("user", "user"),
        ("\u00aa", "a"),
        ("\u2168", "IX"),  # RFC 4013 section 3
        ("ju\u0308rgen", "jürgen"),
        ("a\u00a0b\u3000c", "a b c"),
    ],
)
def test_spellings_of_a_password_are_prepared_alike(one: str, other: str) -> None:
    assert prepare(one.encode()) == other.encode()


def test_case_and_spaces_are_part_of_a_password() -> None:
    assert prepare(b" Secret ") == b" Secret "


@pytest.mark.parametrize("password", ["\u05d0\u05d1123", "\u0645\u0631 abc", "🐴🔋📎", "ẞ"])
def test_words_of_any_script_are_passwords(password: str) -> None:
    """Here RFC 8265 is followed where RFC 4013 is stricter."""
    assert prepare(password.encode())


@pytest.mark.parametrize("password", [b"", b"\xff", b"a\0b", b"a\x07", b"\xc2\xad", b"a\xee\x80\x80", b"x" * 1025])
def test_what_nobody_can_type_is_no_password(password: bytes) -> None:
    with pytest.raises(InvalidPassword):
        prepare(password)


@given(st.binary(max_size=40) | st.text(max_size=20).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_octets_are_a_password_or_refused(password: bytes) -> None:
    try:
        prepared = prepare(password)
    except InvalidPassword:
        return
    assert prepared
    assert prepare(prepared) == prepared  # a client that prepares is understood as one that does not
