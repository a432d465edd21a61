"""Clients that are known to break on what we announce, and what they are not offered for that.

Only faults that somebody has published, of clients that can be known by their ID, and that show with this server.
docs/imap.md tells the same to people, and of clients with a fault that say no name.
"""

from typing import Final

from protocols.imap.offering.policy import Fault, Pattern

FAULTS: Final[tuple[Fault, ...]] = (
    # The cloud behind Outlook, for accounts of other providers: desktop, phones and web are one client to us.
    Fault(
        client=Pattern(name="Microsoft Office 365", vendor="Microsoft Corporation"),
        hides=frozenset({"UIDONLY"}),
        since="https://github.com/modern-email/defects/issues/49",
        why="enables UIDONLY and then fetches by message numbers, which UIDONLY forbids, so that no mail comes in",
    ),
    # Versions that have been mended call themselves "Wino Mail".
    Fault(
        client=Pattern(name="Wino Mail User", vendor="Wino"),
        hides=frozenset({"QRESYNC"}),
        since="https://github.com/bkaankose/Wino-Mail/issues/656",
        why="selects a folder that is new to it with a MODSEQ of 0, which RFC 7162 does not have, and shows it empty",
    ),
)
