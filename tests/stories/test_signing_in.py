"""Who signs in with another's implementation of SCRAM, over real TLS."""

import asyncio
import hashlib
import imaplib
import ssl

import pytest
import scramp  # type: ignore[import-untyped]

from tests.stories.conftest import PASSWORD, House


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
