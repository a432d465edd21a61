"""Messages on their way in: a spool with the scanner that looks at what passes through it."""

from adapters.blobs.frames import FRAME_OCTETS
from adapters.blobs.packs import Packs
from adapters.blobs.spool import Spool
from core.formats.mime import Scan, Scanner
from core.intake import describe
from core.model import Incoming

HEAD_OCTETS = 64 * 1024  # kept to look for mail loops


class MessageSpool:
    """Takes a message's octets in pieces; memory stays flat whatever comes."""

    def __init__(self, database_id: int, packs: Packs, limit: int, *, beside: "MessageSpool | None" = None) -> None:
        self.database_id = database_id
        self._packs = packs
        self._limit = limit
        self._scanner = Scanner()
        before: Spool | None = None if beside is None else beside._spool
        self._spool: Spool = Spool(lambda: packs, self._scanner, limit, beside=before)
        self._scan: Scan | None = None
        self._message: Incoming | None = None
        self.head = b""

    @property
    def size(self) -> int:
        return self._spool.size

    def write(self, chunk: bytes) -> None:
        """Takes the next octets."""
        if len(self.head) < HEAD_OCTETS:
            self.head += bytes(chunk[: HEAD_OCTETS - len(self.head)])
        self._spool.write(chunk)

    def finish(self) -> Incoming:
        """All that is known of the message; a large body is on disk after this."""
        if self._message is None:
            blob = self._spool.finish()
            self._scan = self._scanner.finish()
            self._message = describe(self._scan, blob)
        return self._message

    def another(self) -> "MessageSpool":
        """A spool for the next message of the same command, which is kept or discarded together with this one."""
        return MessageSpool(self.database_id, self._packs, self._limit, beside=self)

    def copy_to(self, other: "MessageSpool") -> Incoming:
        """The same message in another database's spool; for a large body that more than one database takes."""
        message = self.finish()
        for start in range(0, message.blob.size, FRAME_OCTETS):
            other.write(self._packs.read(message.blob, start, start + FRAME_OCTETS))
        return other.finish()

    @property
    def scan(self) -> Scan:
        """What the scanner found; only after `finish`."""
        assert self._scan is not None, "finish comes first"
        return self._scan

    def keep(self) -> None:
        """A row names the body now."""
        self._spool.keep()

    def discard(self) -> None:
        """Nothing needs the body any more; harmless after `keep`."""
        self._spool.discard()
