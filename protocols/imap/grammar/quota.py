"""The commands about how much a mailbox may hold (RFC 9208 7)."""

from protocols.imap import limits
from protocols.imap.commands import GetQuota, GetQuotaRoot, SetQuota
from protocols.imap.grammar.scanner import BadSyntax, Scanner, over_limit


def get_quota(scanner: Scanner, tag: bytes) -> GetQuota:
    """GETQUOTA SP quota-root-name."""
    root = _root(scanner)
    scanner.end()
    return GetQuota(tag, root)


def get_quota_root(scanner: Scanner, tag: bytes) -> GetQuotaRoot:
    """GETQUOTAROOT SP mailbox."""
    scanner.space()
    name = scanner.mailbox()
    scanner.end()
    return GetQuotaRoot(tag, name)


def set_quota(scanner: Scanner, tag: bytes) -> SetQuota:
    """SETQUOTA SP quota-root-name SP "(" [resource-name SP resource-limit *(SP ...)] ")"."""
    root = _root(scanner)
    scanner.space()
    given = scanner.listing(lambda: _resource(scanner), limits.QUOTA_RESOURCES, "resources", empty=True)
    scanner.end()
    if len({name for name, _ in given}) != len(given):
        raise BadSyntax("A resource is given twice")
    return SetQuota(tag, root, tuple(given))


def _root(scanner: Scanner) -> str:
    """An astring that only its server understands: octets that are no UTF-8 are a root that nobody has."""
    scanner.space()
    octets = scanner.astring("a quota root")
    if len(octets) > limits.QUOTA_ROOT:
        raise over_limit("Quota root is too long")
    return octets.decode("utf-8", "replace")


def _resource(scanner: Scanner) -> tuple[str, int]:
    name = scanner.atom("a resource")
    if len(name) > limits.QUOTA_RESOURCE:
        raise over_limit("Resource name is too long")
    scanner.space()
    return name.decode("ascii").upper(), scanner.number("a limit")
