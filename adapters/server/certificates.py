"""TLS: the server's context, and the self-signed certificate with which a new server starts."""

import ipaddress
import os
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from adapters.stores.sqlite import sync_directory

LIFETIME = timedelta(days=825)  # the longest that common clients accept


def server_context(certificate: Path, key: Path, client_ca: Path | None = None) -> ssl.SSLContext:
    """TLS 1.2 and later, with forward secrecy only.  Raises OSError, ssl.SSLError for files that do not serve.

    With `client_ca` a client may show a certificate; one that none of those has signed ends the handshake.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.load_cert_chain(certificate, key)
    if client_ca is not None:
        context.load_verify_locations(client_ca)
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def channel_bindings(certificate: Path) -> dict[str, bytes]:
    """What TLS with this certificate gives SCRAM to bind to (RFC 5929 4.1): the certificate's hash, by its own digest.

    A signature without a digest of its own (Ed25519) leaves the binding undefined: then there is none.
    """
    own = x509.load_pem_x509_certificates(certificate.read_bytes())[0]
    digest = own.signature_hash_algorithm
    if digest is None:
        return {}
    is_weak = isinstance(digest, hashes.MD5 | hashes.SHA1)
    return {"tls-server-end-point": own.fingerprint(hashes.SHA256() if is_weak else digest)}


def ensure_certificate(certificate: Path, key: Path, hostname: str, now: datetime | None = None) -> bool:
    """Makes a self-signed certificate where there is none; whether one was made."""
    if certificate.exists() and key.exists():
        return False
    private = ec.generate_private_key(ec.SECP256R1())
    start = now or datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hostname[:64])])
    names = [
        x509.DNSName(hostname),
        x509.DNSName("localhost"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        x509.IPAddress(ipaddress.ip_address("::1")),
    ]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start - timedelta(hours=1))
        .not_valid_after(start + LIFETIME)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(private, hashes.SHA256())
    )
    no_password = serialization.NoEncryption()
    pem = serialization.Encoding.PEM
    _write(key, private.private_bytes(pem, serialization.PrivateFormat.PKCS8, no_password), 0o600)
    _write(certificate, made.public_bytes(pem), 0o644)
    return True


def _write(path: Path, octets: bytes, mode: int) -> None:
    """The whole file or none of it, whenever the power fails: with half of one no server starts."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(octets)
        file.flush()
        os.fsync(descriptor)
    new.replace(path)
    sync_directory(path.parent)
