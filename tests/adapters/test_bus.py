"""What workers say to each other: frames, messages, and the stream between two of them."""

import asyncio
import itertools
import socket
import types
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Any, NewType, Union, get_args, get_origin

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw, Struct
from msgspec.structs import replace

from adapters.bus import frames
from adapters.bus.frames import BrokenFrame, Unframer, framed
from adapters.bus.link import Link, changed
from adapters.bus.messages import (
    Answered,
    Asked,
    Changed,
    Counted,
    FarFault,
    Message,
    Missing,
    Refused,
    SignIn,
    Submitted,
    answer,
    decoded,
    encoded,
    refusal,
    refused,
    result,
)
from core import recipients
from core.changes import Change, FolderRemoved, MailboxRemoved
from core.commands import (
    RESULTS,
    ClaimRecent,
    Command,
    CreateFolder,
    CreateMailbox,
    DeleteFolder,
    DeleteMailbox,
    Deliver,
    Delivered,
    Delivery,
    DropAccessKeys,
    Expunge,
    FlagMode,
    ForgetBodies,
    ForgetTombstones,
    JoinSeen,
    NewFolder,
    PurgeFolder,
    RenameFolder,
    RepairMailbox,
    Replace,
    RestoreBlob,
    SetAccessKey,
    SetAnnotations,
    SetGrant,
    SetGrants,
    Subscribe,
    SweepBlobs,
    SweepDeliveries,
)
from core.errors import MessageLoops, NoSuchFolder, OverQuota, Refusal, Unavailable
from core.model import DELETED, UID, FolderId, MailboxId
from core.recipients import RecipientId
from core.rights import ANYONE, mask
from tests.support.store import ONE, TWO, Store, incoming

COMMANDS: tuple[type[Struct], ...] = get_args(Command)
CHANGES: tuple[type[Struct], ...] = get_args(Change)
MESSAGES: tuple[type[Struct], ...] = get_args(Message)


# ---------------------------------------------------------------------------------------------- frames


@given(st.lists(st.binary(max_size=40)), st.lists(st.integers(0, 200)))
def test_frames_come_out_as_they_went_in_however_the_stream_is_cut(bodies: list[bytes], cuts: list[int]) -> None:
    stream, unframer = b"".join(map(framed, bodies)), Unframer()
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    heard = [body for start, stop in itertools.pairwise(places) for body in unframer.feed(stream[start:stop])]
    assert heard == bodies


def test_a_frame_is_as_long_as_may_be_and_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "FRAME_OCTETS", 10)
    assert list(Unframer().feed(framed(b"x" * 10) + framed(b""))) == [b"x" * 10, b""]
    with pytest.raises(BrokenFrame):
        framed(b"x" * 11)


def test_a_frame_that_is_too_long_is_known_by_its_length_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or whoever says so could have us keep as much as he likes.  What came before it is heard."""
    unframer = Unframer()
    octets = framed(b"x" * 11)[: frames._LENGTH.size]
    monkeypatch.setattr(frames, "FRAME_OCTETS", 10)
    heard = unframer.feed(framed(b"before") + octets)
    assert next(heard) == b"before"
    with pytest.raises(BrokenFrame):
        next(heard)


# ---------------------------------------------------------------------------------------------- messages


def values(kind: Any) -> st.SearchStrategy[Any]:
    """All that may stand where a type is named."""
    inner = get_args(kind)
    if isinstance(kind, NewType):
        return values(kind.__supertype__)
    if get_origin(kind) in (Union, types.UnionType):
        return st.one_of(*map(values, inner))
    if get_origin(kind) is tuple and inner[1:] == (...,):
        return st.lists(values(inner[0]), max_size=2).map(tuple)
    if get_origin(kind) is tuple:
        return st.tuples(*map(values, inner))
    if get_origin(kind) is frozenset:
        return st.frozensets(values(inner[0]), max_size=3)
    if isinstance(kind, type) and issubclass(kind, Struct):
        return st.builds(kind, **{field.name: values(field.type) for field in msgspec.structs.fields(kind)})
    if isinstance(kind, type) and issubclass(kind, Enum):
        return st.sampled_from(kind)
    return {
        int: st.integers(-(1 << 63), (1 << 64) - 1),
        str: st.text(max_size=8),
        bytes: st.binary(max_size=8),
        bool: st.booleans(),
        type(None): st.none(),
        Raw: st.integers().map(str).map(msgspec.msgpack.encode).map(Raw),
    }[kind]


@pytest.mark.parametrize("kind", [*COMMANDS, *CHANGES, *MESSAGES], ids=lambda kind: kind.__name__)
@settings(max_examples=25)
@given(data=st.data())
def test_whatever_is_said_is_heard(kind: type[Struct], data: st.DataObject) -> None:
    """Every kind of message; and every kind of command and of change, as what a message is about."""
    value: Any = data.draw(values(kind))
    if kind in COMMANDS:
        value = Submitted(1, 2, True, value)
    elif kind in CHANGES:
        value = Changed((value, value))
    elif kind is Changed:
        value = replace(value, wide=())  # which is not heard of as such: see below
    heard = decoded(encoded(value))
    assert heard == value
    assert type(heard) is type(value)
    if isinstance(heard, Submitted) and isinstance(value, Submitted):
        assert type(heard.command) is type(value.command)
    if isinstance(heard, Changed):
        assert [type(change) for change in heard.changes] == [type(change) for change in value.changes]


def test_every_kind_of_command_and_change_is_tried() -> None:
    """A kind whose tag is another's could not be told from it."""
    names = [kind.__name__ for kind in (*COMMANDS, *CHANGES)]
    assert len(COMMANDS) > 20
    assert len(CHANGES) > 7
    assert len(set(names)) == len(names)


