"""Recipients: who can get mail and sign in, by which addresses and names, and with how much room.

An address is looked up by its folded form only.  The spelling that an administrator chose is kept for showing.
"""

import re
import unicodedata
from typing import Final, Literal, NewType

from msgspec import Struct

from core.errors import Refusal
from core.model import MailboxId

RecipientId = NewType("RecipientId", int)
DatabaseId = NewType("DatabaseId", int)

ALIAS_OCTETS: Final = 64  # Exchange's limit, and that of a local part (RFC 5321 4.5.3.1.1)
NAME_OCTETS: Final = 256  # display names and names of databases; they are shown, never looked up
ADDRESS_OCTETS: Final = 254  # RFC 5321 4.5.3.1.3: a path of 256 octets with its brackets
LOCAL_PART_OCTETS: Final = 64  # RFC 5321 4.5.3.1.1; what others send to is looked up even if it is longer
DOMAIN_OCTETS: Final = 253  # RFC 1035 2.3.4: 255 on the wire, with a length before and the root after the labels
LABEL_OCTETS: Final = 63  # RFC 1035 2.3.4
ADDRESSES_PER_RECIPIENT: Final = 500  # far beyond what people have; a recipient is read and cached as a whole

POSTMASTER: Final = "postmaster"
ANYONE_NAME: Final = "anyone"  # RFC 4314 3: what access control lists call everybody, so nobody else is
GROUP_PREFIX: Final = "group:"  # before the name of a group where a recipient could be meant; no alias has a ":"
_KB: Final = 1024


class RecipientExists(Refusal):
    """Another recipient has this alias."""


class AddressInUse(Refusal):
    """Another recipient has this address."""


class InvalidAddress(Refusal):
    """Not an address that a recipient may have."""


class InvalidAlias(Refusal):
    """Not a name that a recipient or a database may have."""


class NoSuchDomain(Refusal):
    """The domain is not one of ours."""


class DomainInUse(Refusal):
    """Recipients have addresses in the domain, or it is the default one."""


class NoSuchDatabase(Refusal):
    """There is no such mailbox database."""


class DatabaseExists(Refusal):
    """Another mailbox database has this name."""


class NoSuchGroup(Refusal):
    """There is no such group, or nobody of that name is in it."""


class GroupExists(Refusal):
    """Another group has this name."""


class GroupLoop(Refusal):
    """The group would be in itself."""


class PublicFoldersElsewhere(Refusal):
    """The organization's public folders are in another mailbox database."""


class NoSuchTrustee(Refusal):
    """Neither a recipient nor a group is called so."""


class InvalidPassword(Refusal):
    """Not a password that anybody may have."""


class Quota(Struct, frozen=True):
    """Octets from which on something happens to a mailbox; None: never."""

    warn: int | None = None
    prohibit_send: int | None = None
    prohibit_all: int | None = None  # prohibit send and receive: what RFC 9208 shows as the STORAGE limit


# T-1.2: Exchange 2007's values for a new database.
DEFAULT_QUOTA: Final = Quota(1_991_680 * _KB, 2_097_152 * _KB, 2_411_520 * _KB)


class MailboxDatabaseInfo(Struct, frozen=True):
    """What the organization knows of a mailbox database; its mailboxes' contents are elsewhere."""

    database_id: DatabaseId
    name: str
    mounted: bool
    quota: Quota
    created_at: int


class AcceptedDomain(Struct, frozen=True):
    domain: str  # folded
    is_default: bool


class Recipient(Struct, frozen=True):
    """A user with a mailbox.  Addresses are as they are to be shown; fold them to compare."""

    recipient_id: RecipientId
    alias: str  # also the name to sign in with
    display_name: str
    enabled: bool
    database_id: DatabaseId
    mailbox_id: MailboxId
    use_database_quota: bool
    own_quota: Quota
    primary_address: str
    secondary_addresses: tuple[str, ...]
    created_at: int
    may_impersonate: bool = False  # sign in as any other recipient

    @property
    def addresses(self) -> tuple[str, ...]:
        """All of them, the primary one first."""
        return (self.primary_address, *self.secondary_addresses)


class NewRecipient(Struct, frozen=True):
    """A recipient before it has its number."""

    alias: str
    display_name: str
    database_id: DatabaseId
    mailbox_id: MailboxId
    primary_address: str
    secondary_addresses: tuple[str, ...] = ()
    enabled: bool = True
    use_database_quota: bool = True
    own_quota: Quota = Quota()


