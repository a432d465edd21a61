"""The commands about access control lists (RFC 4314 7)."""

from collections.abc import Callable
from typing import Final

from protocols.imap import limits
from protocols.imap.commands import DeleteAcl, GetAcl, ListRights, MyRights, SetAcl, StoreMode
from protocols.imap.grammar.scanner import BadSyntax, Scanner, over_limit

# RFC 4314 2.1.1: what the rights of RFC 2086 stand for.
_MEMBERS: Final = {"c": "kx", "d": "te"}
_KNOWN: Final = frozenset("lrswipkxtea")  # of core.rights, which a grammar may not know; a test holds the two together
_MODES: Final[dict[str, StoreMode]] = {"+": "add", "-": "remove"}


def set_acl(scanner: Scanner, tag: bytes) -> SetAcl:
    """SETACL SP mailbox SP identifier SP mod-rights."""
    mailbox = _mailbox(scanner)
    identifier = _identifier(scanner)
    scanner.space()
    given = scanner.astring("rights").decode("ascii", "replace")
    scanner.end()
    mode = _MODES.get(given[:1], "replace")
    letters = given if mode == "replace" else given[1:]
    if any(letter not in _KNOWN and letter not in _MEMBERS for letter in letters):
        raise BadSyntax("There is no such right")  # RFC 4314 3.1: also for capitals
    rights = frozenset(member for letter in letters for member in _MEMBERS.get(letter, letter))
    return SetAcl(tag, mailbox, identifier, mode, rights)


def delete_acl(scanner: Scanner, tag: bytes) -> DeleteAcl:
    """DELETEACL SP mailbox SP identifier."""
    mailbox = _mailbox(scanner)
    identifier = _identifier(scanner)
    scanner.end()
    return DeleteAcl(tag, mailbox, identifier)


def list_rights(scanner: Scanner, tag: bytes) -> ListRights:
    """LISTRIGHTS SP mailbox SP identifier."""
    mailbox = _mailbox(scanner)
    identifier = _identifier(scanner)
    scanner.end()
    return ListRights(tag, mailbox, identifier)


def _of_mailbox(command: Callable[[bytes, str], GetAcl | MyRights]) -> Callable[[Scanner, bytes], GetAcl | MyRights]:
    def read(scanner: Scanner, tag: bytes) -> GetAcl | MyRights:
        mailbox = _mailbox(scanner)
        scanner.end()
        return command(tag, mailbox)

    return read


get_acl: Final = _of_mailbox(GetAcl)
my_rights: Final = _of_mailbox(MyRights)


def _mailbox(scanner: Scanner) -> str:
    scanner.space()
    return scanner.mailbox()


def _identifier(scanner: Scanner) -> str:
    """RFC 4314 3: what SASLprep would refuse is BAD; what it would change is the directory's to fold."""
    scanner.space()
    octets = scanner.astring("an identifier")
    if len(octets) > limits.CREDENTIAL:
        raise over_limit("Identifier is too long")
    try:
        identifier = octets.decode("utf-8")
    except UnicodeDecodeError:
        raise BadSyntax("Identifier is not UTF-8") from None
    if not identifier.removeprefix("-").strip() or not identifier.isprintable():
        raise BadSyntax("Expected an identifier")
    return identifier
