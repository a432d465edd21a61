"""The messages that a SEARCH looks at: each reads what it is asked for from the store, when it is first asked."""

from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import date
from functools import cached_property
from typing import Final

from msgspec import Struct, msgpack

from core.errors import MessageExpunged
from core.formats import mime
from core.formats.casemap import loosen
from core.model import Blob, Entry, FolderId, Item, MailboxId, UIDRanges, email_id
from core.ports import ReadTx
from protocols.imap.finding.fuzzy import pieces
from protocols.imap.reading.objectids import thread_id
from protocols.imap.reading.sections import read_octets
from protocols.imap.work import Breathe

HEADER_OCTETS = 4 * 1024 * 1024  # of a header that are looked at: it is decoded in one go, and real ones have some KiB
TEXT_OCTETS = 256 * 1024  # of a text that are decoded in one go
FOLDED_CHARACTERS = 16 * 1024  # that are folded in one go: a millisecond, in which no other thread gets on
KEPT_TEXTS = 1024 * 1024  # characters of a message that are kept for the next key that asks for them
MICROSECONDS_PER_DAY: Final = 86_400_000_000
EPOCH_DAY: Final = date(1970, 1, 1).toordinal()

_SUMMARY = msgpack.Decoder(mime.Summary)


class Batch:
    """What is known of the messages of one piece."""

    def __init__(
        self,
        tx: ReadTx,
        place: tuple[MailboxId, FolderId],
        uids: UIDRanges,
        fold: Callable[[str], str],
        breathe: Breathe,
        needles: dict[bool, set[str]],
    ) -> None:
        """`fold` is the comparator's; `needles` are all that `Candidate.holds` may be asked for, by its `headers`."""
        self.tx = tx
        self.place = place
        self.fold = fold
        self.breathe = breathe
        self.needles = needles
        self._uids = uids

    @cached_property
    def loose(self) -> "Batch":
        """The same with texts loosened, for what is looked for fuzzily: RFC 6203 3 lets it ignore the comparator."""
        return Batch(self.tx, self.place, self._uids, loosen, self.breathe, {})

    @cached_property
    def sizes(self) -> dict[int, tuple[int, int, int, int]]:
        """(UID, size, internal date, zone) by UID."""
        return {row[0]: row for low, high in self._uids for row in self.tx.sizes(*self.place, low, high)}

    @cached_property
    def objects(self) -> dict[int, tuple[int, int, int, str | None]]:
        """(UID, message, thread) by UID."""
        return {row[0]: row for low, high in self._uids for row in self.tx.objects(*self.place, low, high)}

    @cached_property
    def saved(self) -> dict[int, int]:
        """When each was put into the folder."""
        return {uid: at for low, high in self._uids for uid, at in self.tx.saved_dates(*self.place, low, high)}

    @cached_property
    def summaries(self) -> dict[int, bytes]:
        return {uid: octets for low, high in self._uids for uid, octets in self.tx.summaries(*self.place, low, high)}


class Field(Struct, frozen=True):
    name: bytes  # in lower case
    value: bytes