class Group(Struct, frozen=True):
    """A security group: its members may do what it may.  Its number is one of the recipients'."""

    group_id: RecipientId
    name: str
    created_at: int


class PublicFolders(Struct, frozen=True):
    """Where the folders are that all share: one mailbox that no recipient has."""

    mailbox_id: MailboxId
    database_id: DatabaseId


Digest = Literal["sha1", "sha256"]  # that SCRAM is done with, as hashlib calls it


class ScramKeys(Struct, frozen=True):
    """What a server keeps of a password for SCRAM (RFC 5802 section 3): nobody can sign in with it."""

    salt: bytes
    iterations: int
    stored_key: bytes
    server_key: bytes


class Credential(Struct, frozen=True):
    """One password in the forms in which it is checked."""

    password_hash: str  # argon2id, in its own notation
    scram: ScramKeys  # of SCRAM-SHA-256
    scram_sha1: ScramKeys | None = None  # with the same salt and iterations; None: made before these were kept


class Account(Struct, frozen=True):
    """Who has signed in, and with which version of the password."""

    recipient: Recipient
    credential_version: int


def effective(recipient: Recipient, database: MailboxDatabaseInfo) -> Quota:
    """T-1.2: a mailbox's own quota counts only when it does not use the database's, and then as a whole."""
    return database.quota if recipient.use_database_quota else recipient.own_quota


def split_address(address: str) -> tuple[str, str]:
    """The parts before and after the last @; without one, all is the local part.

    The last, because a quoted local part may hold others (RFC 5321 4.1.2) and a domain none.
    """
    local, at, domain = address.rpartition("@")
    return (local, domain) if at else (domain, "")


def fold_address(address: str) -> str:
    """The form by which an address is found: letter case and Unicode's spellings of the same do not count.

    RFC 5321 2.4 has local parts case-sensitive and advises against using that; nobody does.
    """
    local, domain = split_address(address)
    return f"{_fold(local)}@{fold_domain(domain)}" if "@" in address else _fold(local)


def fold_domain(domain: str) -> str:
    """A domain in small letters, its A-labels (xn--) as the U-labels that they stand for (RFC 5890 2.3.2.1)."""
    if domain.isascii() and "xn--" not in (small := domain.lower()):
        return small
    return ".".join(_fold_label(label) for label in domain.split("."))


def fold_name(name: str) -> str:
    """The form by which an alias is found.  Compatibility forms count as the same too, as in SASLprep (RFC 4013)."""
    return name.lower() if name.isascii() else unicodedata.normalize("NFKC", _fold(unicodedata.normalize("NFKC", name)))


def _fold(text: str) -> str:
    if text.isascii():
        return text.lower()
    # Unicode 3.13, D145: decomposed before and after, or some letters with two marks would fold differently.
    decomposed = unicodedata.normalize("NFD", unicodedata.normalize("NFD", text).casefold())
    return unicodedata.normalize("NFC", decomposed)


def _fold_label(label: str) -> str:
    small = _small(label)
    if not small.startswith("xn--"):
        return small
    try:
        decoded = small[4:].encode("ascii").decode("punycode")
        return small if decoded.isascii() or _small(decoded).encode("punycode") != small[4:].encode() else decoded
    except (UnicodeError, ValueError, OverflowError):
        return small  # no A-label after all: it stands for itself


def _small(text: str) -> str:
    # Not casefold: in IDNA 2008 "ß" and final sigma are letters of their own, so these are names of different owners.
    small = "".join(letter.lower() for letter in unicodedata.normalize("NFC", text))
    return unicodedata.normalize("NFC", small)


def candidates(address: str, *, plus_addressing: bool = True) -> tuple[str, ...]:
    """The folded addresses to look for, in this order: as it is, then without its detail (RFC 5233 section 4).

    So a recipient who really has a plus sign in an address wins over one whose detail it would be.
    """
    folded = fold_address(address)
    if not plus_addressing or "+" not in folded or folded.startswith('"'):
        return (folded,)
    local, domain = split_address(folded)
    user, plus, _ = local.partition("+")
    return (folded, f"{user}@{domain}") if user and plus and domain else (folded,)


def is_postmaster(address: str) -> bool:
    """RFC 5321 4.5.1: this name must be taken in any case, in each of our domains and without any."""
    return split_address(address)[0].lower() == POSTMASTER


