"""LANGUAGE and COMPARATOR: what a client's user speaks, and by what texts are compared (RFC 5255)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from protocols.imap import commands
from protocols.imap.finding.comparators import matching
from protocols.imap.saying import responses
from protocols.imap.saying.languages import LANGUAGES, spoken
from protocols.imap.saying.refusals import Rejected

if TYPE_CHECKING:
    from protocols.imap.session import Session


def do_language(session: Session, command: commands.Language) -> str:
    """RFC 5255 3.2: the first range that means a language of ours decides."""
    if not command.ranges:
        session.send(responses.language([language.tag for language in LANGUAGES]))
        return "LANGUAGE completed"
    language = spoken(command.ranges)
    if language is None:
        raise Rejected("That language is not spoken here")
    session.speak(language)
    session.send(responses.language([language.tag]))
    return "LANGUAGE completed"


def do_comparator(session: Session, command: commands.Comparator) -> str:
    """RFC 5255 4.7: the first argument that means any comparator decides."""
    found = matching(command.wanted)
    if command.wanted and not found:
        raise Rejected("There is no such comparator", code=responses.BADCOMPARATOR)
    if found:
        session.comparator = found[0]
    session.send(responses.comparator(session.comparator.label, [each.name for each in found]))
    return "COMPARATOR completed"
