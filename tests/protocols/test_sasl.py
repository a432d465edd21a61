"""SASL mechanisms as conversations; scramp, somebody else's SCRAM, plays the client."""

import hashlib
import hmac
import json
from base64 import b64decode, b64encode

import pytest
import scramp  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from core.recipients import Digest, ScramKeys
from protocols.sasl import MECHANISMS, offered
from protocols.sasl.bearer import TOKEN_OCTETS, OAuthBearer, XOAuth2
from protocols.sasl.external import External
from protocols.sasl.plain import Login, Plain
from protocols.sasl.scram import NONCE_OCTETS, Scram
from protocols.sasl.steps import (
    MESSAGE_OCTETS,
    NAME_OCTETS,
    PASSWORD_OCTETS,
    Challenge,
    Failure,
    Keys,
    NeedIdentity,
    NeedKeys,
    NeedPassword,
    NeedToken,
    Step,
    Success,
)

BINDINGS = {"tls-server-end-point": b"\x01" * 32}


class Counting:
    """Entropy that is none."""

    def token(self, octets: int) -> bytes:
        return bytes(range(octets))


def keys_for(password: str, *, salt: bytes = b"0123456789abcdef", iterations: int = 4096) -> ScramKeys:
    return scram_keys(password.encode(), salt, iterations, "sha256")


def scram_keys(password: bytes, salt: bytes, iterations: int, digest: Digest) -> ScramKeys:
    salted = hashlib.pbkdf2_hmac(digest, password, salt, iterations)
    stored_key = hashlib.new(digest, hmac.digest(salted, b"Client Key", digest)).digest()
    return ScramKeys(salt, iterations, stored_key, hmac.digest(salted, b"Server Key", digest))


def is_step(step: object) -> bool:
    return isinstance(step, Challenge | NeedPassword | NeedKeys | NeedToken | NeedIdentity | Success | Failure)


# PLAIN and LOGIN


def test_plain_takes_name_and_password_in_one_message() -> None:
    assert Plain().start(b"\0u1\0secret") == NeedPassword("u1", "", b"secret")


def test_plain_without_an_initial_response_asks_for_it() -> None:
    mechanism = Plain()
    assert mechanism.start(None) == Challenge(b"")
    assert mechanism.step(b"\0u1\0secret") == NeedPassword("u1", "", b"secret")


def test_plain_keeps_whom_the_client_wants_to_act_for() -> None:
    assert Plain().start("u2\0jürgen\0geheim ß".encode()) == NeedPassword("jürgen", "u2", "geheim ß".encode())


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"u1",
        b"\0u1",
        b"\0\0secret",
        b"\0u1\0",
        b"\0u1\0secret\0",
        b"\0u\xff\0secret",
        b"\0u1\0secr\xffet",
        b"\xff\0u1\0secret",
        b"\0u\n1\0secret",
        b"\0" + b"u" * (NAME_OCTETS + 1) + b"\0secret",
        b"\0u1\0" + b"x" * (PASSWORD_OCTETS + 1),
        b"\0u1\0" + b"x" * MESSAGE_OCTETS,
    ],
)
def test_what_is_not_plain_fails(message: bytes) -> None:
    assert Plain().start(message) == Failure("malformed")


def test_login_asks_for_name_and_password() -> None:
    mechanism = Login()
    assert mechanism.start(None) == Challenge(b"Username:")
    assert mechanism.step(b"u1") == Challenge(b"Password:")
    assert mechanism.step(b"secret") == NeedPassword("u1", "", b"secret")


def test_login_takes_the_name_as_initial_response() -> None:
    assert Login().start(b"u1") == Challenge(b"Password:")


@pytest.mark.parametrize(("name", "password"), [(b"", b"x"), (b"u\0", b"x"), (b"u1", b""), (b"u1", b"a\0b")])
def test_login_refuses_names_and_passwords_that_cannot_be(name: bytes, password: bytes) -> None:
    mechanism = Login()
    step = mechanism.start(name)
    if step == Challenge(b"Password:"):
        step = mechanism.step(password)
    assert step == Failure("malformed")


def test_nothing_comes_after_the_end() -> None:
    mechanism = Plain()
    mechanism.start(b"\0u1\0secret")
    assert mechanism.step(b"\0u2\0secret") == Failure("out of order")
    assert mechanism.keys(keys_for("x")) == Failure("out of order")


# SCRAM-SHA-256


def client(password: str, *, name: str = "u1", binding: tuple[str, bytes] | None = None) -> scramp.ScramClient:
    mechanisms = ["SCRAM-SHA-256-PLUS" if binding else "SCRAM-SHA-256"]
    return scramp.ScramClient(mechanisms, name, password, channel_binding=binding)


