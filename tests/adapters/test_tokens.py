"""Tokens that an issuer made here signs, and those that somebody else would like to."""

import hmac
import json
import os
from base64 import urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey, Key, KeySet, OctKey, RSAKey

from adapters.directory.tokens import BearerTokens
from core.errors import Unavailable

NOW = 1_800_000_000
CLAIMS = {"iss": "https://issuer", "aud": ["other", "penfold"], "exp": NOW + 300, "email": "u1@example.com"}


class Clock:
    def now(self) -> int:
        return NOW * 1_000_000

    def monotonic(self) -> float:
        raise AssertionError("a token's times are of the world's clock")


@pytest.fixture(scope="module")
def keys() -> list[Key]:
    return [ECKey.generate_key("P-256", {"kid": "ec"}), RSAKey.generate_key(2048, {"kid": "rsa"})]


@pytest.fixture
def make(tmp_path: Path, keys: list[Key]) -> Callable[..., BearerTokens]:
    """A verifier that knows the public halves of these keys."""
    path = tmp_path / "keys.json"
    path.write_text(json.dumps(KeySet(keys).as_dict(private=False)))

    def make(**given: Any) -> BearerTokens:
        known = {"issuer": "https://issuer", "audience": "penfold", "claim": "email", "scope": "", "keys": path}
        return BearerTokens(**{**known, **given}, clock=Clock())

    return make


def token(key: Key, algorithm: str = "ES256", **claims: Any) -> str:
    header = {"alg": algorithm, "kid": key.kid} if key.kid else {"alg": algorithm}
    merged = {name: value for name, value in {**CLAIMS, **claims}.items() if value is not None}
    return jwt.encode(header, merged, key, algorithms=[algorithm])


def test_a_token_of_the_issuer_names_its_user(make: Callable[..., BearerTokens], keys: list[Key]) -> None:
    ec, rsa = keys
    tokens = make()
    assert tokens.login(token(ec)) == "u1@example.com"
    assert tokens.login(token(rsa, "RS256", aud="penfold")) == "u1@example.com"
    assert tokens.login(token(rsa, "PS512", exp=NOW - 30)) == "u1@example.com", "clocks differ"
    assert make(claim="upn").login(token(ec, upn="u2")) == "u2"


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://another"},
        {"iss": None},
        {"aud": "another"},
        {"aud": None},
        {"exp": NOW - 61},
        {"exp": None},
        {"exp": "soon"},
        {"nbf": NOW + 61},
        {"email": None},
        {"email": ""},
        {"email": ["u1"]},
        {"email": "a\nb@example.com"},
        {"email_verified": False},
        {"email_verified": "false"},
    ],
)
def test_a_token_for_another_time_or_place_proves_nothing(
    make: Callable[..., BearerTokens], keys: list[Key], claims: dict[str, Any]
) -> None:
    assert make().login(token(keys[0], **claims)) is None


def test_a_token_that_somebody_else_signed_proves_nothing(make: Callable[..., BearerTokens], keys: list[Key]) -> None:
    ec, rsa = keys
    tokens = make()
    strangers = ECKey.generate_key("P-256", {"kid": "ec"})
    assert tokens.login(token(strangers)) is None
    assert tokens.login(token(ECKey.generate_key("P-256", {"kid": "new"}))) is None
    # The old trick: the public key, which everybody has, as the secret of an HMAC.
    assert isinstance(rsa, RSAKey)
    signed = ".".join(token(OctKey.import_key("x" * 32, {"kid": "rsa"}), "HS256").split(".")[:2])
    mac = hmac.digest(rsa.as_pem(private=False), signed.encode(), "sha256")
    assert tokens.login(f"{signed}.{urlsafe_b64encode(mac).decode().rstrip('=')}") is None
    head, body, signature = token(ec).split(".")
    unsigned = "eyJhbGciOiJub25lIiwia2lkIjoiZWMifQ"  # {"alg":"none","kid":"ec"}
    for forged in (
        f"{unsigned}.{body}.",
        f"{head}.{body}.",
        f"{head}.{body}",
        f"{head}..{signature}",
        "",
        "..",
        "é.é.é",
    ):
        assert tokens.login(forged) is None, forged


def test_a_token_that_says_it_is_something_else_signs_nobody_in(
    make: Callable[..., BearerTokens], keys: list[Key]
) -> None:
    """RFC 9068 2.1, RFC 8725 3.11."""
    for kind, is_taken in (("at+jwt", True), ("application/AT+JWT", True), ("logout+jwt", False), ("dpop+jwt", False)):
        made = jwt.encode({"alg": "ES256", "kid": "ec", "typ": kind}, CLAIMS, keys[0])
        assert (make().login(made) is not None) == is_taken, kind


def test_a_key_of_an_unknown_kind_is_passed_over(
    make: Callable[..., BearerTokens], keys: list[Key], tmp_path: Path
) -> None:
    """RFC 7517 5."""
    tokens = make()
    known = KeySet(keys).as_dict(private=False)["keys"]
    strange = [
        {"kty": "EC", "crv": "P-192", "x": "AA", "y": "AA"},
        {"kty": "OKP", "crv": "FOO", "x": "AA"},
        {"kty": "x"},
    ]
    (tmp_path / "keys.json").write_text(json.dumps({"keys": [*strange, *known]}))
    assert tokens.login(token(keys[0])) == "u1@example.com"


@pytest.mark.parametrize(
    ("claims", "is_enough"),
    [
        ({"scope": "openid imap"}, True),
        ({"scp": "imap"}, True),
        ({"scp": ["imap", "smtp"]}, True),
        ({"scope": "imaps"}, False),
        ({"scope": None}, False),
        ({"scope": {"imap": 1}}, False),
    ],
)
def test_a_scope_can_be_demanded(
    make: Callable[..., BearerTokens], keys: list[Key], claims: dict[str, Any], is_enough: bool
) -> None:
    assert make(scope="imap").login(token(keys[0], **claims)) == ("u1@example.com" if is_enough else None)


def test_new_keys_are_read_when_the_file_changes(
    make: Callable[..., BearerTokens], keys: list[Key], tmp_path: Path
) -> None:
    tokens = make()
    later = ECKey.generate_key("P-256", {"kid": "later"})
    assert tokens.login(token(later)) is None
    path = tmp_path / "keys.json"
    path.write_text(json.dumps(KeySet([keys[0], later]).as_dict(private=False)))
    assert tokens.login(token(later)) == "u1@example.com"
    assert tokens.login(token(keys[1], "RS256")) is None


@pytest.mark.parametrize(
    "content", [None, "", "{}", "[]", '{"keys": 1}', '{"keys": [{"kty": "x"}]}', '{"keys": ["x"]}']
)
def test_without_keys_it_is_not_the_tokens_fault(
    make: Callable[..., BearerTokens], keys: list[Key], tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "keys.json"
    if content is None:
        os.unlink(path)
    else:
        path.write_text(content)
    with pytest.raises(Unavailable):
        make().login(token(keys[0]))


@given(st.text(max_size=80) | st.lists(st.sampled_from(["eyJhbGciOiJFUzI1NiJ9", ".", "e30", "AA", "="])).map("".join))
def test_any_text_is_a_token_or_none(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "one-key.json"
    if not path.exists():
        key = ECKey.generate_key("P-256", {"kid": "ec"})
        path.write_text(json.dumps(KeySet([key]).as_dict(private=False)))
    tokens = BearerTokens(issuer="i", audience="a", keys=path, claim="email", scope="", clock=Clock())
    assert tokens.login(text) is None
