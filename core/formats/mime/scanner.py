"""The push scanner: a message in pieces of any size, one pass, flat memory; all that the store keeps of it comes out.

Every line is looked at from the line feed before it, so that a header, a blank line and a delimiter are found in the
same way wherever they stand; before the first line a line feed is made up.  Inside a body nothing is done per line: the
next delimiter of every open multipart is found by one search each, which goes over each octet once.
"""

from collections.abc import Callable
from re import compile as pattern
from typing import Final

from .entity import OPAQUE, PLAIN_TEXT, Content, Entity, boundary_of, content_of, is_message_type
from .envelope import Addresses, addresses_of, envelopes
from .fields import Fields, known_fields
from .limits import MAX_DEPTH, MAX_DESCRIBED, MAX_HEADER, MAX_PARTS
from .model import Scan
from .preview import preview
from .samples import Sampler
from .structure import structures
from .summary import summarize
from .tree import part_of, table_of

_BLANK_LINE: Final = pattern(rb"\n\r?\n")
_SHORTEST_HOLD: Final = 3  # LF CR LF
_CR: Final = 13


class _Delimiter:
    """The search for one open multipart's delimiter in the octets at hand."""

    __slots__ = ("entity", "found", "needle", "searched")

    def __init__(self, entity: Entity, boundary: bytes) -> None:
        self.entity = entity
        self.needle = b"\n--" + boundary
        self.restart()

    def restart(self) -> None:
        self.found = -1
        self.searched = 0

    def seek(self, octets: bytes, start: int, last: int) -> int:
        """Where the next delimiter starts, not before start and not after last; or -1."""
        if self.found < start:
            start = max(start, self.searched)
            if start > last:
                return -1
            self.found = octets.find(self.needle, start, last + len(self.needle))
            self.searched = (self.found if self.found >= 0 else last) + 1
        return self.found if self.found <= last else -1


