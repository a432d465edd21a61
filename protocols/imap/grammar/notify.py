"""NOTIFY: which events in which folders (RFC 5465 8)."""

from typing import Final

from protocols.imap import limits
from protocols.imap.commands import Event, EventGroup, Notify
from protocols.imap.grammar.fetch import item_list
from protocols.imap.grammar.filters import mailbox_filter
from protocols.imap.grammar.scanner import BadSyntax, Scanner

_SELECTED: Final = ("SELECTED", "SELECTED-DELAYED")
_OF_MESSAGES: Final = frozenset({"MESSAGENEW", "MESSAGEEXPUNGE", "FLAGCHANGE", "ANNOTATIONCHANGE"})


def notify(scanner: Scanner, tag: bytes) -> Notify:
    """NOTIFY SP ("NONE" / "SET" [SP "STATUS"] SP event-group *(SP event-group))."""
    scanner.space()
    what = scanner.word()
    if what == b"NONE":
        scanner.end()
        return Notify(tag, ())
    if what != b"SET":
        raise BadSyntax("Expected SET or NONE")
    status = scanner.text[scanner.position : scanner.position + 8].upper() == b" STATUS "
    if status:
        scanner.position += 7
    groups: list[EventGroup] = []
    while not groups or scanner.sees(b" "):
        scanner.space()
        groups.append(_group(scanner))
        if len(groups) > limits.NOTIFY_GROUPS:
            raise BadSyntax("Too many groups of events", code=b"LIMIT")
    scanner.end()
    if sum(group.is_of_selected for group in groups) > 1:
        raise BadSyntax("What is selected is given twice")  # RFC 5465 6.1
    return Notify(tag, tuple(groups), status)


def _group(scanner: Scanner) -> EventGroup:
    scanner.expect(b"(", "a group of events")
    start = scanner.position
    kind = scanner.word().decode("ascii")
    mailboxes = None
    if kind not in _SELECTED:
        scanner.position = start
        mailboxes = mailbox_filter(scanner)
        if mailboxes.kind == "subtree-one":
            raise BadSyntax("Unknown kind of mailboxes")  # RFC 7377 alone has it
    scanner.space()
    events = _events(scanner)
    scanner.expect(b")", "the end of a group of events")
    group = EventGroup(mailboxes, events, delayed=kind == "SELECTED-DELAYED")
    _check(group, {event.name for event in events})
    return group


def _events(scanner: Scanner) -> tuple[Event, ...]:
    if scanner.sees(b"("):
        return tuple(scanner.listing(lambda: _event(scanner), limits.NOTIFY_EVENTS, "events"))
    if scanner.word() != b"NONE":
        raise BadSyntax("Expected events, or NONE")
    return ()


def _event(scanner: Scanner) -> Event:
    """An event that we do not know is for the session to refuse, by a code that tells which there are."""
    name = scanner.atom("an event").decode("ascii").upper()
    if name != "MESSAGENEW" or not scanner.sees(b" ("):
        return Event(name)
    scanner.space()
    return Event(name, item_list(scanner))


def _check(group: EventGroup, names: set[str]) -> None:
    """RFC 5465 5, 6.1, 8."""
    if ("MESSAGENEW" in names) != ("MESSAGEEXPUNGE" in names):
        raise BadSyntax("MessageNew and MessageExpunge go together")
    if names & {"FLAGCHANGE", "ANNOTATIONCHANGE"} and "MESSAGENEW" not in names:
        raise BadSyntax("Changes go with MessageNew and MessageExpunge")
    if group.is_of_selected and not names <= _OF_MESSAGES:
        raise BadSyntax("Of what is selected, only messages are told")
    if not group.is_of_selected and any(event.items for event in group.events):
        raise BadSyntax("Items are told of what is selected only")