def converse(mechanism: Scram, one: scramp.ScramClient, keys: Keys) -> tuple[Step, Step]:
    """The steps after the client's first message and after its last."""
    first = mechanism.start(one.get_client_first().encode())
    challenge = mechanism.keys(keys)
    assert isinstance(challenge, Challenge)
    one.set_server_first(challenge.data.decode())
    return first, mechanism.step(one.get_client_final().encode())


def test_another_implementation_of_scram_signs_in_and_believes_us() -> None:
    one = client("secret")
    first, last = converse(Scram(Counting(), "sha256"), one, keys_for("secret"))
    assert first == NeedKeys("u1", "", "sha256")
    assert isinstance(last, Success)
    assert (last.username, last.authzid) == ("u1", "")
    one.set_server_final(last.final.decode())  # raises unless we know the password's keys too


def test_a_wrong_password_has_a_wrong_proof() -> None:
    assert converse(Scram(Counting(), "sha256"), client("guess"), keys_for("secret"))[1] == Failure("wrong proof")


def test_scram_without_an_initial_response_asks_for_it() -> None:
    mechanism = Scram(Counting(), "sha256")
    assert mechanism.start(None) == Challenge(b"")
    assert mechanism.step(b"n,,n=u1,r=abc") == NeedKeys("u1", "", "sha256")


def test_the_example_of_rfc_7677_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 7677 section 3.  Its server nonce is not base64, so it is put in after the encoding."""
    nonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    monkeypatch.setattr(
        "protocols.sasl.scram._base64", lambda o: nonce if o == bytes(range(18)) else b64encode(o).decode()
    )
    mechanism = Scram(Counting(), "sha256")
    assert mechanism.start(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO") == NeedKeys("user", "", "sha256")
    challenge = mechanism.keys(keys_for("pencil", salt=b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")))
    first = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    assert challenge == Challenge(first)
    final = (
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    )
    assert mechanism.step(final) == Success("user", "", b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")


def test_the_example_of_rfc_5802_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 5802 section 5, with SHA-1."""
    monkeypatch.setattr(
        "protocols.sasl.scram._base64",
        lambda o: "3rfcNHYJY1ZVvWVs7j" if o == bytes(range(18)) else b64encode(o).decode(),
    )
    mechanism = Scram(Counting(), "sha1")
    assert mechanism.start(b"n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL") == NeedKeys("user", "", "sha1")
    challenge = mechanism.keys(scram_keys(b"pencil", b64decode("QSXCR+Q6sek8bf92"), 4096, "sha1"))
    assert challenge == Challenge(b"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096")
    final = b"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts="
    assert mechanism.step(final) == Success("user", "", b"v=rmF9pqV8S7suAoZWja4dJRkFsKQ=")


def test_a_proof_of_the_other_digest_is_none() -> None:
    mechanism = Scram(Counting(), "sha1")
    mechanism.start(b"n,,n=u1,r=abc")
    challenge = mechanism.keys(scram_keys(b"x", b"salt", 4096, "sha1"))
    assert isinstance(challenge, Challenge)
    nonce = challenge.data.split(b",")[0]
    assert mechanism.step(b"c=biws," + nonce + b",p=" + b64encode(bytes(32))) == Failure("malformed")


def test_names_may_hold_commas_and_equals_signs() -> None:
    """RFC 5802 5.1."""
    assert Scram(Counting(), "sha256").start(b"n,a=x=3Dy,n=a=2Cb=3Dc,r=abc") == NeedKeys("a,b=c", "x=y", "sha256")


def test_unknown_extensions_are_passed_over() -> None:
    """RFC 5802 section 7."""
    assert Scram(Counting(), "sha256").start(b"n,,n=u1,r=abc,z=whatever,p=x") == NeedKeys("u1", "", "sha256")


def test_a_mandatory_extension_is_refused() -> None:
    assert Scram(Counting(), "sha256").start(b"n,,m=new,n=u1,r=abc") == Failure("unsupported extension")


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"n",
        b"n,,",
        b"n,,n=u1",
        b"n,,r=abc,n=u1",
        b"n,,n=,r=abc",
        b"n,,n=u1,r=",
        b"n,,n=u=1,r=abc",
        b"n,,n=u=2c1,r=abc",
        b"n,,n=u1,r=a c",
        b"n,,n=u\0,r=abc",
        b"n,,n=u\n1,r=abc",
        b"n,,n=u\xff,r=abc",
        b"n,a=,n=u1,r=abc",
        b"n,a=\x01,n=u1,r=abc",
        b"x,,n=u1,r=abc",
        b"p=,,n=u1,r=abc",
        b"n,,n=u1,r=" + b"a" * (NONCE_OCTETS + 1),
        b"n,,n=" + b"u" * (NAME_OCTETS + 1) + b",r=abc",
        b"n,,n=u1,r=abc,e=" + b"x" * MESSAGE_OCTETS,
    ],
)
def test_what_is_not_a_first_message_fails(message: bytes) -> None:
    assert Scram(Counting(), "sha256").start(message) == Failure("malformed")