def test_changes_of_messages_with_very_many_keywords_are_heard(store: Store) -> None:
    """A folder may have 500, of which each is a bit in a message's mask."""
    store.append("INBOX", b"x", 0, *(f"k{number}" for number in range(70)))
    told = decoded(changed(store.published)[frames._LENGTH.size :])
    assert told == Changed(tuple(store.published))


# ---------------------------------------------------------------------------------------------- results


def far(kind: type, outcome: object) -> Any:
    """A command's result as it arrives at another worker."""
    told = decoded(encoded(answer(7, outcome, None)))
    assert isinstance(told, Answered)
    assert (told.number, told.refused) == (7, None)
    return result(kind, told.result)


@pytest.mark.parametrize("kind", [kind for kind in COMMANDS if kind is not Deliver], ids=lambda kind: kind.__name__)
@settings(max_examples=25)
@given(data=st.data())
def test_results_are_the_same_at_the_other_worker(kind: type, data: st.DataObject) -> None:
    outcome = data.draw(values(RESULTS.get(kind, type(None))))
    assert far(kind, outcome) == outcome
    assert type(far(kind, outcome)) is type(outcome)


def test_each_recipients_outcome_of_a_delivery_is_the_same_at_the_other_worker() -> None:
    outcomes = [Delivered(7), OverQuota("It is full"), Delivered(None), MessageLoops("Round and round")]
    heard = far(Deliver, outcomes)
    assert [type(each) for each in heard] == [type(each) for each in outcomes]
    assert (heard[0], heard[2]) == (outcomes[0], outcomes[2])
    assert (str(heard[1]), str(heard[3])) == ("It is full", "Round and round")
    assert [str(each) for each in far(Deliver, [OverQuota("all")])] == ["all"]
    assert far(Deliver, []) == []


def test_what_the_store_really_gives_is_the_same_at_the_other_worker(store: Store) -> None:
    """Every kind of command once: RESULTS knows the result of each."""
    store.create("a")
    for body in (b"one", b"two", b"three"):
        store.append("INBOX", body, DELETED)
    inbox, at, user = store.folder("INBOX").folder_id, store.clock.now(), RecipientId(3)
    doomed = store.create("doomed").folder_id
    filing = store.appending("INBOX", b"four").filings
    commands: list[Command] = [
        CreateMailbox(TWO, b"g" * 16, (NewFolder("INBOX"),), at),
        CreateFolder(ONE, NewFolder("b"), at),
        RenameFolder(ONE, "b", "c", at),
        Subscribe(ONE, "c", True),
        DeleteFolder(ONE, "doomed", at),
        PurgeFolder(ONE, doomed),
        SetGrant(ONE, "INBOX", ANYONE, False, FlagMode.REPLACE, mask("lr")),
        SetGrants(ONE, "INBOX", user, mask("lr"), recursive=True),
        SetAnnotations(ONE, "INBOX", user, (("/private/comment", b"x"),)),
        SetAccessKey(ONE, "INBOX", user, b"k" * 32),
        DropAccessKeys(user),
        store.appending("INBOX", b"five"),
        Replace(ONE, "INBOX", filing, at, folder_id=inbox, uid=UID(4)),
        store.copying("INBOX", "a"),
        store.storing("INBOX", FlagMode.ADD, DELETED),
        Expunge(ONE, inbox, ((2, 3),)),
        ClaimRecent(ONE, inbox, 3),
        store.delivering(incoming(b"six"), Delivery(ONE, b""), Delivery(MailboxId(9), b"")),
        ForgetTombstones(ONE, inbox),
        JoinSeen(ONE, inbox, user),
        SweepBlobs(at, 10),
        SweepDeliveries(at, 10),
        RepairMailbox(ONE, at),
        RestoreBlob(incoming(b"seven").blob, at),
        ForgetBodies((incoming(b"seven").blob.hash,)),
        DeleteMailbox(TWO),
    ]
    assert {type(command) for command in commands} == set(COMMANDS)
    for command in commands:
        outcome = store.do(command)
        there = far(type(command), outcome)
        if isinstance(outcome, list):
            assert [type(each) for each in there] == [type(each) for each in outcome] == [Delivered, type(outcome[1])]
            assert there[0] == outcome[0]
        else:
            assert there == outcome, command
            assert type(there) is type(outcome)