class Candidate:
    """A message that may match.  What is asked of one that is gone raises MessageExpunged."""

    def __init__(self, batch: Batch, number: int, entry: Entry) -> None:
        self._batch = batch
        self.number = number
        self.entry = entry
        self.breathe = batch.breathe

    @cached_property
    def loose(self) -> "Candidate":
        """The same message, with its texts loosened."""
        return Candidate(self._batch.loose, self.number, self.entry)

    @property
    def row(self) -> tuple[int, int, int, int]:
        """(UID, size, internal date, zone)."""
        if (row := self._batch.sizes.get(self.entry.uid)) is None:
            raise _gone()
        return row

    @property
    def object_ids(self) -> tuple[str, str]:
        """EMAILID and THREADID."""
        if (row := self._batch.objects.get(self.entry.uid)) is None:
            raise _gone()
        mailbox_id = self._batch.place[0]
        return row[3] or email_id(mailbox_id, row[1]), thread_id(mailbox_id, row[2])

    @property
    def saved_at(self) -> int:
        if (at := self._batch.saved.get(self.entry.uid)) is None:
            raise _gone()
        return at

    @property
    def internal_day(self) -> int:
        """The day of INTERNALDATE, as it was where the message came from."""
        _, _, at, zone = self.row
        return EPOCH_DAY + (at + zone * 60_000_000) // MICROSECONDS_PER_DAY

    @cached_property
    def summary(self) -> mime.Summary:
        if (octets := self._batch.summaries.get(self.entry.uid)) is None:
            raise _gone()
        return _SUMMARY.decode(octets)

    @cached_property
    def item(self) -> Item:
        for item in self._batch.tx.items(*self._batch.place, self.entry.uid, self.entry.uid):
            return item
        raise _gone()

    @cached_property
    def _blob(self) -> Blob:
        if (blob := self._batch.tx.blob(self.item.hash)) is None:
            raise _gone()
        return blob

    @cached_property
    def parts(self) -> mime.PartTable:
        return mime.decode_parts(self.item.parts)

    @cached_property
    def header(self) -> bytes:
        """The message's header, ours included."""
        return self._read(0, len(self.item.prefix) + min(self.parts.body_start, HEADER_OCTETS))

    @cached_property
    def _fields(self) -> list[Field]:
        return [Field(name.lower(), value) for name, value in mime.fields(self.header)]

    @cached_property
    def _values(self) -> dict[bytes, list[str]]:
        return {}

    def values(self, name: bytes) -> list[str]:
        """What the fields of this name (in lower case) say, folded."""
        known = self._values.get(name)
        if known is None:
            named = (mime.decode_header(field.value) for field in self._fields if field.name == name)
            known = ["".join(self._folded(iter((value,)))) for value in named]
            self._values[name] = known
        return known

    @cached_property
    def header_text(self) -> str:
        """The header, folded."""
        return "".join(self._folded(iter((header_text(self.header),))))

    @cached_property
    def header_pieces(self) -> list[str]:
        """The header, folded, in pieces that part no words."""
        return list(pieces(sliced(self.header_text)))

    def _read(self, start: int, stop: int) -> bytes:
        return read_octets(self._batch.tx, self._blob, self.item.prefix, start, stop)

    @cached_property
    def _kept(self) -> dict[bool, list[str] | None]:
        return {}

    def holds(self, needle: str, *, headers: bool) -> bool:
        """Whether a text in the body holds a folded needle; with `headers`, those of its parts too."""
        if headers not in self._kept:
            texts = self._texts(headers=headers)
            self._kept[headers] = ["".join(self._folded(text)) for text in texts] if self._is_short else None
        kept = self._kept[headers]
        if kept is not None:
            return any(needle in text for text in kept)
        found, looking = self._looked_through[headers]
        if needle in found:
            return True
        for other in looking:  # goes on where it stopped for the last needle
            found.add(other)
            if other == needle:
                return True
        return False

    @cached_property
    def _looked_through(self) -> dict[bool, tuple[set[str], Iterator[str]]]:
        """Of what is too large to be kept: what has been found, and what will be.

        One pass for all needles, however many: it is folding that takes long.
        """
        return {
            headers: (set(), held(map(self._folded, self._texts(headers=headers)), needles, self.breathe))
            for headers, needles in self._batch.needles.items()
        }

    @cached_property
    def _is_short(self) -> bool:
        return sum(part.body_end - part.body_start for part in leaves(self.parts)) <= KEPT_TEXTS

    @cached_property
    def _kept_pieces(self) -> dict[bool, list[list[str]]]:
        return {}

    def pieces(self, *, headers: bool) -> Iterable[Iterable[str]]:
        """The texts in the body, folded, in pieces that part no words; with `headers`, those of its parts too."""
        texts = (pieces(self._folded(text)) for text in self._texts(headers=headers))
        if not self._is_short:
            return texts
        if headers not in self._kept_pieces:
            self._kept_pieces[headers] = [list(text) for text in texts]
        return self._kept_pieces[headers]

    def _folded(self, text: Iterator[str]) -> Iterator[str]:
        for piece in text:
            for some in sliced(piece):
                self._batch.breathe()
                yield self._batch.fold(some)

    def _texts(self, *, headers: bool) -> Iterator[Iterator[str]]:
        return self._texts_of(self.parts, headers=headers, is_top=True)

    def _texts_of(self, part: mime.PartTable, *, headers: bool, is_top: bool = False) -> Iterator[Iterator[str]]:
        if not is_top and headers:
            yield iter((header_text(self._read(*self._shifted(part.header_start, part.body_start))),))
        for child in part.children:
            # A message within is part of the body, and so is its header.
            yield from self._texts_of(child, headers=headers or part.is_message)
        if not part.children and part.type in ("text", "message"):
            yield self._decoded(part)

    def _shifted(self, start: int, stop: int) -> tuple[int, int]:
        ahead = len(self.item.prefix)
        return start + ahead, stop + ahead

    def _decoded(self, part: mime.PartTable) -> Iterator[str]:
        """A part's text, in pieces; characters are never cut."""
        start, stop = self._shifted(part.body_start, part.body_end)
        if stop - start <= TEXT_OCTETS:
            yield mime.decode_text(mime.decode_transfer(part.encoding, self._read(start, stop)), part.charset)
            return
        transfer, text = mime.TransferDecoder(part.encoding), mime.TextDecoder(part.charset)
        for low in range(start, stop, TEXT_OCTETS):
            yield text.feed(transfer.feed(self._read(low, min(low + TEXT_OCTETS, stop))))
        yield text.feed(transfer.finish()) + text.finish()