def started() -> tuple[Scram, bytes]:
    """A mechanism that waits for the client's final message, and the nonce."""
    mechanism = Scram(Counting(), "sha256")
    mechanism.start(b"n,,n=u1,r=abc")
    challenge = mechanism.keys(keys_for("secret"))
    assert isinstance(challenge, Challenge)
    return mechanism, challenge.data.split(b",")[0]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"", "malformed"),
        (b"c=biws,%s", "malformed"),
        (b"c=biws,%s,p=", "malformed"),
        (b"c=biws,%s,p=!", "malformed"),
        (b"c=biws,%s,p=abc", "malformed"),
        (b"c=biws,%s,p=AAAA", "malformed"),
        (b"c=biws,%s,p=\xff", "malformed"),
        (b"c=biws,r=abc,p=" + b64encode(bytes(32)), "malformed"),
        (b"c=biws,%sx,p=" + b64encode(bytes(32)), "malformed"),
        (b"c=biws,%s,p=" + b64encode(bytes(32)), "wrong proof"),
        (b"c=biws,%s,x=1,p=" + b64encode(bytes(32)), "wrong proof"),
        (b"c=eSws,%s,p=" + b64encode(bytes(32)), "channel binding"),
        (b"c=b,%s,p=" + b64encode(bytes(32)), "channel binding"),
    ],
)
def test_what_is_not_a_final_message_fails(message: bytes, reason: str) -> None:
    mechanism, nonce = started()
    step = mechanism.step(message.replace(b"%s", nonce))
    assert isinstance(step, Failure)
    assert step.reason == reason
    assert mechanism.step(b"") == Failure("out of order")


def test_keys_are_wanted_once_and_only_when_asked_for() -> None:
    mechanism = Scram(Counting(), "sha256")
    assert mechanism.keys(keys_for("x")) == Failure("out of order")
    mechanism, _ = started()
    assert mechanism.keys(keys_for("x")) == Failure("out of order")


# Channel binding


def test_plus_is_bound_to_the_channel() -> None:
    one = client("secret", binding=("tls-server-end-point", BINDINGS["tls-server-end-point"]))
    last = converse(Scram(Counting(), "sha256", bindings=BINDINGS, plus=True), one, keys_for("secret"))[1]
    assert isinstance(last, Success)


def test_another_channel_is_noticed() -> None:
    one = client("secret", binding=("tls-server-end-point", b"\x02" * 32))
    last = converse(Scram(Counting(), "sha256", bindings=BINDINGS, plus=True), one, keys_for("secret"))[1]
    assert last == Failure("channel binding")


@pytest.mark.parametrize(
    ("message", "plus", "bindings"),
    [
        (b"p=tls-unique,,n=u1,r=abc", True, BINDINGS),  # not one of ours
        (b"n,,n=u1,r=abc", True, BINDINGS),
        (b"y,,n=u1,r=abc", True, BINDINGS),
        (b"p=tls-server-end-point,,n=u1,r=abc", False, BINDINGS),
        (b"p=tls-server-end-point,,n=u1,r=abc", True, {}),
        (b"y,,n=u1,r=abc", False, BINDINGS),  # we offered -PLUS and the client has not seen it: a downgrade
    ],
)
def test_what_does_not_fit_the_binding_fails(message: bytes, plus: bool, bindings: dict[str, bytes]) -> None:
    """RFC 5802 section 6."""
    mechanism = Scram(Counting(), "sha256", bindings=bindings, plus=plus)
    assert mechanism.start(message) == Failure("channel binding")


def test_a_client_that_could_bind_may_sign_in_where_we_cannot() -> None:
    assert Scram(Counting(), "sha256").start(b"y,,n=u1,r=abc") == NeedKeys("u1", "", "sha256")


# Tokens and certificates


@pytest.mark.parametrize(
    ("message", "authzid"),
    [
        (b"n,a=u1@example.com,\x01host=mail\x01port=993\x01auth=Bearer abc.d-e_f~=\x01\x01", "u1@example.com"),
        (b"n,,\x01auth=bearer abc.d-e_f~=\x01\x01", ""),
        (b"y,a=a=2Cb=3Dc,\x01new=thing\x01AUTH=Bearer  abc.d-e_f~=\x01\x01", "a,b=c"),
    ],
)
def test_oauthbearer_brings_a_token(message: bytes, authzid: str) -> None:
    """RFC 7628 3.1; keys that are not known are passed over."""
    assert OAuthBearer().start(message) == NeedToken("abc.d-e_f~=", authzid, OAuthBearer.refusal)


