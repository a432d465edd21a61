"""One client's session: octets in, work for the adapter, replies out.  No I/O and no waiting.

    receive(data) -> next_work() -> (the adapter runs it) -> finish(result) -> outgoing -> next_work() ...

One command runs at a time; what the client sends meanwhile waits.  Everything here happens on the event loop; only the
work is run elsewhere, and it is made of values that nobody changes.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import GeneratorType
from typing import Any, Final, cast

from msgspec.structs import replace

from core.changes import AccessKeyChange, Change, MailboxRemoved, TreeChange
from core.errors import Refusal
from core.model import SEPARATOR, UIDRanges, merged
from core.view import FolderView
from protocols.imap import commands, limits
from protocols.imap.commands import Command
from protocols.imap.dispatch import (
    AFTER_LOGIN,
    ALWAYS,
    AUTHENTICATED,
    COMMANDS,
    NOT_AUTHENTICATED,
    SELECTED,
    Handler,
    holds_expunge,
)
from protocols.imap.finding.comparators import DEFAULT
from protocols.imap.fragments import (
    Broken,
    CommandEnd,
    Complete,
    Fragmenter,
    Line,
    LiteralData,
    LiteralStart,
    NeedContinuation,
    Refused,
)
from protocols.imap.grammar import BadCharset, BadSyntax, UnknownCommand, parse
from protocols.imap.handlers.do_notify import telling
from protocols.imap.handlers.do_search import catching_up
from protocols.imap.handlers.do_select import rechecking
from protocols.imap.naming.homes import Home
from protocols.imap.notifying import AS_EVER, Key, Notifier, Wants
from protocols.imap.offering.policy import ClientId, is_hidden
from protocols.imap.saying import responses
from protocols.imap.saying.languages import I_DEFAULT, Language
from protocols.imap.saying.refusals import Rejected, bad, rejected, uid_required
from protocols.imap.selected import Selected
from protocols.imap.services import Account, Services
from protocols.imap.work import Answer, Await, Steps, Work
from protocols.sasl import offered


class Session:
    """What one connection is at, from greeting to BYE."""

    def __init__(self, services: Services, *, peer: str, is_secure: bool) -> None:
        self.services = services
        self.peer = peer
        self.is_secure = is_secure
        self.certificate_names: tuple[str, ...] = ()  # in the certificate that the client has shown, if we trust it
        self.account: Account | None = None
        self.impersonator: Account | None = None  # who really signed in, if it is not the account's owner
        self.selected: Selected | None = None
        self.enabled: set[str] = set()
        self.client_id: ClientId = ()
        self.comparator = DEFAULT  # of texts, in SEARCH, SORT and THREAD
        self.language = I_DEFAULT  # of what is said for people
        self.wants = AS_EVER  # of the selected folder, whichever it is
        self.notifier: Notifier | None = None
        self.outgoing: list[bytes] = []
        self.is_closing = False
        self.is_idling = False
        self.is_compressed = False
        self.is_leaving = False  # close once the command that runs is answered
        self.last_words = ""  # of the BYE then; LOGOUT has said its own
        self.login_failures = 0
        self.wake: Callable[[], None] = lambda: None  # the adapter's: something is outgoing, or to be done
        self._fragments = Fragmenter(limits.BEFORE_LOGIN)
        self._command: Command | None = None
        self._steps: Steps | None = None
        self._ask: Work | Await | None = None
        self._has_caught_up = False  # since the last command
        self._is_amid_literal = False  # that is sent part by part
        self._suspended: tuple[Steps | None, Work | Await | None] | None = None  # while contexts catch up
        self._is_waiting = False  # for the adapter to finish some work
        self._strange_commands = 0
        self._strange_octets = 0

    # ------------------------------------------------------------------------------------------ the adapter's side

    def greet(self) -> None:
        """RFC 9051 7.1.1: the greeting tells what can be done, so that clients need not ask."""
        self.say("Penfold at your service", responses.capability_code(self.capabilities()))

    def receive(self, data: bytes) -> None:
        """Takes octets from the client."""
        if self.is_closing:
            return
        if self.account is None:
            self._strange_octets += len(data)
        self._fragments.feed(data)

    @property
    def is_full(self) -> bool:
        """Whether the adapter should stop reading for now."""
        return self._fragments.unread > limits.UNREAD

    def next_work(self) -> Work | None:
        """What the adapter has to do next; None until more comes from the client or the work is finished."""
        while not self.is_closing and not self._is_waiting:
            if self._steps is None:
                # In turns: neither the next command nor what is owed from the last one waits for long.
                begins = self._has_caught_up and not self._is_doubtful
                turns = (self._begin, self._catch_up) if begins else (self._catch_up, self._begin)
                if not any(turn() for turn in turns):
                    return None
            elif isinstance(self._ask, Await):
                if not self._answer(self._ask) and not self._catch_up():
                    return None
            else:
                assert self._ask is not None, "a running command has asked for something"
                self._is_waiting = True
                return self._ask
        return None

    def finish(self, result: Any) -> None:
        """The work that was handed out has this result."""
        self._is_waiting = False
        if not self.is_closing:
            self._advance(lambda steps: steps.send(result))

    def fail(self, error: BaseException) -> None:
        """The work that was handed out came to nothing.  Raises what is no refusal: a fault of ours."""
        self._is_waiting = False
        if not self.is_closing:
            self._advance(lambda steps: steps.throw(error))

    def end(self) -> None:
        """The connection is gone."""
        self.is_closing = True
        if self._steps is not None:
            self._steps.close()
            self._steps = None
        self.deselect()
        self.stop_notifying(AS_EVER)
        if self.account is not None:
            self.services.release(self.account)
            self.account = None

    @property
    def is_waiting_for_client(self) -> bool:
        """Whether it is the client's turn."""
        return not self._is_waiting and (self._steps is None or isinstance(self._ask, Await))

    @property
    def is_resting(self) -> bool:
        """Whether the session could end now without breaking off a command (an IDLE may be), or a literal."""
        if self._is_amid_literal:
            return False
        return self._steps is None or self.is_idling or self._suspended is not None

    # ------------------------------------------------------------------------------------------ commands

    def _begin(self) -> bool:
        """Takes the next command; whether there was one."""
        event = self._fragments.next()
        self._has_caught_up = self._has_caught_up and event is None
        if self.account is None and self._strange_octets - self._fragments.unread > limits.UNAUTHENTICATED_OCTETS:
            # What has not been looked at does not count: it may follow a LOGIN that is in there too.
            self.bye("Too much before signing in")
            return True
        match event:
            case None:
                return False
            case Complete(text, literals):
                self._start(text, literals)
            case LiteralStart():
                self._start_append(event)
            case NeedContinuation():
                self._fragments.accept()
                self.send(responses.continuation(language=self.language))
            case Refused(tag, text, status, code):
                self._refuse_text(tag, text.decode("ascii"), status, code)
            case Broken(text, code):
                self.bye(text.decode("ascii"), code)
            case LiteralData() | CommandEnd() | Line():  # only a command that runs is told of these
                raise AssertionError("a command that is answered has been abandoned")
        return True

    def _refuse_text(self, tag: bytes | None, text: str, status: bytes, code: bytes | None) -> None:
        self.send(responses.tagged(tag, status, text, code, self.language))
        self._count_strange()

    def _count_strange(self) -> None:
        """A stranger has some commands to sign in with, and no more."""
        if self.account is None:
            self._strange_commands += 1
            if self._strange_commands > limits.UNAUTHENTICATED_COMMANDS:
                self.bye("Too many commands before signing in")

    def _start(self, text: bytes, literals: tuple[bytes, ...]) -> None:
        try:
            command = parse(text, literals, utf8=self.takes_utf8)
        except BadSyntax as fault:
            if isinstance(fault, BadCharset) and self.selected is not None and _SAVES.search(text):
                self.selected.saved = ()  # RFC 5182 2.1: a SEARCH with SAVE that is answered NO leaves nothing saved
            self._refuse(fault)
            return
        self._run(command, lambda handler: handler(self, command))

    def _start_append(self, start: LiteralStart) -> None:
        """An APPEND whose message is announced: its handler takes the message from here on."""
        try:
            command = parse(start.text, start.literals, utf8=self.takes_utf8)
            if not isinstance(command, commands.Append | commands.Replace):
                raise BadSyntax("A literal is not allowed here", tag=command.tag)
        except BadSyntax as fault:
            self._fragments.abandon()
            self._refuse(fault)
            return
        self._run(command, lambda handler: handler(self, (command, start)))

    def _refuse(self, fault: BadSyntax) -> None:
        is_no = isinstance(fault, BadCharset)
        self.send(responses.tagged(fault.tag, b"NO" if is_no else b"BAD", fault.text, fault.code, self.language))
        self._count_strange()
        if isinstance(fault, UnknownCommand) and self.account is None:
            # Another protocol's client (HTTP, SMTP) made to speak to us sends nothing but such lines.
            self._strange_commands += 5

    def _run(self, command: Command, call: Callable[[Handler], Steps | Answer]) -> None:
        states, handler = COMMANDS[type(command)]
        self._command = command
        self._count_strange()
        if self.is_closing:
            return
        if not states & self.state:
            self._reject(bad(_TOO_LATE if states == NOT_AUTHENTICATED else _TOO_EARLY[self.state]))
            return
        if "UIDONLY" in self.enabled and getattr(command, "uid", True) is False:
            self._reject(uid_required())
            return
        try:
            steps = call(handler)
        except Rejected as no:
            self._reject(no)
            return
        if isinstance(steps, GeneratorType):
            self._steps = steps
            self._advance(lambda steps: steps.send(None))
        else:
            self._complete(cast("Answer", steps))

    def _advance(self, resume: Callable[[Steps], Work | Await]) -> None:
        """Runs the command to its next question, or to its end."""
        assert self._steps is not None, "only a running command is resumed"
        try:
            self._ask = resume(self._steps)
        except StopIteration as done:
            if self._suspended is not None:
                self._go_on()
                return
            self._steps = None
            self._complete(done.value)
        except (Rejected, Refusal) as no:
            if self._suspended is not None:  # no command is answered by what is told unasked
                self._go_on()
                return
            self._steps = None
            self._reject(no if isinstance(no, Rejected) else rejected(no))
        except BaseException:
            self._steps = None
            raise

    def _go_on(self) -> None:
        """What was owed has been told: on with what was suspended for it, and with what has come meanwhile."""
        assert self._suspended is not None, "something was"
        (self._steps, self._ask), self._suspended = self._suspended, None
        self.wake()

    def _answer(self, ask: Await) -> bool:
        """Gives the running command what the client has sent; whether there was anything."""
        if ask is Await.LINE:
            line = self._fragments.next_line(limits.SASL_LINE)
            if isinstance(line, Broken):
                self.bye(line.text.decode("ascii"), line.code)
            elif line is not None:
                self._advance(lambda steps: steps.send(line))
            return line is not None
        event = self._fragments.next()
        if isinstance(event, Broken):
            self.bye(event.text.decode("ascii"), event.code)
        elif event is not None:
            self._advance(lambda steps: steps.send(event))
        return event is not None

    def _catch_up(self) -> bool:
        """While it is the client's turn: what has become of search results, and what it wants to hear without asking.

        No command is answered by this.  What the client says next, or DONE during IDLE, waits for a piece of each.
        """
        owed = self._owed() if self.is_resting and not self.is_closing else None
        if owed is None:
            return False
        self._has_caught_up = True
        self._suspended = (self._steps, self._ask)
        self._steps = owed
        self._advance(lambda steps: steps.send(None))
        return True

    @property
    def _is_doubtful(self) -> bool:
        """Whether it is still to be seen if the selected folder may be read."""
        return self.selected is not None and self.selected.is_doubtful

    def _owed(self) -> Steps | None:
        selected, notifier = self.selected, self.notifier
        if self._is_doubtful:
            return rechecking(self)
        if selected is not None and selected.contexts.behind():
            return catching_up(self)
        if (notifier is not None and notifier.has_work) or (selected is not None and selected.fresh):
            return telling(self)
        return None

    # ------------------------------------------------------------------------------------------ answers

    def _complete(self, answer: Answer) -> None:
        """News for the client, then the tagged OK."""
        assert self._command is not None, "a command was running"
        if self.is_closing:
            return
        text, code = answer if isinstance(answer, tuple) else (answer, None)
        if self.notifier is not None:
            self.notifier.forgive_names(*_named(self._command))
        if text:  # else it has been answered, and the client is told nothing until the next command (RFC 9051 7.5.1)
            self._tell_news()
            self.send(responses.ok(self._command.tag, text, code, self.language))
        self._end_command()

    def _reject(self, no: Rejected) -> None:
        assert self._command is not None, "a command was running"
        if self.is_closing:
            return
        self._tell_news()
        self.send(responses.tagged(self._command.tag, no.status, no.text, no.code, self.language))
        self._end_command()

    def _end_command(self) -> None:
        self._command = None
        self._fragments.abandon()
        if self.is_leaving:
            if self.last_words:
                self.send(responses.bye(self.last_words, language=self.language))
            self.is_closing = True
        elif self.selected is not None and self.selected.is_gone:
            self._folder_gone()

    def _tell_news(self) -> None:
        selected = self.selected
        if selected is None or (selected.is_doubtful and not isinstance(self._command, _CHANGES)):
            return
        if selected.has_news:
            uid = bool(getattr(self._command, "uid", False))
            self.outgoing += selected.tell(expunge=not holds_expunge(self._command), uid=uid)
        self.outgoing += selected.settled()

    def send(self, line: bytes) -> None:
        """Appends to what is outgoing."""
        self.outgoing.append(line)

    def say(self, text: str, code: bytes | None = None) -> None:
        """An untagged OK, in the client's language."""
        self.send(responses.untagged(b"OK", text, code, self.language))

    def bye(self, text: str, code: bytes | None = None) -> None:
        """The last line; nothing more is read or sent."""
        if not self.is_closing and not self._is_amid_literal:
            self.send(responses.bye(text, code, self.language))
        self.is_closing = True

    @contextmanager
    def sending_literal(self) -> Iterator[None]:
        """A literal was announced, and is sent part by part: whatever else is said would be taken for a part of it."""
        self._is_amid_literal = True
        try:
            yield
        finally:
            self._is_amid_literal = False

    def cut(self) -> None:
        """Ends without a word, since the rest of a literal cannot be had."""
        self.is_closing = True

    # ------------------------------------------------------------------------------------------ for the handlers

    @property
    def state(self) -> int:
        if self.account is None:
            return NOT_AUTHENTICATED
        return AUTHENTICATED if self.selected is None else SELECTED

    @property
    def signed_in(self) -> Account:
        """The account, for handlers that COMMANDS lets run only when there is one."""
        assert self.account is not None, "COMMANDS checks the state"
        return self.account

    @property
    def is_rev2(self) -> bool:
        """Whether the client has said that it speaks RFC 9051."""
        return "IMAP4REV2" in self.enabled

    @property
    def takes_utf8(self) -> bool:
        """Whether the client reads and writes UTF-8 in quoted strings."""
        return responses.in_utf8(self.enabled)

    @property
    def may_send_passwords(self) -> bool:
        return self.is_secure or self.services.plaintext_logins

    @property
    def tells_mechanisms(self) -> bool:
        """Whether URLMECH is said: RFC 4467 10 wants a way not to say it where others may listen."""
        return self.services.url_access is not None and self.may_send_passwords

    @property
    def bindings(self) -> Mapping[str, bytes]:
        """What SCRAM may bind a sign-in to on this connection (RFC 5802 section 6)."""
        return self.services.channel_bindings if self.is_secure else {}

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """The ways to sign in on this connection."""
        return offered(
            passwords=self.may_send_passwords,
            bindings=self.bindings,
            tokens=self.services.takes_tokens,
            certificate=self.certificate_names,
        )

    @property
    def hidden(self) -> frozenset[str]:
        """The capabilities that this client is not offered; by what it has said of itself so far."""
        return self.services.client_policy.hidden(self.account.name if self.account else None, self.client_id)

    def capabilities(self) -> list[str]:
        """What is announced in this state (RFC 9051 6.1.1), but for what this client is not offered."""
        hidden = self.hidden
        return [name for name in self._capabilities() if not is_hidden(name, hidden)]

    def _capabilities(self) -> list[str]:
        if self.account is not None:
            found = [*ALWAYS, *AFTER_LOGIN, f"APPENDLIMIT={self.services.append_limit}"]
            if self.services.may_unauthenticate:
                found.append("UNAUTHENTICATE")
            if self.services.url_access is not None:
                found.append("URLAUTH")
            if self.services.may_set_quota(self.account):
                found.append("QUOTASET")  # RFC 9208 4.1.3
            return found if self.is_compressed else [*found, "COMPRESS=DEFLATE"]  # RFC 4978 3
        found = [*ALWAYS]
        if self.services.has_tls and not self.is_secure:
            found.append("STARTTLS")
        if not self.may_send_passwords:
            found.append("LOGINDISABLED")
        return found + [f"AUTH={name}" for name in self.mechanisms]

    def sign_in(self, account: Account, impersonator: Account | None = None) -> None:
        self.account, self.impersonator = account, impersonator
        self._fragments.limits = replace(limits.AFTER_LOGIN, append=self.services.append_limit)

    def sign_out(self) -> None:
        """RFC 8437 3: nothing of what the client has enabled or said stays, nor of what may be sent to it."""
        self.services.release(self.signed_in)
        self.stop_notifying(AS_EVER)
        self.account = self.impersonator = None
        self.enabled.clear()
        self.client_id = ()
        self.comparator = DEFAULT
        self.language = I_DEFAULT
        self._strange_commands = self._strange_octets = 0
        self._fragments.limits = limits.BEFORE_LOGIN

    def enable(self, *names: str) -> None:
        """The client understands this from now on.

        RFC 7162 3.1: who begins to keep MODSEQs in the midst of a folder is told where it is.
        """
        begins = "CONDSTORE" in names and "CONDSTORE" not in self.enabled
        self.enabled.update(names)
        if "UIDONLY" in names and self.selected is not None:
            self.outgoing += self.selected.contexts.close_numbered()
        if begins and self.selected is not None:
            self.send(responses.highest_modseq(self.selected.modseq, self.language))

    def select(self, selected: Selected) -> None:
        self.selected = selected
        selected.speak(self.language)

    def speak(self, language: Language) -> None:
        """What is said for people is in this language from now on (RFC 5255 3.2)."""
        self.language = language
        if self.selected is not None:
            self.selected.speak(language)

    def deselect(self) -> None:
        """Leaves the selected folder, if any."""
        if self.selected is not None:
            if self.notifier is not None and self.selected_key is not None and self.selected.has_news:
                self.notifier.inherit(self.selected_key)
            self.selected.watch.close()
            self.selected = None

    def hear(self, change: Change, newest: FolderView | None) -> None:
        """A listener of Views: something was committed to the selected folder."""
        if self.selected is None:
            return
        if isinstance(change, AccessKeyChange):
            self.selected.has_new_key |= self.tells_mechanisms and change.user == self.signed_in.user
        else:
            self.selected.hear(change)
        if isinstance(change, MailboxRemoved):
            self.bye("The mailbox has been removed", responses.UNAVAILABLE)
        if self.is_idling or self.is_closing or self.wants.at_once or self.selected.is_doubtful:
            self.wake()

    def notice(self, change: Change) -> None:
        """A listener of Following: something was committed in a mailbox that NOTIFY is about."""
        if self.notifier is None or self.account is None:
            return
        trustee = change.trustee if isinstance(change, TreeChange) else None
        if trustee is not None and trustee not in self.services.trustees(self.account):
            return  # rights of others
        self.notifier.hear(change, self.account.user, self.selected_key)
        if self.notifier.has_work:
            self.wake()

    def look_again(self) -> None:
        """What the user may list may have changed otherwise than by a commit."""
        if self.notifier is not None:
            self.notifier.is_stale = True
            self.wake()

    def stop_notifying(self, wants: Wants) -> None:
        """Of the selected folder the client wants to hear this, and of others nothing (any more)."""
        if self.notifier is not None:
            self.notifier.follower.close()
            self.notifier = None
        self.want(wants)

    def want(self, wants: Wants) -> None:
        """What the client wants to hear of the selected folder, whichever it is."""
        self.wants = wants
        if self.selected is not None:
            self.selected.wants = wants
            if not wants.items:
                self.selected.fresh = ()

    def put_here(self, home: Home, uidvalidity: int, uids: UIDRanges) -> None:
        """The client has put messages into a folder, of which it need not be told (RFC 5465 5, 5.2)."""
        if self.notifier is not None:
            self.notifier.forgive_messages(home.mailbox_id, uidvalidity, uids)
        selected = self.selected
        if selected is not None and (selected.home.mailbox_id, selected.uidvalidity) == (home.mailbox_id, uidvalidity):
            selected.own = merged(selected.own, uids)

    @property
    def selected_key(self) -> Key | None:
        """The selected folder, by mailbox and number."""
        return None if self.selected is None else (self.selected.home.mailbox_id, self.selected.folder_id)

    def tell_idle(self) -> None:
        """RFC 2177, RFC 5465 4: what may be told while no command runs, as soon as the client takes it."""
        selected = self.selected
        if self.is_closing or selected is None or not selected.has_news or selected.is_doubtful:
            return
        # What is being told by _catch_up may be a literal, and its message numbers must mean what they meant.
        if self._suspended is not None or (not self.is_idling and (not self.wants.at_once or self._steps is not None)):
            return
        self.outgoing += selected.tell(expunge=self.is_idling or self.wants.expunges_at_once)
        self.outgoing += selected.settled()
        if selected.is_gone:
            self._folder_gone()

    def _folder_gone(self) -> None:
        # RFC 2180 3.3: the session cannot go on in a folder that is no more; RFC 9051 has no untagged way to say so.
        self.bye("The selected folder has been deleted or renamed away", responses.UNAVAILABLE)

    def accept_literal(self) -> None:
        self._fragments.accept()

    def compression_started(self) -> None:
        """RFC 4978 3: who sends on before the tagged OK does not know in which way it is read."""
        self._fragments.clear()
        self.is_compressed = True

    def compression_ended(self) -> None:
        """RFC 8437 4.1: with the session of whoever asked for it."""
        self.is_compressed = False

    def tls_started(self) -> None:
        """RFC 9051 6.2.1: whatever was sent in the clear behind STARTTLS is forgotten."""
        self._fragments.clear()
        self.is_secure = True


# What must tell of messages that go before it is answered.
_CHANGES: Final = (commands.Append, commands.Copy, commands.Expunge, commands.Move, commands.Replace, commands.Store)
_TOO_EARLY: Final = {NOT_AUTHENTICATED: "Sign in first", AUTHENTICATED: "Select a folder first"}
_TOO_LATE: Final = "Not once you have signed in"


def _named(command: Command | None) -> tuple[str, ...]:
    """The folders that a command makes, deletes, renames, or subscribes to."""
    match command:
        case commands.Create(mailbox=name) | commands.Delete(mailbox=name):
            return (name.removesuffix(SEPARATOR),)
        case commands.Subscribe(mailbox=name) | commands.Unsubscribe(mailbox=name):
            return (name,)
        case commands.Rename(mailbox=name, to=other):
            return (name, other.removesuffix(SEPARATOR))
        case _:
            return ()


_SAVES: Final = re.compile(rb" (?:SEARCH|SORT) RETURN \([^)]*\bSAVE\b", re.IGNORECASE)
