"""What workers say to each other, and how it is written.

All of it is data: commands for the worker that owns a database, what became of them, what was committed, who is
connected where, and what an administrator asks of all workers at once.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from adapters.bus.frames import BrokenFrame
from core.changes import Change, FolderChange
from core.commands import RESULTS, Command, Deliver, Delivered
from core.errors import Refusal, Unavailable
from core.model import KEYWORDS_IN_MASK, Entry, Tagged


class Submitted(Tagged, frozen=True):
    """A command for a database that the one who is told owns."""

    number: int  # by which it is answered
    database_id: int
    bulk: bool
    command: Command


class Changed(Tagged, frozen=True):
    """What a group of commands changed; before any of them is answered."""

    changes: tuple[Change, ...]
    # Of messages with more keywords than a number of MessagePack has bits: (change, UID, mask in little-endian order).
    wide: tuple[tuple[int, int, bytes], ...] = ()


class Refused(Struct, frozen=True, array_like=True):
    """A refusal, or what went wrong."""

    kind: str  # the refusal's class; FAULT: none of ours
    text: str


class Answered(Tagged, frozen=True):
    """What became of a command, or of a question."""

    number: int
    result: Raw
    refused: Refused | None = None


class Missing(Tagged, frozen=True):
    """Changes were left out, since they were not taken fast enough: the stores must be looked at."""


class Asked(Tagged, frozen=True):
    """A question to another worker."""

    number: int
    what: str
    arguments: Raw


class Counted(Tagged, frozen=True):
    """How many more connections (fewer, if negative) of some kind there are at this worker."""

    kind: str
    key: str | int
    more: int


class SignIn(Tagged, frozen=True):
    """Somebody has signed in at this worker, or has failed to."""

    source: str | None
    login: str
    succeeded: bool


class Verified(Tagged, frozen=True):
    """A password that was verified at this worker; the digest is under a key that only workers know."""

    digest: bytes


Message = Submitted | Changed | Answered | Missing | Asked | Counted | SignIn | Verified

FAULT: Final = ""
_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final[msgspec.msgpack.Decoder[Message]] = msgspec.msgpack.Decoder(Message)
# Of a delivery each recipient's outcome: the one or the other.
_Outcomes = list[tuple[Delivered | None, Refused | None]]
_RESULTS: Final = {
    kind: msgspec.msgpack.Decoder(_Outcomes if kind is Deliver else result) for kind, result in RESULTS.items()
}


class FarFault(RuntimeError):
    """Another worker failed at something; its log says how."""


def encoded(message: Message) -> bytes:
    """The octets of a message."""
    return _ENCODER.encode(message)


def decoded(octets: bytes) -> Message:
    """Raises BrokenFrame for what is no message of ours."""
    try:
        message = _DECODER.decode(octets)
        return _widened(message) if isinstance(message, Changed) and message.wide else message
    except (msgspec.MsgspecError, RecursionError, ValueError) as wrong:
        raise BrokenFrame(f"Not a message between workers: {wrong}") from wrong


def narrowed(changes: Sequence[Change]) -> Changed:
    """Changes of which some messages have very many keywords."""
    wide = [
        (at, entry.uid, entry.keywords.to_bytes(-(-entry.keywords.bit_length() // 8), "little"))
        for at, change in enumerate(changes)
        if isinstance(change, FolderChange)
        for entry in (*change.arrived, *change.changed)
        if entry.keywords >> KEYWORDS_IN_MASK
    ]
    return Changed(tuple(_with_keywords(change, lambda entry: _low(entry.keywords)) for change in changes), tuple(wide))


def _widened(message: Changed) -> Changed:
    masks = {(at, uid): int.from_bytes(mask, "little") for at, uid, mask in message.wide}

    def mask_in(at: int) -> Callable[[Entry], int]:
        return lambda entry: masks.get((at, entry.uid), entry.keywords)

    return Changed(tuple(_with_keywords(change, mask_in(at)) for at, change in enumerate(message.changes)))


def _low(keywords: int) -> int:
    return keywords if not keywords >> KEYWORDS_IN_MASK else 0


def _with_keywords(change: Change, keywords: Callable[[Entry], int]) -> Change:
    if not isinstance(change, FolderChange):
        return change
    arrived, changed = (
        tuple(replace(entry, keywords=keywords(entry)) for entry in some) for some in (change.arrived, change.changed)
    )
    return replace(change, arrived=arrived, changed=changed)


def answer(number: int, result: object, error: BaseException | None) -> Answered:
    """What became of a command or a question."""
    if error is not None:
        return Answered(number, Raw(_ENCODER.encode(None)), refused(error))
    if isinstance(result, list) and any(isinstance(each, Refusal | Delivered) for each in result):
        result = [(None, refused(each)) if isinstance(each, Refusal) else (each, None) for each in result]
    return Answered(number, Raw(_ENCODER.encode(result)))


def result(kind: type, octets: Raw) -> Any:
    """The result of a command of some kind."""
    if (decoder := _RESULTS.get(kind)) is None:
        return None
    found = decoder.decode(octets)
    if kind is not Deliver:
        return found
    return [delivered if no is None else refusal(no) for delivered, no in found]


def refused(error: BaseException) -> Refused:
    """A refusal as it is told; of a fault its text is for the log of the one at which it happened."""
    return Refused(type(error).__name__, str(error)) if isinstance(error, Refusal) else Refused(FAULT, "")


def refusal(told: Refused) -> Exception:
    """The refusal, or FarFault."""
    if told.kind == FAULT:
        return FarFault("Another worker failed at this; its log says how")
    return _kinds(Refusal).get(told.kind, Unavailable)(told.text)


def _kinds(kind: type[Refusal]) -> dict[str, type[Refusal]]:
    """All refusals of the core, by name."""
    known = {kind.__name__: kind} if kind.__module__.startswith("core.") else {}
    for narrower in kind.__subclasses__():
        known |= _kinds(narrower)
    return known
