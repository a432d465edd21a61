"""The self-signed certificate, and what TLS clients are let do with it."""

import os
import ssl
import stat
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from adapters.server.certificates import LIFETIME, channel_bindings, ensure_certificate, server_context


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    files = (tmp_path / "tls" / "certificate.pem", tmp_path / "tls" / "key.pem")
    assert ensure_certificate(*files, "mail.example.com")
    return files


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> ssl.SSLObject:
    """A handshake in memory; the client's side of it."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = server.wrap_bio(to_server, to_client, server_side=True)
    theirs = client.wrap_bio(to_client, to_server, server_hostname=name)
    for _ in range(4):
        for side in (theirs, ours):
            with suppress(ssl.SSLWantReadError):
                side.do_handshake()
    return theirs


def trusting(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(certificate)
    return context


@pytest.mark.parametrize("name", ["mail.example.com", "localhost", "127.0.0.1", "::1"])
def test_who_trusts_the_certificate_can_connect_by_each_name(files: tuple[Path, Path], name: str) -> None:
    connection = shake_hands(server_context(*files), trusting(files[0]), name)
    assert connection.version() == "TLSv1.3"


def test_another_name_is_not_in_the_certificate(files: tuple[Path, Path]) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(server_context(*files), trusting(files[0]), "mail.example.org")


def test_old_tls_and_ciphers_without_forward_secrecy_are_refused(files: tuple[Path, Path]) -> None:
    static = trusting(files[0])
    static.maximum_version = ssl.TLSVersion.TLSv1_2
    static.set_ciphers("AES128-GCM-SHA256")
    with pytest.raises(ssl.SSLError):
        shake_hands(server_context(*files), static, "localhost")
    assert server_context(*files).minimum_version == ssl.TLSVersion.TLSv1_2


def test_a_certificate_that_is_there_is_kept(files: tuple[Path, Path]) -> None:
    before = [path.read_bytes() for path in files]
    assert not ensure_certificate(*files, "other.example.com")
    assert [path.read_bytes() for path in files] == before


def test_only_the_owner_can_read_the_key(files: tuple[Path, Path]) -> None:
    certificate, key = files
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(certificate.stat().st_mode) & 0o022 == 0


def test_it_lives_as_long_as_clients_accept(tmp_path: Path) -> None:
    start = datetime(2026, 11, 24, 12, tzinfo=UTC)
    ensure_certificate(tmp_path / "c.pem", tmp_path / "k.pem", "x" * 100, start)
    made = x509.load_pem_x509_certificate((tmp_path / "c.pem").read_bytes())
    assert made.not_valid_before_utc == start - timedelta(hours=1)
    assert made.not_valid_after_utc == start + LIFETIME


def test_files_that_do_not_serve_are_refused(tmp_path: Path, files: tuple[Path, Path]) -> None:
    with pytest.raises(FileNotFoundError):
        server_context(tmp_path / "nothing", files[1])
    (tmp_path / "empty").touch()
    with pytest.raises(ssl.SSLError):
        server_context(tmp_path / "empty", files[1])


@pytest.mark.parametrize(
    ("algorithm", "bound_by"),
    [(hashes.SHA256(), hashes.SHA256()), (hashes.SHA384(), hashes.SHA384()), (None, None)],
)
def test_scram_is_bound_to_the_hash_of_the_certificate(
    tmp_path: Path, algorithm: hashes.HashAlgorithm | None, bound_by: hashes.HashAlgorithm | None
) -> None:
    """RFC 5929 4.1: by the digest of its signature; Ed25519 has none."""
    private: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
    private = ed25519.Ed25519PrivateKey.generate() if algorithm is None else ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x")])
    made = (
        x509.CertificateBuilder(name, name, private.public_key(), 1)
        .not_valid_before(datetime.now(UTC))
        .not_valid_after(datetime.now(UTC) + LIFETIME)
        .sign(private, algorithm)  # type: ignore[arg-type]
    )
    file = tmp_path / "chain.pem"
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM) * 2)
    assert channel_bindings(file) == ({"tls-server-end-point": made.fingerprint(bound_by)} if bound_by else {})


def test_a_file_that_is_not_on_the_disk_does_not_get_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty certificate would be taken for one that is there, and no server would start."""
    files = (tmp_path / "tls" / "certificate.pem", tmp_path / "tls" / "key.pem")

    def fails(_: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fails)
        with pytest.raises(OSError, match="Input/output"):
            ensure_certificate(*files, "mail.example.com")
    assert not files[0].exists()
    assert not files[1].exists()
    assert ensure_certificate(*files, "mail.example.com")
