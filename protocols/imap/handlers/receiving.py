"""The messages of an APPEND or REPLACE, taken in piece by piece, and filed all at once or not at all.

Whatever is refused: the session throws away what the client has still to send of the command, and the spools go here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from core import folders, rights
from core.commands import Append, Appended, Filing, Flags
from core.errors import NoSuchFolder, Refusal, Unavailable
from core.model import Incoming
from core.ports import ReadTx
from protocols.imap import commands, limits
from protocols.imap.commands import AppendStep, Begin, End, Octets, Url
from protocols.imap.fragments import CommandEnd, LiteralData, LiteralStart, Refused
from protocols.imap.grammar import BadSyntax, resume
from protocols.imap.naming.homes import Home, Named, locate
from protocols.imap.reading import catenate
from protocols.imap.saying import responses
from protocols.imap.saying.refusals import Rejected
from protocols.imap.services import Spool
from protocols.imap.work import Asking, Await, Compute

if TYPE_CHECKING:
    from protocols.imap.session import Session

SMALL_OCTETS = 64 * 1024  # finishing so many takes less than handing them to a thread
MANY_MESSAGES = 100  # more of them are filed when there is nothing else to do

Request = commands.Append | commands.Replace
Opened = tuple[Request, LiteralStart]  # a command whose first literal is announced


class Intake:
    """One command's messages on their way in."""

    def __init__(self, session: Session, request: Request, home: Home, check: Callable[[ReadTx, int], None]) -> None:
        """`check` raises a Refusal when the folder is not there, or does not take so many octets in all."""
        self._filings: list[Filing] = []
        self._session = session
        self._home = home
        self._request = request
        self._check = check
        self._spool: Spool | None = None
        self._message = Begin()
        self._parts = 0  # of this message
        self._octets = 0  # of the messages before it
        self._described = 0  # octets of what was found in them

    def take(self, start: LiteralStart | None) -> Asking[tuple[Filing, ...]]:
        """Takes all that belongs to the command; `start` is its first literal, if it has any."""
        steps: Sequence[AppendStep] = self._request.steps
        while start is not None:
            *whole, last = steps
            yield from self._take_whole(whole)
            following = yield from self._take_literal(last, start)
            steps = self._resume(following, last)
            start = following if isinstance(following, LiteralStart) else None
        yield from self._take_whole(steps)
        return tuple(self._filings)

    def file(self, command: Append) -> Asking[Appended]:
        """Files them."""
        try:
            appended: Appended = yield self._home.write(command, bulk=len(command.filings) > MANY_MESSAGES)
        except NoSuchFolder as no:
            raise try_create(no) from None
        except (GeneratorExit, Unavailable):
            # The client is gone, but the writer goes on; or nobody knows what it has done: a row may name the bodies.
            self._current.keep()
            raise
        self._current.keep()
        return appended

    def discard(self) -> None:
        """Nothing is to come of it, unless it was filed."""
        if self._spool is not None:
            self._spool.discard()

    @property
    def _current(self) -> Spool:
        assert self._spool is not None, "a message begins before anything of it comes"
        return self._spool

    # ------------------------------------------------------------------------------------------ step by step

    def _resume(self, following: LiteralStart | CommandEnd, last: AppendStep) -> tuple[AppendStep, ...]:
        assert isinstance(last, Octets | Url), "only these are literals"
        several = isinstance(self._request, commands.Append)
        try:
            return resume(following.text, following.literals, last, several=several, tag=self._request.tag)
        except BadSyntax as fault:
            raise Rejected(fault.text, status=b"BAD", code=fault.code) from None

    def _take_whole(self, steps: Sequence[AppendStep]) -> Asking[None]:
        """Steps that need nothing more of the client."""
        for step in steps:
            match step:
                case Begin():
                    self._begin(step)
                case Url(bytes() as url):
                    yield from self._copy(url)
                case End():
                    yield from self._finish()
                case _:
                    raise AssertionError("a literal is the last of its steps")

    def _begin(self, message: Begin) -> None:
        if len(self._filings) == limits.APPEND_MESSAGES:
            text = f"No more than {limits.APPEND_MESSAGES} messages can be appended at once"
            raise Rejected(text, code=responses.LIMIT)
        session = self._session
        self._spool = session.services.spool(self._home) if self._spool is None else self._spool.another()
        self._message, self._parts = message, 0

    def _finish(self) -> Asking[None]:
        """The message is complete."""
        spool, now = self._current, self._session.services.clock.now()
        self._not_empty(spool.size)
        self._octets += spool.size
        message = spool.finish() if self._octets <= SMALL_OCTETS else (yield Compute(spool.finish))
        self._hold(message)
        date = self._message.date or commands.DateTime(now, 0)
        flags = Flags(self._message.flags.system, self._message.flags.keywords)
        self._filings.append(Filing(message, flags, date.microseconds, date.zone))

    def _hold(self, message: Incoming) -> None:
        """What was found of a message waits in memory for the last one."""
        self._described += described(message)
        if self._filings and self._described > limits.APPEND_DESCRIBED:
            raise Rejected("The messages have too much structure to be appended at once", code=responses.LIMIT)

    def _not_empty(self, octets: int) -> None:
        if not octets:
            raise Rejected("An empty message gives up the command")  # RFC 3502 6.3.11

    def _admit(self, octets: int) -> Asking[None]:
        """Whether so many octets more of this message may come."""
        size = self._current.size + octets
        if size > self._session.services.append_limit or self._octets + size > limits.APPEND_OCTETS:
            raise Rejected("That is too large", code=responses.TOOBIG)  # RFC 4469 4.2, RFC 7889 4
        in_all = self._octets + size
        try:
            yield self._home.read(lambda tx: self._check(tx, in_all))
        except NoSuchFolder as no:
            raise try_create(no) from None

    def _count_part(self) -> None:
        self._parts += 1
        if self._parts > limits.CATENATE_PARTS:
            raise Rejected("The message has too many parts", code=responses.LIMIT)

    def _copy(self, url: bytes) -> Asking[None]:
        """RFC 4469 3: octets of a message that is here already, unchanged."""
        self._count_part()
        part = yield from catenate.find(self._session, url)
        yield from self._admit(part.size)
        for read in part.reads():
            try:
                octets: bytes = yield read
            except Refusal as refusal:
                raise refusal if refusal.temporary else catenate.bad_url(url) from None
            self._current.write(octets)

    # ------------------------------------------------------------------------------------------ literals

    def _take_literal(self, step: AppendStep, start: LiteralStart) -> Asking[LiteralStart | CommandEnd]:
        """A literal, and what comes behind it."""
        if isinstance(step, Octets):
            return (yield from self._take_octets(step, start))
        if start.size > limits.URL:
            raise Rejected("The URL is too long", status=b"BAD", code=responses.LIMIT)
        url: list[bytes] = []
        following = yield from self._receive(start, url.append)
        yield from self._copy(b"".join(url))
        return following

    def _take_octets(self, step: Octets, start: LiteralStart) -> Asking[LiteralStart | CommandEnd]:
        """RFC 3516 4.4: a literal8 may hold NUL, and must be refused with this code where that is not stored."""
        if step.catenate:
            self._count_part()
        else:
            self._not_empty(start.size)
        yield from self._admit(start.size)
        has_nul = False

        def take(chunk: bytes) -> None:
            nonlocal has_nul
            has_nul = has_nul or (start.binary and b"\0" in chunk)
            self._current.write(chunk)

        following = yield from self._receive(start, take)
        if has_nul:
            raise Rejected("Messages with NUL are not taken", code=responses.UNKNOWN_CTE)
        return following

    def _receive(self, start: LiteralStart, take: Callable[[bytes], None]) -> Asking[LiteralStart | CommandEnd]:
        self._session.accept_literal()
        if start.sync:
            self._session.send(responses.continuation(language=self._session.language))
        while True:
            match (yield Await.LITERAL):
                case LiteralData(chunk):
                    take(chunk)
                case Refused(text=text, status=status, code=code):
                    raise Rejected(text.decode("ascii"), status=status, code=code)
                case following:
                    return following  # type: ignore[no-any-return]


