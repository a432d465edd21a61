"""NOTIFY beside Dovecot (RFC 5465): what clients with different wishes hear of the same changes.

Dovecot collects changes for half a second.  So each step ends with a message to a folder that all listeners watch: who
has heard of that has heard of everything before it.
"""

import re
import time
from collections.abc import Sequence
from contextlib import ExitStack

from conformance.support.differential import Comparison, known, normal
from conformance.support.imap import Answer, Imap
from conformance.support.processes import eventually
from conformance.support.servers import Dovecot, Penfold

MESSAGES = "MessageNew MessageExpunge"
ITEMS = "UID FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)]"
FENCE = f"(mailboxes Fence ({MESSAGES}))"
FENCE_SECONDS = 10.0

# Name -> what the client says first, less the fence.
LISTENERS: dict[str, tuple[str, ...]] = {
    "selected": (
        "SELECT Sel",
        f"NOTIFY SET (selected (MessageNew ({ITEMS}) MessageExpunge FlagChange)) {FENCE}",
    ),
    "selected without flags": ("EXAMINE Sel", f"NOTIFY SET (selected ({MESSAGES})) {FENCE}"),
    "selected, none": ("SELECT Sel", f"NOTIFY SET (selected NONE) {FENCE}"),
    "delayed": ("SELECT Sel", f"NOTIFY SET (selected-delayed ({MESSAGES} FlagChange)) {FENCE}"),
    "idle": (
        "SELECT Sel",
        f"NOTIFY SET (selected-delayed ({MESSAGES} FlagChange)) (subtree Lists ({MESSAGES})) {FENCE}",
    ),
    "not selected": ("SELECT Sel", f"NOTIFY SET (personal ({MESSAGES} FlagChange)) {FENCE}"),
    "vanished": ("ENABLE QRESYNC", "SELECT Sel", f"NOTIFY SET (selected ({MESSAGES} FlagChange)) {FENCE}"),
    "modseqs": ("ENABLE CONDSTORE", f"NOTIFY SET (personal ({MESSAGES} FlagChange)) {FENCE}"),
    "personal": (f"NOTIFY SET (personal ({MESSAGES} FlagChange MailboxName SubscriptionChange)) {FENCE}",),
    "subscribed": (f"NOTIFY SET (subscribed ({MESSAGES})) {FENCE}",),
    "subtree": (f"NOTIFY SET (subtree Lists ({MESSAGES} FlagChange MailboxName)) {FENCE}",),
    "mailboxes": (f"NOTIFY SET (mailboxes (Lists/a INBOX nowhere) ({MESSAGES} FlagChange)) {FENCE}",),
    "names": (f"NOTIFY SET (personal (MailboxName)) {FENCE}",),
    "subscriptions": (f"NOTIFY SET (personal (SubscriptionChange)) {FENCE}",),
}
# What another session of the same user does; an APPEND is of a small message.
STEPS: dict[str, tuple[str, ...]] = {
    "new mail": ("APPEND Lists/a", "APPEND INBOX", "APPEND Other"),
    "seen": ("SELECT Lists/a", "STORE 1 +FLAGS (\\Seen)"),
    "expunged": ("STORE 1 +FLAGS (\\Deleted)", "EXPUNGE"),
    "new mail in the selected folder": ("APPEND Sel", "APPEND Sel"),
    "flags in the selected folder": ("SELECT Sel", "STORE 1,3 +FLAGS (\\Flagged Word)"),
    "marked in the selected folder": ("STORE 2 +FLAGS.SILENT (\\Deleted)",),
    "expunged from the selected folder": ("EXPUNGE",),
    "copied": ("COPY 1 Other", "COPY 1:2 Lists/b"),
    "moved": ("MOVE 1 Lists/a",),
    "created": ("CREATE Lists/new",),
    "subscribed": ("SUBSCRIBE Lists/new",),
    "mail in a new folder": ("APPEND Lists/new",),
    "renamed": ("RENAME Lists/new Lists/newer",),
    "mail in a renamed folder": ("APPEND Lists/newer",),
    "unsubscribed": ("UNSUBSCRIBE Lists/new",),
    "deleted": ("DELETE Lists/newer",),
    "subscribed at last": ("SUBSCRIBE Other", "APPEND Other"),
    "renamed with folders below": ("RENAME Lists Groups", "APPEND Groups/a"),
}


