"""What a command's handler asks for while it runs.

A handler is a generator.  It yields one of these and is resumed with the result, or with the exception that came of it.
`LITERAL` and `LINE` are answered by the session itself as soon as the client has sent what is asked for; all else goes
to the adapter, which runs it wherever it likes.
"""

from collections.abc import Callable, Generator
from enum import Enum
from typing import Any, TypeVar

from msgspec import Struct

from core.commands import Command
from core.ports import ReadTx

Breathe = Callable[[], bool]  # lets others go first; whether to make do with what has been done


def unhurried() -> bool:
    """Breathes where nobody waits."""
    return False


class Read(Struct, frozen=True, gc=False):
    """Runs with a snapshot of a database.  What is not `heavy` takes some microseconds."""

    database_id: int
    run: Callable[[ReadTx], Any]
    heavy: bool = False


class Scan(Struct, frozen=True, gc=False):
    """Reads so much that others go first.  Between any two steps it breathes, which may take a moment, or raise."""

    database_id: int
    run: Callable[[ReadTx, Breathe], Any]


class Write(Struct, frozen=True, gc=False):
    """Goes to the writer of a database; the result is the command's, once it is durable."""

    database_id: int
    command: Command
    bulk: bool = False


class Compute(Struct, frozen=True, gc=False):
    """Work without the store that would hold up the event loop.  What is `bulk` waits with the scans."""

    run: Callable[[], Any]
    bulk: bool = False


class Pause(Struct, frozen=True, gc=False):
    """Waits so many seconds."""

    seconds: float


class StartTls(Struct, frozen=True, gc=False):
    """Sends what is outgoing, drops what is incoming, and negotiates TLS."""


class Await(Enum):
    LITERAL = 1  # the next event of a message that is being received
    LINE = 2  # the next line as it is


class StartDeflate(Struct, frozen=True, gc=False):
    """Sends what is outgoing, and compresses both ways from then on."""


class StopDeflate(Struct, frozen=True, gc=False):
    """Sends what is outgoing; from then on both ways are plain again."""


T = TypeVar("T")
Work = Read | Scan | Write | Compute | Pause | StartTls | StartDeflate | StopDeflate
Asking = Generator[Work | Await, Any, T]  # comes to a T by asking
Answer = str | tuple[str, bytes]  # the text of the tagged OK, and its response code; empty: there is none
Steps = Asking[Answer]