def described(message: Incoming) -> int:
    """Octets of what was found in a message."""
    found = (message.envelope, message.structure, message.parts, message.summary, message.utf8 or b"")
    return sum(map(len, found))


def opened(request: Request | Opened) -> tuple[Request, LiteralStart | None]:
    """A command as the session gives it: with its first literal, if it has any."""
    return request if isinstance(request, tuple) else (request, None)


def target(session: Session, name: str) -> Named:
    """Where messages shall go; raises Rejected with TRYCREATE, as for a folder that is not there."""
    try:
        return locate(session, name)
    except NoSuchFolder as no:
        raise try_create(no) from None


def may_know_uids(named: Named) -> Asking[bool]:
    """RFC 9051 6.3.12, RFC 4315 3: who may not open a folder is not told of UIDs in it."""
    home = named.home
    if home.by is None:
        return True

    def read(tx: ReadTx) -> bool:
        folder = folders.find(tx, home.mailbox_id, named.path)
        return folder is not None and bool(rights.of(tx, folder, home.by).granted & rights.READ)

    may: bool = yield home.read(read)
    return may


def try_create(no: NoSuchFolder) -> Rejected:
    """RFC 9051 6.3.12: the client is told that it may create the folder and try again."""
    return Rejected(str(no), code=responses.TRYCREATE)
