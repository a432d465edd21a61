"""Passwords: how they are prepared, kept and checked.  All of it is slow on purpose, and belongs on a thread.

A password is kept in three forms, made together: an argon2id hash for PLAIN and LOGIN, and keys for SCRAM-SHA-256 and
SCRAM-SHA-1.
"""

import hashlib
import hmac
import stringprep
from typing import Final
from unicodedata import ucd_3_2_0

import argon2
from argon2.exceptions import InvalidHashError, VerificationError

from core.ports import Entropy
from core.recipients import Credential, Digest, InvalidPassword, ScramKeys

PASSWORD_OCTETS: Final = 1024  # hashing takes time for each octet, and nobody types more
SALT_OCTETS: Final = 16  # RFC 9106 section 4
LEAST_ITERATIONS: Final = 4096  # RFC 7677 section 4

_PROHIBITED = (  # RFC 4013 2.3
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)


class Passwords:
    """Makes credentials and checks passwords against them.

    19 MiB, two passes and one lane is what OWASP's guide has for servers: about 20 ms, and little memory even when many
    sign in at once.  SCRAM's iterations are the client's work at each sign-in; phones take 10,000 without notice.
    """

    def __init__(
        self,
        entropy: Entropy,
        *,
        iterations: int = 10_000,
        passes: int = 2,
        memory_kib: int = 19 * 1024,
        lanes: int = 1,
    ) -> None:
        if iterations < LEAST_ITERATIONS:
            raise ValueError(f"SCRAM-SHA-256 needs {LEAST_ITERATIONS} iterations at least")
        self.iterations = iterations
        self._entropy = entropy
        self._argon2 = argon2.PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=lanes)
        # What the password of an unknown user is compared with: it takes as long as a real one.
        self._nobody = self._argon2.hash(entropy.token(32), salt=entropy.token(SALT_OCTETS))

    def make(self, password: bytes) -> Credential:
        """A credential for a password in UTF-8.  Raises InvalidPassword."""
        prepared = prepare(password)
        password_hash = self._argon2.hash(prepared, salt=self._entropy.token(SALT_OCTETS))
        salted = (prepared, self._entropy.token(SALT_OCTETS), self.iterations)
        return Credential(password_hash, scram_keys(*salted, "sha256"), scram_keys(*salted, "sha1"))

    def verify(self, credential: Credential | None, password: bytes) -> bool:
        """Whether this is the password.  Takes as long for a user who is unknown (None) as for a wrong password."""
        try:
            prepared: bytes | None = prepare(password)
        except InvalidPassword:
            prepared = None
        known = credential is not None and prepared is not None
        matches = self._matches(credential.password_hash if credential else self._nobody, prepared or b"?")
        return matches and known

    def _matches(self, password_hash: str, prepared: bytes) -> bool:
        try:
            return self._argon2.verify(password_hash, prepared)
        except (VerificationError, InvalidHashError):
            return False

    def is_outdated(self, credential: Credential) -> bool:
        """Whether the credential was made with other parameters than ours, and should be made anew."""
        outdated_hash = self._argon2.check_needs_rehash(credential.password_hash)
        return outdated_hash or credential.scram.iterations != self.iterations or credential.scram_sha1 is None


def scram_keys(prepared: bytes, salt: bytes, iterations: int, digest: Digest) -> ScramKeys:
    """RFC 5802 section 3."""
    salted = hashlib.pbkdf2_hmac(digest, prepared, salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", digest)
    server_key = hmac.digest(salted, b"Server Key", digest)
    return ScramKeys(salt, iterations, hashlib.new(digest, client_key).digest(), server_key)


def prepare(password: bytes) -> bytes:
    """SASLprep (RFC 4013), so that two keyboards' spellings of a password are one.  Raises InvalidPassword.

    Two of its rules are not kept, as they are not any more in RFC 8265 4.2.1: characters that Unicode 3.2 did not have
    may be used (people like emoji), and Hebrew or Arabic words may stand beside digits and Latin ones.
    """
    if not 0 < len(password) <= PASSWORD_OCTETS:
        raise InvalidPassword(f"A password has 1 to {PASSWORD_OCTETS} octets")
    try:
        text = password.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidPassword("A password must be UTF-8") from None
    prepared = text if text.isascii() else _mapped(text)
    if not prepared or any(_is_prohibited(character) for character in prepared):
        raise InvalidPassword("A password may not have control characters, and not only invisible ones")
    return prepared.encode("utf-8")


def _mapped(text: str) -> str:
    """RFC 4013 2.1 and 2.2.  The old Unicode's rules are kept for ever, or a stored password could change."""
    visible = (character for character in text if not stringprep.in_table_b1(character))
    spaced = (" " if stringprep.in_table_c12(character) else character for character in visible)
    return ucd_3_2_0.normalize("NFKC", "".join(spaced))


def _is_prohibited(character: str) -> bool:
    return any(is_in_table(character) for is_in_table in _PROHIBITED)
