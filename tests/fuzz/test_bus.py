"""Any octets between two workers: messages, or the end of the link, never a fault."""

import asyncio
import itertools
import socket
from collections.abc import Iterator

import msgspec
import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from adapters.bus.frames import BrokenFrame, Unframer, framed
from adapters.bus.link import Link
from adapters.bus.messages import (
    Answered,
    Asked,
    Changed,
    Counted,
    Message,
    Missing,
    Refused,
    SignIn,
    Submitted,
    decoded,
    encoded,
)
from core.changes import FolderChange, MailboxRemoved, SeenChange
from core.commands import Copy, Deliver, Delivery, FlagMode, Flags, StoreFlags
from core.model import UID, Blob, Entry, FolderId, Incoming, MailboxId, ModSeq, SeenRange
from core.recipients import RecipientId
from core.rights import Actor

PLACE = (MailboxId(1), FolderId(2))
ME = RecipientId(7)
BODY = Incoming(Blob(b"h" * 32, 3, 3, 0, b"abc"), None, b"E", b"S", b"P", b"Y", None, (b"k",))
SEEN = SeenChange(*PLACE, ME, ModSeq(1), ModSeq(2), ((1, 3),), (), (SeenRange(1, 3, True, ModSeq(2)),))
GOOD: tuple[Message, ...] = (
    Submitted(1, 1, False, StoreFlags(*PLACE, ((1, 9),), FlagMode.ADD, Flags(1, ("k",)), None, Actor(ME, frozenset()))),
    Submitted(2, 1, True, Copy(*PLACE, ((1, 9),), "Sent", 7, to=MailboxId(3))),
    Submitted(3, 2, False, Deliver(BODY, (Delivery(MailboxId(1), b"R: x\r\n"),), 7, b"token", 9)),
    Changed((FolderChange(*PLACE, ModSeq(1), ModSeq(2), (Entry(UID(1), 1, 2, ModSeq(2)),), own=SEEN), SEEN)),
    Changed((MailboxRemoved(MailboxId(1)),)),
    Answered(1, Raw(msgspec.msgpack.encode([1, "x"]))),
    Answered(1, Raw(b"\xc0"), Refused("OverQuota", "full")),
    Missing(),
    Asked(1, "who", Raw(b"\xc0")),
    Counted("address", "192.0.2.1", -1),
    SignIn(None, "ada", succeeded=False),
)

# Heads of msgpack's values, with lengths that go far beyond what follows.
HEADS = st.sampled_from([b"\xdc\xff\xff", b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff"])
PIECES = st.one_of(
    st.binary(max_size=4),
    HEADS,
    st.sampled_from([b"\x91" * 5_000, b"\x81\x01" * 5_000]),
    st.sampled_from([b"\xcf" + b"\xff" * 8, b"\xc0", b"\xa9Submitted", b"\xa7Missing", b"\xcb\x7f\xf8" + bytes(6)]),
)
DAMAGES = st.lists(st.tuples(st.integers(0, 300), st.integers(0, 5), PIECES), max_size=4)


def damaged(octets: bytes, damages: list[tuple[int, int, bytes]]) -> bytes:
    for place, gone, come in damages:
        at = place % (len(octets) + 1)
        octets = octets[:at] + come + octets[at + gone :]
    return octets


def check(octets: bytes) -> None:
    """A message, which can be said again; or a broken frame."""
    try:
        message = decoded(octets)
    except BrokenFrame:
        return
    assert decoded(encoded(message)) == message


@settings(max_examples=500)
@given(st.binary(max_size=100))
def test_any_octets_are_a_message_or_a_broken_frame(octets: bytes) -> None:
    check(octets)


@settings(max_examples=1000)
@given(st.sampled_from(GOOD), DAMAGES)
def test_a_damaged_message_is_a_message_or_a_broken_frame(good: Message, damages: list[tuple[int, int, bytes]]) -> None:
    check(damaged(encoded(good), damages))


@pytest.mark.parametrize("good", GOOD, ids=lambda good: type(good).__name__)
def test_a_message_that_is_cut_short_is_a_broken_frame(good: Message) -> None:
    octets = encoded(good)
    assert decoded(octets) == good
    for length in range(len(octets)):
        with pytest.raises(BrokenFrame):
            decoded(octets[:length])
    with pytest.raises(BrokenFrame):
        decoded(octets + b"\xc0")


STREAMS = st.tuples(st.lists(st.sampled_from(GOOD), max_size=6), DAMAGES)
CUTS = st.lists(st.integers(1, 400), max_size=6)


def expected(stream: bytes) -> Iterator[Message]:
    """What may be heard of a stream: all that comes before the first broken frame."""
    try:
        yield from map(decoded, Unframer().feed(stream))
    except BrokenFrame:
        return


@settings(max_examples=200)
@given(STREAMS, CUTS)
def test_any_stream_is_heard_up_to_what_is_broken_and_ends_there(
    stream: tuple[list[Message], list[tuple[int, int, bytes]]], cuts: list[int]
) -> None:
    messages, damages = stream
    uvloop.run(converse(damaged(b"".join(framed(encoded(message)) for message in messages), damages), cuts))


async def converse(octets: bytes, cuts: list[int]) -> None:
    loop = asyncio.get_running_loop()
    faults: list[object] = []
    loop.set_exception_handler(lambda _, context: faults.append(context))
    heard: list[Message] = []
    lost: asyncio.Future[str] = loop.create_future()  # a second result would be a fault
    link = Link(1, hear=lambda _, message: heard.append(message), lost=lambda _, reason: lost.set_result(reason))
    ours, theirs = socket.socketpair()
    await loop.connect_accepted_socket(lambda: link, ours)
    places = [0, *sorted(min(cut, len(octets)) for cut in cuts), len(octets)]
    with theirs:
        theirs.setblocking(False)
        for start, stop in itertools.pairwise(places):
            await say(theirs, octets[start:stop])
    async with asyncio.timeout(20):
        reason = await lost
    assert faults == []
    assert not link.is_open
    # What came in one piece with what is broken need not be heard; nothing behind it is.
    whole = list(expected(octets))
    assert heard == whole[: len(heard)]
    assert len(heard) == len(whole) or reason


async def say(stream: socket.socket, octets: bytes) -> None:
    try:
        await asyncio.get_running_loop().sock_sendall(stream, octets)
    except ConnectionError:  # it has ended already
        return
