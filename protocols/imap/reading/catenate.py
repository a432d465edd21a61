"""Parts of messages that are here already, found by their URLs (RFC 4469, RFC 4467) and read in pieces."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from msgspec import Struct

from core import folders
from core.errors import MessageExpunged, NoSuchFolder
from core.formats import mime
from core.model import Blob, Folder, Item
from core.ports import ReadTx
from core.rights import READ
from protocols.imap.commands import Section
from protocols.imap.grammar import BadSyntax
from protocols.imap.grammar.urls import MessageUrl, message_url
from protocols.imap.naming.homes import Home, Named, locate
from protocols.imap.reading.sections import PIECE_OCTETS, Message, read_octets
from protocols.imap.saying import responses
from protocols.imap.saying.refusals import Rejected
from protocols.imap.work import Asking, Read

if TYPE_CHECKING:
    from protocols.imap.session import Session


class Part(Struct, frozen=True):
    """Octets of a message: from one place to another in what is ahead of its blob, and the blob."""

    home: Home
    ahead: bytes
    blob: Blob
    start: int
    stop: int

    @property
    def size(self) -> int:
        return self.stop - self.start

    def reads(self) -> Iterator[Read]:
        """The work that gives all of them, piece by piece."""
        for start in range(self.start, self.stop, PIECE_OCTETS):
            stop = min(start + PIECE_OCTETS, self.stop)
            yield self.home.read(
                partial(read_octets, blob=self.blob, prefix=self.ahead, start=start, stop=stop), heavy=True
            )


def find(session: Session, url: bytes) -> Asking[Part]:
    """The octets that a URL stands for; raises Rejected with BADURL (RFC 4469 4.1)."""
    try:
        asked = message_url(url)
        # A part of a header is made here, of all of it.
        named = locate(session, asked.mailbox)
        read = partial(_find, named=named, url=asked)
        found: Part | None = yield named.home.read(read, heavy=bool(asked.section.fields))
    except (BadSyntax, NoSuchFolder, MessageExpunged):
        raise bad_url(url) from None
    if found is None:
        raise bad_url(url)
    return found


def bad_url(url: bytes) -> Rejected:
    """There is nothing of this name, or not any more."""
    return Rejected("There is no such message, or no such part of it", code=responses.bad_url(url))


def _find(tx: ReadTx, named: Named, url: MessageUrl) -> Part | None:
    folder = folders.selectable(tx, named.home.mailbox_id, named.path, named.home.by, READ)
    return part_of(tx, named.home, folder, url)


def part_of(tx: ReadTx, home: Home, folder: Folder, url: MessageUrl) -> Part | None:
    """What a URL stands for in a folder that may be read; None: the message has no such part.

    Raises NoSuchFolder, MessageExpunged.
    """
    if url.uidvalidity not in (None, folder.uidvalidity):
        raise NoSuchFolder("The folder is another one now")  # RFC 5092 5: as if it did not exist
    items = list(tx.items(folder.mailbox_id, folder.folder_id, url.uid, url.uid))
    if not items:
        raise MessageExpunged("The message has been expunged")
    return _part(tx, home, items[0], url.section)


def _part(tx: ReadTx, home: Home, item: Item, section: Section) -> Part | None:
    """RFC 5092 6: what FETCH BODY.PEEK[section] would give."""
    message = Message(tx, item)
    ahead = item.prefix
    text, exclude = section.text, section.text == "HEADER.FIELDS.NOT"
    extent = message.extent(section.path, "HEADER" if text == "HEADER.FIELDS" or text == "HEADER.FIELDS.NOT" else text)
    if extent is None:
        return None
    start, stop = extent
    if section.fields:
        ahead = mime.header_fields(message.read(start, stop), section.fields, exclude=exclude)
        start, stop = 0, len(ahead)
    if section.partial is not None:
        first, length = section.partial
        start, stop = min(start + first, stop), min(start + first + length, stop)
    return Part(home, ahead, message.blob, start, stop)