# All that Penfold does not tell at once: what the client wants held back (RFC 5465 6.1.2), and that there is a new
# keyword, where it wants to hear of no flags.
LATE = {
    ("expunged from the selected folder", "delayed"),
    ("moved", "delayed"),
    ("flags in the selected folder", "selected, none"),
    ("flags in the selected folder", "not selected"),
}
# Commands that are no good, or not with this server.
REFUSED = (
    "NOTIFY",
    "NOTIFY SET",
    "NOTIFY SET ()",
    "NOTIFY NONE x",
    "NOTIFY ALL",
    "NOTIFY SET (selected (MessageNew))",
    "NOTIFY SET (selected (MessageExpunge))",
    "NOTIFY SET (selected (FlagChange))",
    "NOTIFY SET (personal (FlagChange MessageNew))",
    "NOTIFY SET (selected (MailboxName))",
    "NOTIFY SET (selected NONE) (selected-delayed NONE)",
    "NOTIFY SET (selected (MessageNew MessageExpunge)) (selected (MessageNew MessageExpunge))",
    "NOTIFY SET (personal (MessageNew (UID) MessageExpunge))",
    "NOTIFY SET (mailboxes (MailboxName))",
    "NOTIFY SET (mailboxes () (MailboxName))",
    "NOTIFY SET (everything (MailboxName))",
    "NOTIFY SET (personal MailboxName)",
    "NOTIFY SET (personal ())",
    "NOTIFY SET (personal (MailboxName)) x",
    "NOTIFY SET (personal (NoSuchEvent))",
    "NOTIFY SET (selected (MessageNew MessageExpunge AnnotationChange))",
    "NOTIFY SET (personal (MailboxMetadataChange))",
    "NOTIFY SET (personal (ServerMetadataChange))",
)
TAKEN = (
    "NOTIFY SET (personal NONE)",
    "notify set status (Mailboxes (Lists Lists/a) (messagenew messageexpunge))",
    "NOTIFY SET STATUS (mailboxes Lists/a (MessageNew MessageExpunge FlagChange))",
    'NOTIFY SET STATUS (mailboxes (nowhere "Lists/*") (MessageNew MessageExpunge))',
    "NOTIFY SET STATUS (subtree Lists (MessageNew MessageExpunge))",
    "NOTIFY SET STATUS (subtree (Lists/a Lists) (MessageNew MessageExpunge))",
    "NOTIFY SET STATUS (subscribed (MessageNew MessageExpunge))",
    "NOTIFY SET STATUS (inboxes (MessageNew MessageExpunge)) (mailboxes INBOX (MessageNew MessageExpunge FlagChange))",
    "NOTIFY SET STATUS (subtree Lists (MailboxName SubscriptionChange))",
    "NOTIFY SET STATUS (selected (MessageNew MessageExpunge)) (subtree (Lists Sel) (MessageNew MessageExpunge))",
    "NOTIFY NONE",
)


class Listener:
    """A client of one server's, and what it hears."""

    def __init__(self, client: Imap, said: Sequence[str], *, idles: bool) -> None:
        """One that idles also hears what is held back from others (RFC 5465 4, 6.1.2)."""
        self.client = client
        self.was_asked = False  # a NOOP was needed to hear all
        self._idles = idles
        for command in said:
            client.ok(command)
        self._idle()

    def _idle(self) -> None:
        if self._idles:
            self.client.send(b"i IDLE\r\n")
            assert self.client.response().startswith(b"+")

    def heard(self, fence: int) -> object:
        """All that came up to the fence without asking, and what a NOOP brings behind it."""
        lines: list[bytes] = []
        passed = re.compile(rb'\* STATUS "?Fence"? \(.*UIDNEXT %d\b' % fence)
        until = time.monotonic() + FENCE_SECONDS
        while not any(map(passed.match, lines)):
            line = self.client.hear(until - time.monotonic())
            assert line is not None, f"nothing was heard of message {fence} in the fence, only {lines}"
            lines.append(line)
        if self._idles:
            self.client.send(b"DONE\r\n")
            lines += self.client.finish(b"i").untagged
        asked = self.client.ok("NOOP").untagged
        self.was_asked = bool(asked)
        self._idle()
        return normal(Answer(_settled([*lines, *asked]), b"OK"))


def _settled(lines: Sequence[bytes]) -> list[bytes]:
    """Of each folder and each message what was told last.

    Without the fence, \\Recent and MODSEQs, which are each session's and each server's own.
    """
    last: dict[object, bytes] = {}
    for count, line in enumerate(lines):
        if re.match(rb'\* (STATUS "?Fence|\d+ RECENT|OK \[HIGHESTMODSEQ)', line):
            continue
        found = re.match(rb'\* (STATUS|LIST) .*?("[^"/]+/?[^"]*"|[^" ]+)(?: \(|$)|\* (\d+ FETCH)|\* \d+ (EXISTS)', line)
        line = re.sub(rb"\\Recent ?| ?\\Recent\b", b"", line)
        last[found.groups() if found else count] = re.sub(rb"MODSEQ \(\d+\)", b"MODSEQ (0)", line)
    return list(last.values())