# ---------------------------------------------------------------------------------------------- refusals


def kinds(kind: type[Refusal]) -> list[type[Refusal]]:
    return [kind, *(found for narrower in kind.__subclasses__() for found in kinds(narrower))]


class OnlyHere(OverQuota):
    """A refusal that the core does not know."""


def test_a_refusal_of_the_core_comes_back_as_what_it_is_with_its_text() -> None:
    of_core = [kind for kind in kinds(Refusal) if kind.__module__.startswith("core.")]
    assert {NoSuchFolder, recipients.NoSuchDatabase, Unavailable} < set(of_core)
    assert len({kind.__name__ for kind in of_core}) == len(of_core)
    for kind in of_core:
        again = refusal(refused(kind("Not now")))
        assert type(again) is kind
        assert str(again) == "Not now"


@pytest.mark.parametrize("told", [refused(OnlyHere("Not now")), Refused("NoSuchClass", "Not now")])
def test_a_refusal_that_nobody_knows_is_one_that_may_be_tried_again(told: Refused) -> None:
    again = refusal(told)
    assert type(again) is Unavailable
    assert str(again) == "Not now"


def test_a_fault_comes_back_as_a_fault_without_its_text() -> None:
    """It is in the log of the one at which it happened, and may say anything."""
    told = answer(7, None, LookupError("a secret"))
    assert told.refused is not None
    assert b"secret" not in encoded(told)
    assert isinstance(refusal(told.refused), FarFault)
    assert not isinstance(refusal(told.refused), Refusal)


# ---------------------------------------------------------------------------------------------- the stream


class End:
    """One end of a stream: what it has heard, and how often it has been told of the end."""

    def __init__(self, hear: Callable[[Link, Message], None] = lambda link, message: None) -> None:
        self.heard: list[Message] = []
        self.lost: list[str] = []
        self._news = asyncio.Event()
        self._also = hear
        self.link = Link(7, hear=self._hear, lost=self._lost)

    def _hear(self, link: Link, message: Message) -> None:
        assert link is self.link
        self.heard.append(message)
        self._news.set()
        self._also(link, message)

    def _lost(self, link: Link, reason: str) -> None:
        assert link is self.link
        self.lost.append(reason)
        self._news.set()

    async def open(self, stream: socket.socket) -> None:
        await asyncio.get_running_loop().connect_accepted_socket(lambda: self.link, stream)

    async def hears(self, last: Message) -> list[Message]:
        """All up to a message, which comes once."""
        await self._until(lambda: bool(self.heard) and self.heard[-1] == last)
        return self.heard

    async def ends(self) -> str:
        await self._until(lambda: bool(self.lost))
        (reason,) = self.lost
        return reason

    async def _until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            self._news.clear()
            await self._news.wait()


async def pair(one: End, other: End) -> None:
    ours, theirs = socket.socketpair()
    await one.open(ours)
    await other.open(theirs)


async def part(one: End, other: End) -> None:
    one.link.abort("")
    await one.ends()
    await other.ends()


def count(number: int) -> Counted:
    return Counted("x", number, 1)


def news(number: int) -> Changed:
    return Changed((FolderRemoved(MailboxId(1), FolderId(number)),) * 50)


async def fill(link: Link) -> list[Message]:
    """Tells of changes until the other end has taken no more for long: those that it is still told of."""
    told: list[Message] = []
    while not link._is_full:
        told.append(news(len(told)))
        link.tell(framed(encoded(told[-1])))
        await turn()
    return told


def turn() -> Awaitable[None]:
    """The event loop does what it has to do."""
    return asyncio.sleep(0)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.bus.link.CHANGES_OCTETS", 10_000)


async def test_what_is_said_is_heard_in_its_order_both_ways() -> None:
    one, other = End(), End()
    await pair(one, other)
    said: list[Message] = [count(1), Changed((MailboxRemoved(ONE),)), SignIn(None, "x", True), count(2)]
    for message in said:
        one.link.say(message)
        other.link.say(message)
    assert await other.hears(said[-1]) == await one.hears(said[-1]) == said
    await part(one, other)