# The day on which a message came, was sent, or was put into its folder; one without a Date was sent on no day.
DAYS: Final[dict[str, Callable[[Candidate], int | None]]] = {
    "internal": lambda message: message.internal_day,
    "sent": lambda message: message.summary.sent_day,
    "saved": lambda message: EPOCH_DAY + message.saved_at // MICROSECONDS_PER_DAY,
}

SUMMARY_FIELDS: Final[dict[str, Callable[[mime.Summary], str]]] = {
    "SUBJECT": lambda s: s.subject,
    "FROM": lambda s: s.from_,
    "TO": lambda s: s.to,
    "CC": lambda s: s.cc,
    "BCC": lambda s: s.bcc,
}


def _gone() -> MessageExpunged:
    return MessageExpunged("The message has been expunged")


def leaves(part: mime.PartTable) -> Iterator[mime.PartTable]:
    """The parts that hold no others."""
    for child in part.children:
        yield from leaves(child)
    if not part.children:
        yield part


def sliced(text: str) -> Iterator[str]:
    """A text in slices that can be gone through in one go."""
    return (text[start : start + FOLDED_CHARACTERS] for start in range(0, len(text), FOLDED_CHARACTERS))


def header_text(header: bytes) -> str:
    """A header as people read it: encoded words decoded, lines unfolded."""
    return "\n".join(f"{name.decode('latin-1')}: {mime.decode_header(value)}" for name, value in mime.fields(header))


def held(texts: Iterable[Iterable[str]], needles: Collection[str], breathe: Breathe) -> Iterator[str]:
    """The needles that stand in any of some folded texts, each as soon as it is found.

    Texts come in pieces; what spans two of them is found too.  There may be a thousand needles, so that one piece
    takes milliseconds.
    """
    missing, overlap = set(needles), max(map(len, needles), default=0) - 1
    for text in texts:
        tail = ""
        for piece in text:
            here = tail + piece
            for needle in tuple(missing):
                breathe()
                if needle in here:
                    missing.remove(needle)
                    yield needle
            if not missing:
                return
            tail = here[-overlap:] if overlap > 0 else ""