def _prepare(client: Imap) -> None:
    for name in ("Drafts", "Sent", "Trash", "Junk", "Archive"):  # Penfold's mailboxes are born with these
        client.command(f"CREATE {name}")
        client.ok(f"UNSUBSCRIBE {name}")
    client.ok("UNSUBSCRIBE INBOX")
    for folder in ("Fence", "Lists", "Lists/a", "Lists/b", "Other", "Sel"):
        client.ok(f"CREATE {folder}")
    for folder in ("INBOX", "Lists/a", "Lists/a", "Sel", "Sel", "Sel"):
        assert client.append(folder, b"Subject: old\r\n\r\n").status == b"OK"
    client.ok("SUBSCRIBE Lists/a")


def test_listeners_hear_the_same(penfold: Penfold, dovecot: Dovecot) -> None:
    with ExitStack() as stack:
        listeners: dict[str, list[Listener]] = {name: [] for name in LISTENERS}
        others: list[Imap] = []
        for server in (penfold, dovecot):
            others.append(stack.enter_context(server.client("u1")))
            _prepare(others[-1])
            for name, said in LISTENERS.items():
                listeners[name].append(Listener(stack.enter_context(server.client("u1")), said, idles=name == "idle"))
        compare, late = Comparison(*others), set()
        for fence, (step, commands) in enumerate(STEPS.items(), 2):
            for other in others:
                for command in (*commands, "APPEND Fence"):
                    _do(other, command)
            for name, both in listeners.items():
                compare.compare(f"notify:{step}: {name}", *(listener.heard(fence) for listener in both))
                if both[0].was_asked:
                    late.add((step, name))
        report = compare.report(known(), "notify")
    assert not report, f"they differ:\n{report}"
    assert late == LATE


def _do(client: Imap, command: str) -> None:
    verb, _, folder = command.partition(" ")
    if verb == "APPEND":
        assert client.append(folder, b"Subject: new\r\n\r\n").status == b"OK"
    else:
        client.ok(command)


def test_commands_are_answered_alike(penfold: Penfold, dovecot: Dovecot) -> None:
    with penfold.client("u2") as ours, dovecot.client("u2") as theirs:
        for client in (ours, theirs):
            _prepare(client)
            client.ok("SELECT Sel")
        compare = Comparison(ours, theirs)
        for number, command in enumerate((*REFUSED, *TAKEN)):
            compare.ask(f"asking:{number:02} {command}", command)
        report = compare.report(known(), "asking")
    assert not report, f"they differ:\n{report}"


def test_another_notify_takes_the_place_of_the_first(penfold: Penfold, dovecot: Dovecot) -> None:
    """RFC 5465 3.1."""
    stories = []
    for server in (penfold, dovecot):
        with server.client("u3") as client, server.client("u3") as other:
            stories.append(replacing(client, other))
    (*ours, accumulated), (*theirs, nothing) = stories
    assert ours == theirs == [[b"Other"], []]
    # NOTIFY SET MUST return what has accumulated; Dovecot does not.
    assert (accumulated, nothing) == ([b"* 5 EXISTS"], [])


def replacing(client: Imap, other: Imap) -> list[object]:
    """What is heard when it is asked for: of itself Dovecot tells nothing behind a second NOTIFY."""
    heard: list[bytes] = []

    def hears_of_other() -> bool:
        heard.extend(client.ok("NOOP").untagged)
        return any(re.match(rb'\* STATUS "?Other', line) for line in heard)

    _prepare(other)
    client.ok("SELECT Sel")
    client.ok(f"NOTIFY SET (selected ({MESSAGES} FlagChange)) (personal ({MESSAGES} FlagChange MailboxName))")
    client.ok(f"NOTIFY SET (mailboxes Other ({MESSAGES}))")
    for command in ("CREATE New", "APPEND Lists/a", "APPEND Sel", "APPEND Other"):
        _do(other, command)
    eventually(hears_of_other, what="the client hears of Other")
    learnt: list[object] = [sorted({line.split()[2].strip(b'"') for line in heard})]
    client.ok("NOTIFY NONE")
    _do(other, "APPEND Sel")
    learnt.append(client.ok("NOOP").untagged)
    told = client.ok(f"NOTIFY SET (selected ({MESSAGES}))").untagged
    learnt.append([line for line in told if line.endswith(b" EXISTS")])
    return learnt
