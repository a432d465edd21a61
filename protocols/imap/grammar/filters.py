"""Which folders a command is about, by name or by kind (RFC 5465 6 as RFC 7377 4 has it); and ESEARCH."""

from typing import Final

from protocols.imap import limits
from protocols.imap.commands import Esearch, FilterKind, MailboxFilter
from protocols.imap.grammar.scanner import BadSyntax, Scanner
from protocols.imap.grammar.search import Program, Returns, at_word, charset_of, return_options

_PLAIN: Final[dict[bytes, FilterKind]] = {
    b"SELECTED": "selected",
    b"INBOXES": "inboxes",
    b"PERSONAL": "personal",
    b"SUBSCRIBED": "subscribed",
}
_NAMED: Final[dict[bytes, FilterKind]] = {
    b"MAILBOXES": "mailboxes",
    b"SUBTREE": "subtree",
    b"SUBTREE-ONE": "subtree-one",
}


def esearch(scanner: Scanner, tag: bytes) -> Esearch:
    """ESEARCH [SP "IN" SP "(" source-mbox ")"] [SP search-return-opts] SP search-program (RFC 7377 4)."""
    scanner.space()
    sources: tuple[MailboxFilter, ...] = (MailboxFilter("selected"),)
    if at_word(scanner, b"IN"):
        found = scanner.listing(lambda: mailbox_filter(scanner), limits.MAILBOX_FILTERS, "sources")
        sources = tuple(dict.fromkeys(found))
        scanner.space()
    returns = Returns(frozenset({"ALL"}))  # RFC 7377 2.1
    if at_word(scanner, b"RETURN"):
        returns = return_options(scanner)
        scanner.space()
    options = returns.options or frozenset()
    if "SAVE" in options and sources != (MailboxFilter("selected"),):
        raise BadSyntax("SAVE goes with the selected folder alone")  # RFC 7377 2.2
    charset: str | None = None
    codec: str | None = "utf_8"
    if at_word(scanner, b"CHARSET"):
        charset, codec = charset_of(scanner)
        scanner.space()
    return Esearch(tag, sources, Program(scanner, codec).whole(), options, charset, returns.page, returns.told)


def mailbox_filter(scanner: Scanner) -> MailboxFilter:
    """filter-mailboxes, without what NOTIFY alone may say."""
    name = scanner.word()
    plain = _PLAIN.get(name)
    if plain is not None:
        return MailboxFilter(plain)
    kind = _NAMED.get(name)
    if kind is None:
        raise BadSyntax("Unknown kind of mailboxes")
    scanner.space()
    if scanner.sees(b"("):
        names = scanner.listing(scanner.mailbox, limits.MAILBOX_FILTERS, "mailboxes")
    else:
        names = [scanner.mailbox()]
    return MailboxFilter(kind, tuple(names))