async def test_nothing_is_heard_while_held_and_all_of_it_after_in_order() -> None:
    """Also what comes when it is held by what it has just heard."""
    one, other = End(), End(lambda link, message: link.hold() if message == Missing() else None)
    await pair(one, other)
    for message in (count(1), Missing(), count(2), count(3)):
        one.link.say(message)
    assert await other.hears(Missing()) == [count(1), Missing()]
    one.link.say(count(4))
    for _ in range(5):
        await turn()
    assert other.heard == [count(1), Missing()]
    other.link.release()
    assert await other.hears(count(4)) == [count(1), Missing(), count(2), count(3), count(4)]
    await part(one, other)


@pytest.mark.usefixtures("small")
async def test_nothing_is_read_while_held_until_it_is_released() -> None:
    """What waits is bounded: whoever tells of changes finds that they are not taken."""
    one, other = End(), End()
    await pair(one, other)
    other.link.hold()
    told = await fill(one.link)
    other.link.release()
    one.link.say(count(0))
    assert await other.hears(count(0)) == [*told, count(0)]
    await part(one, other)


@pytest.mark.usefixtures("small")
async def test_changes_that_are_not_taken_are_left_out_and_owned_up_to_when_they_are_again() -> None:
    one, other = End(), End()
    await pair(one, other)
    other.link.hold()
    told = await fill(one.link)
    for number in range(1000, 1003):
        one.link.tell(framed(encoded(news(number))))
    other.link.release()
    assert await other.hears(Missing()) == [*told, Missing()]
    one.link.tell(framed(encoded(news(7))))
    assert await other.hears(news(7)) == [*told, Missing(), news(7)]
    await part(one, other)


@pytest.mark.usefixtures("small")
async def test_what_is_said_next_comes_after_the_word_that_changes_are_missing() -> None:
    """An answer must not be heard before the changes that it tells of are known to be missing; and each time again."""
    one, other = End(), End()
    await pair(one, other)
    other.link.hold()
    told = await fill(one.link)
    for number in (1, 2):
        one.link.tell(framed(encoded(news(7))))
        one.link.say(count(number))
    other.link.release()
    assert await other.hears(count(2)) == [*told, Missing(), count(1), Missing(), count(2)]
    one.link.say(count(3))
    assert (await other.hears(count(3)))[-2:] == [count(2), count(3)], "once is enough"
    await part(one, other)


@pytest.mark.usefixtures("small")
async def test_who_takes_nothing_at_all_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers cannot be left out, and must not wait for ever either."""
    monkeypatch.setattr("adapters.bus.link.WAITING_OCTETS", 100_000)
    one, other = End(), End()
    await pair(one, other)
    other.link.hold()
    await fill(one.link)
    answers = 0
    while one.link.is_open:
        one.link.say(Asked(1, "x" * 1_000, Raw(b"\xc0")))
        answers += 1
    assert 80 < answers < 1_000
    assert await one.ends() != ""
    other.link.release()
    await other.ends()


@pytest.mark.parametrize("garbage", [b"\xff\xff\xff\xff", framed(b"no message"), framed(b"")])
async def test_garbage_ends_the_stream_with_a_reason_and_once(garbage: bytes) -> None:
    end = End()
    ours, theirs = socket.socketpair()
    with theirs:
        await end.open(ours)
        theirs.sendall(framed(encoded(count(1))))
        await end.hears(count(1))
        theirs.sendall(garbage + framed(encoded(count(2))))
        assert await end.ends() != ""
        assert not end.link.is_open
        end.link.say(count(3))
        end.link.release()
        for _ in range(5):
            await turn()
        assert end.heard == [count(1)]
        assert len(end.lost) == 1
        assert theirs.recv(100) == b""


async def test_who_ends_the_stream_says_why_at_his_own_end() -> None:
    one, other = End(), End()
    await pair(one, other)
    one.link.abort("There is a new one")
    assert await one.ends() == "There is a new one"
    assert await other.ends() == ""


async def test_questions_keep_their_arguments_as_they_were_written() -> None:
    one, other = End(), End()
    await pair(one, other)
    asked = Asked(7, "how many", Raw(msgspec.msgpack.encode({"of": [1, None, "x"]})))
    one.link.say(asked)
    (heard,) = await other.hears(asked)
    assert isinstance(heard, Asked)
    assert msgspec.msgpack.decode(heard.arguments) == {"of": [1, None, "x"]}
    await part(one, other)