class Scanner:
    """Feed it the message, then ask for the result."""

    def __init__(self) -> None:
        self._octets = b"\n"  # not yet done with; begins with the made-up line feed
        self._base = -1  # where _octets begins in the message
        self._at = 0  # the scan has come so far in _octets
        self._last = 0  # and may come so far before more octets are needed
        self._counted = 1  # line feeds are counted up to here
        self._line_feeds = 0
        self._final = False
        self._header: list[bytes] = []
        self._header_length = 0
        self._clipped = False  # the message's own header was too long to be read to its end
        self._root = Entity(0)
        self._open = [self._root]  # from the message to the innermost entity
        self._delimiters: list[_Delimiter] = []  # of the open multiparts that have not been closed, outermost first
        self._parts = 1
        self._described = 0
        self._fields: Fields = {}
        self._is_ascii = True  # all header text so far, RFC 2231 values counted as what they stand for
        self._addresses: Addresses = {}
        self._sampler = Sampler()
        self._step: Callable[[], bool] = self._in_header

    def feed(self, data: bytes) -> None:
        """Take the next octets of the message."""
        self._octets += data
        self._run()

    def finish(self) -> Scan:
        """The message is complete."""
        self._final = True
        self._run()
        end = len(self._octets)
        self._count(end)
        self._close_until(0, end)
        envelope, envelope_utf8 = envelopes(self._fields, self._addresses, is_ascii=self._is_ascii)
        structure, structure_utf8 = structures(self._root, is_ascii=self._is_ascii)
        root = part_of(self._root)
        return Scan(
            size=self._base + end,
            lines=self._line_feeds,
            root=root,
            parts=table_of(root),
            envelope=envelope,
            envelope_utf8=envelope_utf8,
            structure=structure,
            structure_utf8=structure_utf8,
            summary=summarize(self._fields, self._addresses, preview(self._sampler.samples()), clipped=self._clipped),
        )

    def _run(self) -> None:
        self._look_ahead()
        while self._step():
            pass
        self._count(self._at)
        self._octets = self._octets[self._at :]
        self._base += self._at
        self._counted -= self._at
        self._at = 0
        for delimiter in self._delimiters:
            delimiter.restart()

    # Steps.  Each returns whether there may be more to do with the octets at hand.

    def _in_header(self) -> bool:
        delimiter = self._next_delimiter()
        stop = self._last if delimiter is None else delimiter.found
        blank = _BLANK_LINE.search(self._octets, self._at, stop + _SHORTEST_HOLD)
        if blank is not None and blank.start() <= stop:
            self._end_header(blank.start() + 1, blank.end())
        elif delimiter is not None:
            # No blank line: the part is its header.  (A delimiter's own line end stays with the last field here.)
            self._end_header(stop + 1, stop + 1)
        elif self._final:
            self._end_header(len(self._octets), len(self._octets))
        else:
            self._keep_header(stop)
            return False
        return True

    def _in_body(self) -> bool:
        delimiter = self._next_delimiter()
        if delimiter is None:
            end = len(self._octets) if self._final else max(self._at, self._last)
            self._sampler.take(self._octets, self._at, end, self._base)
            self._at = end
            return False
        end = self._line_start(delimiter.found)
        self._sampler.take(self._octets, self._at, end, self._base)
        self._delimit(delimiter, end)
        return True

    def _in_delimiter_line(self) -> bool:
        """Over the blanks after a delimiter (RFC 2046 5.1.1), to the line feed from which the part's header is read."""
        end = self._octets.find(b"\n", self._at)
        self._at = end if end >= 0 else len(self._octets)
        if end < 0:
            return False
        self._begin(self._base + end + 1)
        return True

    def _look_ahead(self) -> None:
        """Find the last place where whatever starts there, a blank line or any delimiter with its "--", is at hand."""
        if self._final:
            self._last = len(self._octets)
        else:
            longest = max([len(delimiter.needle) + 2 for delimiter in self._delimiters], default=0)
            self._last = len(self._octets) - max(longest, _SHORTEST_HOLD)

    def _next_delimiter(self) -> _Delimiter | None:
        """The nearest; where several start, the longest, since one boundary may begin like another (RFC 2046 5.1.2)."""
        nearest = None
        last = self._last
        for delimiter in self._delimiters:
            found = delimiter.seek(self._octets, self._at, last)
            if found >= 0 and (nearest is None or found < last or len(delimiter.needle) >= len(nearest.needle)):
                nearest = delimiter
                last = found
        return nearest

    def _keep_header(self, end: int) -> None:
        if end > self._at:
            if self._header_length < MAX_HEADER:
                self._header.append(self._octets[self._at : min(end, self._at + MAX_HEADER)])
            self._header_length += end - self._at
            self._at = end

    def _begin(self, header_start: int) -> None:
        entity = Entity(header_start)
        self._open[-1].children.append(entity)
        self._open.append(entity)
        self._parts += 1
        self._step = self._in_header

    def _end_header(self, end: int, body_start: int) -> None:
        self._keep_header(end)
        header = b"".join(self._header)[:MAX_HEADER]
        self._clipped = self._clipped or (self._parts == 1 and self._header_length > MAX_HEADER)
        self._header, self._header_length = [], 0
        entity = self._open[-1]
        self._count(body_start)
        entity.body_start, entity.first_line = self._base + body_start, self._line_feeds
        self._at = body_start - 1
        self._is_ascii = self._is_ascii and header.isascii() and b"*" not in header
        found = known_fields(header)
        self._describe(entity, found)
        self._enter_body(entity)

    def _describe(self, entity: Entity, found: Fields) -> None:
        parent = self._open[-2] if len(self._open) > 1 else None
        entity.content = content_of(found, in_digest=parent is not None and parent.is_digest)
        if parent is None:
            self._fields, self._addresses = found, addresses_of(found)
            return
        self._described += sum([len(value) for values in found.values() for value in values])
        if parent.is_message:
            parent.envelope, parent.envelope_utf8 = envelopes(found, addresses_of(found), is_ascii=self._is_ascii)

    def _enter_body(self, entity: Entity) -> None:
        content = entity.content
        self._step = self._in_body
        if is_message_type(content):
            if self._is_full():
                entity.content = _opaque(content)
            else:
                entity.is_message = True
                self._begin(entity.body_start)
        elif content.type.lower() == b"multipart":
            boundary = boundary_of(content)
            if boundary is None:
                # RFC 2045 5.2: a type that is not valid counts as plain text, so that the reader sees what there is.
                entity.content = content._replace(type=PLAIN_TEXT[0], subtype=PLAIN_TEXT[1], params=())
            elif self._is_full():
                entity.content = _opaque(content)
            else:
                entity.is_multipart = True
                self._delimiters.append(_Delimiter(entity, boundary))
                self._look_ahead()
        else:
            self._sampler.enter(self._open)

    def _is_full(self) -> bool:
        return len(self._open) > MAX_DEPTH or self._parts >= MAX_PARTS or self._described > MAX_DESCRIBED

    def _delimit(self, delimiter: _Delimiter, end: int) -> None:
        """What is open inside the delimiter's multipart ends; then comes its next part, or its epilogue."""
        level = self._open.index(delimiter.entity)
        self._close_until(level + 1, end)
        del self._delimiters[self._delimiters.index(delimiter) + 1 :]
        self._at = delimiter.found + len(delimiter.needle)
        if self._octets.startswith(b"--", self._at):
            self._delimiters.pop()
            self._step = self._in_body
        elif self._parts >= MAX_PARTS or self._described > MAX_DESCRIBED:
            self._delimiters.clear()
            self._step = self._in_body
        else:
            self._step = self._in_delimiter_line
        self._look_ahead()

    def _close_until(self, level: int, end: int) -> None:
        """End the entities from the innermost out to this level; the line end before a delimiter is the delimiter's."""
        self._sampler.leave()
        while len(self._open) > level:
            entity = self._open.pop()
            # An empty body begins after that line end, when the blank line before it is the delimiter's too.
            end = max(end, entity.body_start - self._base)
            self._count(end)
            entity.body_end, entity.lines = self._base + end, self._line_feeds - entity.first_line

    def _line_start(self, line_feed: int) -> int:
        """Where the line end that includes this line feed begins."""
        return line_feed - (line_feed > 0 and self._octets[line_feed - 1] == _CR)

    def _count(self, end: int) -> None:
        if end > self._counted:
            self._line_feeds += self._octets.count(b"\n", self._counted, end)
            self._counted = end


def _opaque(content: Content) -> Content:
    """RFC 2046 5.1.3 and 4.5.1: what is not taken apart is octets."""
    return content._replace(type=OPAQUE[0], subtype=OPAQUE[1], params=())


def scan(data: bytes) -> Scan:
    """Scan a whole message."""
    scanner = Scanner()
    scanner.feed(data)
    return scanner.finish()
