"""Signing in without showing the password, over real TLS: another's SCRAM, an issuer's token, a certificate."""

import asyncio
import hashlib
import imaplib
import json
import ssl
import time
from functools import partial
from pathlib import Path

import pytest
import scramp  # type: ignore[import-untyped]
import trustme
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet
from msgspec.structs import replace

from adapters.server.config import OAuth, Tls
from tests.stories.conftest import PASSWORD, House, chosen, running


def sign_in(house: House, mechanism: str, password: str = PASSWORD) -> str:
    """How the server answers; raises where the server cannot prove itself."""
    with imaplib.IMAP4_SSL("localhost", house.imaps, ssl_context=house.tls()) as client:
        assert f"AUTH={mechanism}" in client.capabilities
        assert isinstance(client.sock, ssl.SSLSocket)
        # RFC 5929 4.1: what the client has got as the certificate; this server's own is signed with SHA-256.
        seen = hashlib.sha256(client.sock.getpeercert(binary_form=True) or b"").digest()
        binding = ("tls-server-end-point", seen) if mechanism.endswith("-PLUS") else None
        one = scramp.ScramClient([mechanism], "u1@example.com", password, channel_binding=binding)
        said = iter((one.get_client_first, one.get_client_final, lambda: ""))
        heard = iter((lambda _: None, one.set_server_first, one.set_server_final))

        def respond(challenge: bytes) -> bytes:
            next(heard)(challenge.decode())
            return next(said)().encode()

        return client.authenticate(mechanism, respond)[0]


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1"])
async def test_scram_over_tls(house: House, mechanism: str) -> None:
    """RFC 5802, RFC 7677; -PLUS is bound to the certificate (RFC 5929 4)."""
    assert await asyncio.to_thread(sign_in, house, mechanism) == "OK"
    with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
        await asyncio.to_thread(sign_in, house, mechanism, "wrong")


async def test_a_token_of_the_issuer_signs_in(tmp_path: Path) -> None:
    """OAUTHBEARER (RFC 7628) and XOAUTH2, with an issuer made here."""
    key = ECKey.generate_key("P-256", {"kid": "one"})
    keys = tmp_path / "issuer.json"
    keys.write_text(json.dumps(KeySet([key]).as_dict(private=False)))
    oauth = OAuth(issuer="https://issuer", audience="penfold", keys=keys)

    def run(house: House, mechanism: str, login: str, **claims: object) -> str:
        given = {
            "iss": "https://issuer",
            "aud": "penfold",
            "exp": time.time() + 60,
            "email": "u1@example.com",
            **claims,
        }
        token = jwt.encode({"alg": "ES256", "kid": "one"}, given, key)
        said = iter((messages[mechanism].format(login, token).encode(), b"\1"))
        with imaplib.IMAP4_SSL("localhost", house.imaps, ssl_context=house.tls()) as client:
            return client.authenticate(mechanism, lambda _: next(said))[0]

    messages = {"OAUTHBEARER": "n,a={},\1auth=Bearer {}\1\1", "XOAUTH2": "user={}\1auth=Bearer {}\1\1"}
    async with running(replace(chosen(tmp_path / "penfold"), oauth=oauth)) as house:
        for mechanism in messages:
            assert await asyncio.to_thread(run, house, mechanism, "u1@example.com") == "OK"
            for wrong in ({"login": "u2"}, {"login": "u1", "email": "u2"}, {"login": "u1", "aud": "another"}):
                with pytest.raises(imaplib.IMAP4.error, match=r"AUTHENTICATIONFAILED|AUTHORIZATIONFAILED"):
                    await asyncio.to_thread(partial(run, house, mechanism, **wrong))


async def test_a_certificate_signs_in(tmp_path: Path) -> None:
    """EXTERNAL (RFC 4422 A), on a port with TLS and behind STARTTLS."""
    ours, theirs = trustme.CA(), trustme.CA()
    ours.cert_pem.write_to_path(tmp_path / "ca.pem")

    def context(house: House, ca: trustme.CA | None) -> ssl.SSLContext:
        made = house.tls()
        if ca is not None:
            ca.issue_cert("u1@example.com").configure_cert(made)
        return made

    def run(house: House, ca: trustme.CA | None, login: bytes = b"", *, starttls: bool = False) -> str:
        if starttls:
            client = imaplib.IMAP4("localhost", house.imap)
            client.starttls(context(house, ca))
        else:
            client = imaplib.IMAP4_SSL("localhost", house.imaps, ssl_context=context(house, ca))
        with client:
            assert ("AUTH=EXTERNAL" in client.capabilities) == (ca is not None)
            return client.authenticate("EXTERNAL", lambda _: login)[0]

    settings = chosen(tmp_path / "penfold")
    async with running(replace(settings, tls=Tls(client_ca=tmp_path / "ca.pem"))) as house:
        for starttls in (False, True):
            assert await asyncio.to_thread(partial(run, house, ours, starttls=starttls)) == "OK"
        assert await asyncio.to_thread(run, house, ours, b"u1") == "OK"
        for ca, login in ((ours, b"u2"), (None, b"u1")):
            with pytest.raises(imaplib.IMAP4.error, match=r"AUTHORIZATIONFAILED|not to be had"):
                await asyncio.to_thread(run, house, ca, login)
        with pytest.raises((ssl.SSLError, imaplib.IMAP4.abort, ConnectionError)):
            await asyncio.to_thread(run, house, theirs)
        assert await asyncio.to_thread(run, house, ours) == "OK"  # it is still there