def test_xoauth2_brings_a_token_and_a_name() -> None:
    assert XOAuth2().start(b"user=u1@example.com\x01auth=Bearer abc\x01\x01") == NeedToken(
        "abc", "u1@example.com", XOAuth2.refusal
    )


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\x01",
        b"n,,",
        b"n,,\x01\x01",
        b"n,,\x01auth=Bearer abc\x01",
        b"n,,\x01auth=Bearer \x01\x01",
        b"n,,\x01auth=Basic abc\x01\x01",
        b"n,,\x01auth=Bearer a b\x01\x01",
        b"p=tls-unique,,\x01auth=Bearer abc\x01\x01",
        b"n,b=u1,\x01auth=Bearer abc\x01\x01",
        b"n,a==,\x01auth=Bearer abc\x01\x01",
        b"n,,x\x01auth=Bearer abc\x01\x01",
        b"n,,\x01auth=Bearer abc\x01no pair\x01\x01",
        b"n,,\x01auth=Bearer \xff\x01\x01",
        b"n,,\x01auth=Bearer " + b"a" * TOKEN_OCTETS + b"\x01\x01",
    ],
)
def test_what_brings_no_token_fails(message: bytes) -> None:
    assert OAuthBearer().start(message) == Failure("malformed")
    assert XOAuth2().start(message) == Failure("malformed")


@pytest.mark.parametrize(
    "message", [b"user=\x01auth=Bearer abc\x01\x01", b"auth=Bearer abc\x01\x01", b"user=u1\x01\x01"]
)
def test_xoauth2_wants_a_name_and_a_token(message: bytes) -> None:
    assert XOAuth2().start(message) == Failure("malformed")


@pytest.mark.parametrize(("mechanism", "status"), [(OAuthBearer, "invalid_token"), (XOAuth2, "401")])
def test_a_refusal_is_what_clients_can_read(mechanism: type[OAuthBearer | XOAuth2], status: str) -> None:
    """RFC 7628 3.2.2."""
    assert mechanism().start(None) == Challenge(b"")
    assert json.loads(mechanism.refusal)["status"] == status


def test_external_says_for_whom_or_nothing() -> None:
    """RFC 4422 A."""
    assert External().start(b"") == NeedIdentity("")
    assert External().start("ü@example.com".encode()) == NeedIdentity("ü@example.com")
    assert External().start(b"\xff") == External().start(b"a\0b") == Failure("malformed")


# The table


def test_passwords_are_asked_for_only_where_they_may_be_sent() -> None:
    hidden = ("SCRAM-SHA-256", "SCRAM-SHA-1")
    assert offered(passwords=False) == hidden
    assert offered(passwords=True) == (*hidden, "PLAIN", "LOGIN")
    assert offered(passwords=True, bindings=BINDINGS) == ("SCRAM-SHA-256-PLUS", *hidden, "PLAIN", "LOGIN")
    tokens = ("OAUTHBEARER", "XOAUTH2")
    assert offered(passwords=True, tokens=True) == (*hidden, *tokens, "PLAIN", "LOGIN")
    assert offered(passwords=False, tokens=True, certificate=("u1@example.com",)) == ("EXTERNAL", *hidden)


fragments = [b"n", b"y", b"p=", b",", b"=", b"a", b"n=u", b"r=x", b"c=biws", b"p=AA==", b"\0", b"\xc3"]
messages = st.binary(max_size=60) | st.lists(st.sampled_from(fragments)).map(b"".join)


@pytest.mark.parametrize("name", MECHANISMS)
@given(initial=st.none() | messages, responses=st.lists(messages, max_size=4))
def test_any_octets_yield_a_step(name: str, initial: bytes | None, responses: list[bytes]) -> None:
    mechanism = MECHANISMS[name](Counting(), bindings=BINDINGS)
    step = mechanism.start(initial)
    for response in responses:
        assert is_step(step)
        assert not isinstance(step, Success)
        step = mechanism.keys(keys_for("x", iterations=1)) if isinstance(step, NeedKeys) else mechanism.step(response)


@given(st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20))
def test_what_plain_says_is_what_the_server_hears(name: str, password: str) -> None:
    try:
        message = f"\0{name}\0{password}".encode()
    except UnicodeEncodeError:
        return
    step = Plain().start(message)
    if name.isprintable() and "\0" not in password:
        assert step == NeedPassword(name, "", password.encode())
    else:
        assert step == Failure("malformed")