# A dot-string of RFC 5321 4.1.2, with UTF-8 by RFC 6531 3.3.  Possessive, so it takes linear time.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u00a1-\U0010ffff-]++"
_LOCAL_PART = re.compile(rf'{_ATOM}(?:\.{_ATOM})*+|"(?:[ !#-\[\]-~\u00a1-\U0010ffff]|\\[ -~])*+"')
_LABEL = re.compile(r"[A-Za-z0-9\u00a1-\U0010ffff](?:[A-Za-z0-9\u00a1-\U0010ffff-]*[A-Za-z0-9\u00a1-\U0010ffff])?")
# No "+": it would look like a detail.  No "/", "*", "%", "@": aliases become folder names, and login names have an @.
_ALIAS_MARKS = frozenset("!#$&'-.=^_~")
_WORD_MARKS = frozenset(" -._()")
# Unicode's general categories of letters, the marks on them, and digits.
_ALPHANUMERIC = frozenset({"Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Nd"})
# Control, format (invisible, or turning the direction of text), private, surrogate, unassigned, line separators.
_UNSEEN = frozenset({"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"})


def check_address(address: str) -> str:
    """The folded form of an address that a recipient may have.  Raises InvalidAddress."""
    local, domain = split_address(address)
    if not _LOCAL_PART.fullmatch(local) or not _fits(local, LOCAL_PART_OCTETS) or not _fits(address, ADDRESS_OCTETS):
        raise InvalidAddress("Not an address: the part before the @ is malformed or too long")
    check_domain(domain)
    if not all(map(_is_seen, local)):
        raise InvalidAddress("Not an address: it has characters that cannot be seen")
    return fold_address(address)


def check_domain(domain: str) -> str:
    """The folded form of a domain that we may accept mail for.  Raises InvalidAddress."""
    labels = domain.split(".")
    well_formed = all(_LABEL.fullmatch(label) and _fits(label, LABEL_OCTETS) for label in labels)
    if not well_formed or not _fits(domain, DOMAIN_OCTETS) or labels[-1].isdigit() or not all(map(_is_seen, domain)):
        raise InvalidAddress("Not a domain name")
    return fold_domain(domain)


def check_alias(alias: str) -> str:
    """The folded form of an alias, which is also a login name.  Raises InvalidAlias."""
    _check_name(alias, ALIAS_OCTETS, _ALIAS_MARKS)
    if alias.endswith(".") or ".." in alias:  # so that every alias can be a local part
        raise InvalidAlias("Dots may stand only between other characters")
    if (folded := fold_name(alias)) == ANYONE_NAME:
        raise InvalidAlias(f"Access control lists mean everybody by {ANYONE_NAME}")
    return folded


def check_group_name(name: str) -> str:
    """The folded form of a group's name.  Raises InvalidAlias."""
    return _check_words(name, ALIAS_OCTETS)


def check_database_name(name: str) -> str:
    """The folded form of a mailbox database's name.  Raises InvalidAlias."""
    return _check_words(name, NAME_OCTETS)


def check_display_name(name: str) -> str:
    """The name as it is.  Raises InvalidAlias."""
    if not name.strip() or not _fits(name, NAME_OCTETS) or not all(map(_is_seen, name)):
        raise InvalidAlias("Not a name to show: it is empty, too long, or has characters that cannot be seen")
    return name


def _check_words(name: str, octets: int) -> str:
    _check_name(name, octets, _WORD_MARKS)
    if name.endswith(" "):
        raise InvalidAlias("The name ends in a space")
    return fold_name(name)


def _check_name(name: str, octets: int, marks: frozenset[str]) -> None:
    if not name or not _fits(name, octets):
        raise InvalidAlias(f"A name has 1 to {octets} octets")
    # A first letter or digit keeps names apart from options of commands, and from hidden files.
    if unicodedata.category(name[0]) not in _ALPHANUMERIC:
        raise InvalidAlias("A name starts with a letter or a digit")
    if wrong := next((c for c in name if c not in marks and unicodedata.category(c) not in _ALPHANUMERIC), None):
        raise InvalidAlias(f"A name may not have the character U+{ord(wrong):04X}")


def _is_seen(character: str) -> bool:
    return unicodedata.category(character) not in _UNSEEN


def _fits(text: str, octets: int) -> bool:
    # A lone surrogate has no UTF-8; it is refused as unseen.
    return len(text) <= octets and len(text.encode("utf-8", "surrogatepass")) <= octets
