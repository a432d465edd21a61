"""What every command must do, in plain dictionaries and lists: slow, obvious, and without a line of the store's code.

Numbers that the store is free to choose (of folders, UIDVALIDITY) are unknown here until they have been seen; from then
on they must stay.
"""

import unicodedata
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass, field

from core import commands as c
from core.errors import (
    FolderExists,
    InvalidName,
    LimitExceeded,
    MailboxExists,
    MessageExpunged,
    NoSuchFolder,
    NoSuchMailbox,
    OverQuota,
    ProtectedFolder,
    Refusal,
    UseTaken,
)
from core.model import DELETED, SEEN, Incoming, ModSeq, UIDRanges, ranges

FOLDERS = 12
DEPTH = 4
KEYWORDS = 5
ROWS = 3
COPIES = 6


@dataclass
class AnEntry:
    uid: int
    prefix: bytes
    body: bytes
    flags: int
    words: frozenset[str]  # in lower case
    modseq: int

    @property
    def size(self) -> int:
        return len(self.prefix) + len(self.body)


@dataclass
class AFolder:
    selectable: bool = True
    special_use: str | None = None
    folder_id: int | None = None
    uidvalidity: int | None = None
    uidnext: int = 1
    modseq: int = 1
    recent_from: int = 1
    entries: list[AnEntry] = field(default_factory=list)
    keywords: list[str] = field(default_factory=list)
    keys: dict[int, bytes] = field(default_factory=dict)  # of each user who has one

    def counters(self) -> tuple[int, int, int, int]:
        """(messages, unseen, deleted, octets)."""
        return (
            len(self.entries),
            len([e for e in self.entries if not e.flags & SEEN]),
            len([e for e in self.entries if e.flags & DELETED]),
            sum(e.size for e in self.entries),
        )


@dataclass
class AMailbox:
    folders: dict[str, AFolder] = field(default_factory=dict)  # by path
    dead: list[AFolder] = field(default_factory=list)  # deleted, but still counted
    subscriptions: set[str] = field(default_factory=set)
    tokens: dict[bytes, int] = field(default_factory=dict)

    def used(self) -> tuple[int, int]:
        """(messages, octets)."""
        entries = [e for folder in (*self.folders.values(), *self.dead) for e in folder.entries]
        return len(entries), sum(e.size for e in entries)

    def selectable(self, path: str) -> AFolder:
        folder = self.folders.get(canonical(path))
        if folder is None or not folder.selectable:
            raise NoSuchFolder
        return folder

    def numbered(self, folder_id: int) -> AFolder:
        for folder in self.folders.values():
            if folder.folder_id == folder_id and folder.selectable:
                return folder
        raise NoSuchFolder

    def below(self, path: str) -> list[str]:
        return [other for other in self.folders if other.startswith(path + "/")]

    def prune(self, path: str) -> None:
        while "/" in path:
            path = path.rpartition("/")[0]
            if self.folders[path].selectable or self.below(path):
                return
            del self.folders[path]


def canonical(path: str) -> str:
    names = unicodedata.normalize("NFC", path).split("/")
    if names[0] in {"INBOX", "inbox", "Inbox"}:
        names[0] = "INBOX"
    return "/".join(names)


def valid(path: str) -> str:
    path = canonical(path)
    names = path.split("/")
    if len(names) > DEPTH or any(name == "" or name.strip() != name for name in names):
        raise InvalidName
    return path


def superiors(path: str) -> list[str]:
    names = path.split("/")
    return ["/".join(names[:depth]) for depth in range(1, len(names))]


def inside(uid: int, uids: UIDRanges) -> bool:
    return any(low <= uid <= high for low, high in uids)


def runs(numbers: Iterable[int]) -> UIDRanges:
    found: list[list[int]] = []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return tuple((low, high) for low, high in found)


class Oracle:
    def __init__(self) -> None:
        self.mailboxes: dict[int, AMailbox] = {}
        self.blobs: dict[bytes, int] = {}  # when each body last came

    def apply(self, command: c.Command) -> object:
        """The result of a command; raises the refusal, and is as it was then."""
        before = deepcopy(self.__dict__)
        try:
            result: object = getattr(self, type(command).__name__.lower())(command)
        except Refusal:
            self.__dict__ = before
            raise
        return result

    def _mailbox(self, mailbox_id: int) -> AMailbox:
        if mailbox_id not in self.mailboxes:
            raise NoSuchMailbox
        return self.mailboxes[mailbox_id]

    def _with_folders(self, mailbox_id: int) -> AMailbox:
        """A mailbox that is not there has no folders."""
        return self.mailboxes.get(mailbox_id, AMailbox())

    # ------------------------------------------------------------------------------------------ mailboxes, folders

    def createmailbox(self, command: c.CreateMailbox) -> None:
        if command.mailbox_id in self.mailboxes:
            raise MailboxExists
        mailbox = self.mailboxes[command.mailbox_id] = AMailbox()
        for new in command.folders:
            self._make(mailbox, new)
            mailbox.subscriptions.add(valid(new.path))

    def deletemailbox(self, command: c.DeleteMailbox) -> bool:
        """All of it at once; the store takes slices until it says True."""
        self.mailboxes.pop(command.mailbox_id, None)
        return True

    def createfolder(self, command: c.CreateFolder) -> None:
        path = valid(command.folder.path)
        mailbox = self._mailbox(command.mailbox_id)
        self._room(mailbox, [*superiors(path), path])
        use = command.folder.special_use
        if use is not None and use in [folder.special_use for folder in mailbox.folders.values()]:
            raise UseTaken
        self._make(mailbox, command.folder)

    def _room(self, mailbox: AMailbox, paths: list[str]) -> None:
        missing = [path for path in paths if path not in mailbox.folders]
        if missing and len(mailbox.folders) + len(mailbox.dead) + len(missing) > FOLDERS:
            raise LimitExceeded

    def _make(self, mailbox: AMailbox, new: c.NewFolder) -> None:
        path = valid(new.path)
        for superior in superiors(path):
            mailbox.folders.setdefault(superior, AFolder())
        place = mailbox.folders.get(path)
        if place is not None and place.selectable:
            raise FolderExists
        # A place keeps its number, but nothing else of it is remembered.
        number = None if place is None else place.folder_id
        mailbox.folders[path] = AFolder(special_use=new.special_use, folder_id=number)

    def deletefolder(self, command: c.DeleteFolder) -> None:
        mailbox = self._with_folders(command.mailbox_id)
        path = canonical(command.path)
        if path not in mailbox.folders:
            raise NoSuchFolder
        if path == "INBOX":
            raise ProtectedFolder
        folder = mailbox.folders[path]
        if mailbox.below(path):
            if not folder.selectable:
                raise ProtectedFolder
            mailbox.folders[path] = AFolder(selectable=False)
        else:
            del mailbox.folders[path]
            mailbox.prune(path)
        mailbox.dead.append(folder)
        if len(folder.entries) <= ROWS:
            self._purge(mailbox, folder)

    def _purge(self, mailbox: AMailbox, folder: AFolder) -> bool:
        taken = len(folder.entries[:ROWS])
        del folder.entries[:ROWS]
        if taken == ROWS:
            return False
        mailbox.dead.remove(folder)
        return True

    def purgefolder(self, command: c.PurgeFolder) -> bool:
        mailbox = self._with_folders(command.mailbox_id)
        for folder in mailbox.dead:
            if folder.folder_id == command.folder_id:
                return self._purge(mailbox, folder)
        return True

    def renamefolder(self, command: c.RenameFolder) -> None:
        mailbox = self._with_folders(command.mailbox_id)
        source = canonical(command.source)
        if source not in mailbox.folders:
            raise NoSuchFolder
        target = valid(command.target)
        if target in mailbox.folders:
            raise FolderExists
        if source != "INBOX" and target.startswith(source + "/"):
            raise InvalidName
        self._room(mailbox, superiors(target))
        moved = {source: target}
        if source != "INBOX":
            moved |= {path: target + path[len(source) :] for path in mailbox.below(source)}
        if any(len(path.split("/")) > DEPTH for path in moved.values()):
            raise InvalidName
        folders = {moved[path]: mailbox.folders.pop(path) for path in moved}
        if source == "INBOX":
            mailbox.folders["INBOX"] = AFolder()
        for superior in superiors(target):
            mailbox.folders.setdefault(superior, AFolder())
        mailbox.folders |= folders
        if source != "INBOX":
            mailbox.prune(source)

    def subscribe(self, command: c.Subscribe) -> None:
        path = valid(command.path)
        subscriptions = self._mailbox(command.mailbox_id).subscriptions
        if not command.subscribed:
            subscriptions.discard(path)
        elif path not in subscriptions:
            if len(subscriptions) >= FOLDERS:
                raise LimitExceeded
            subscriptions.add(path)

    def setaccesskey(self, command: c.SetAccessKey) -> bytes:
        keys = self._with_folders(command.mailbox_id).selectable(command.path).keys
        if not command.keep or command.user not in keys:
            keys[command.user] = command.secret
        return keys[command.user]

    def dropaccesskeys(self, command: c.DropAccessKeys) -> None:
        for mailbox in self.mailboxes.values():
            for folder in (*mailbox.folders.values(), *mailbox.dead):
                folder.keys.pop(command.user, None)

    # ------------------------------------------------------------------------------------------ messages

    def append(self, command: c.Append) -> c.Appended:
        mailbox = self._with_folders(command.mailbox_id)
        folder = mailbox.selectable(command.path)
        self._quota(mailbox, command.quota, sum(len(self._body(filing.message)) for filing in command.filings))
        first, modseq = folder.uidnext, folder.modseq
        for filing in command.filings:
            body = self._body(filing.message)
            words = self._learn(folder, filing.flags.keywords)
            folder.modseq = modseq  # one for all of them
            self._file(folder, b"", body, filing.flags.system, words)
            self.blobs[body] = command.at
        return c.Appended(folder.uidvalidity or 0, first, len(command.filings))

    def replace(self, command: c.Replace) -> c.Appended:
        mailbox = self._with_folders(command.mailbox_id)
        source = mailbox.numbered(command.folder_id)
        target = mailbox.selectable(command.path)
        old = [entry for entry in source.entries if entry.uid == command.uid]
        if not old:
            raise MessageExpunged
        (filing,) = command.filings
        body = self._body(filing.message)
        if len(body) > old[0].size:
            self._quota(mailbox, command.quota, len(body) - old[0].size)
        words = self._learn(target, filing.flags.keywords)
        uid = self._file(target, b"", body, filing.flags.system, words)
        self.blobs[body] = command.at
        self._remove(source, old)
        return c.Appended(target.uidvalidity or 0, uid)

    def _body(self, message: Incoming) -> bytes:
        assert message.blob.data is not None, "the machine sends small bodies, plain"
        return message.blob.data

    def _quota(self, mailbox: AMailbox, quota: int | None, octets: int) -> None:
        if quota is not None and mailbox.used()[1] + octets > quota:
            raise OverQuota

    def _learn(self, folder: AFolder, names: Iterable[str]) -> frozenset[str]:
        names = list(names)
        for name in names:
            if name.lower() not in [known.lower() for known in folder.keywords]:
                folder.keywords.append(name)
                if len(folder.keywords) > KEYWORDS:
                    raise LimitExceeded
        return frozenset(name.lower() for name in names)

    def _file(self, folder: AFolder, prefix: bytes, body: bytes, flags: int, words: frozenset[str]) -> int:
        folder.modseq += 1
        folder.entries.append(AnEntry(folder.uidnext, prefix, body, flags, words, folder.modseq))
        folder.uidnext += 1
        return folder.uidnext - 1

    def deliver(self, command: c.Deliver) -> list[object]:
        return [self._deliver(command, delivery) for delivery in command.deliveries]

    def _deliver(self, command: c.Deliver, delivery: c.Delivery) -> object:
        mailbox = self._with_folders(delivery.mailbox_id)
        if command.token is not None and mailbox.tokens.get(command.token, -1) >= command.at:
            return c.Delivered(None)
        body = self._body(command.message)
        try:
            folder = mailbox.selectable(delivery.folder)
            self._quota(mailbox, delivery.quota, len(delivery.prefix) + len(body))
        except Refusal as refusal:
            return type(refusal)
        if command.token is not None:
            mailbox.tokens[command.token] = command.token_expires_at
        self.blobs[body] = command.at
        return c.Delivered(self._file(folder, delivery.prefix, body, 0, frozenset()))

    def _chosen(self, folder: AFolder, uids: UIDRanges) -> list[AnEntry]:
        chosen = [entry for entry in folder.entries if inside(entry.uid, uids)]
        if len(chosen) > COPIES:
            raise LimitExceeded
        return chosen

    def copy(self, command: c.Copy) -> c.Copied:
        mailbox = self._with_folders(command.mailbox_id)
        source = mailbox.numbered(command.folder_id)
        target = mailbox.selectable(command.target)
        chosen = self._chosen(source, command.uids)
        if not chosen:
            return c.Copied(target.uidvalidity or 0, (), ())
        if not command.move:
            self._quota(mailbox, command.quota, sum(entry.size for entry in chosen))
        for name in list(source.keywords):
            if any(name.lower() in entry.words for entry in chosen):
                self._learn(target, [name])
        target.modseq += 1
        first = target.uidnext
        for entry in chosen:
            copied = AnEntry(target.uidnext, entry.prefix, entry.body, entry.flags, entry.words, target.modseq)
            target.entries.append(copied)
            target.uidnext += 1
        result = c.Copied(
            target.uidvalidity or 0, runs(entry.uid for entry in chosen), runs(range(first, target.uidnext))
        )
        if command.move:
            self._remove(source, chosen)
        return result

    def _remove(self, folder: AFolder, gone: list[AnEntry]) -> None:
        folder.modseq += 1
        uids = [entry.uid for entry in gone]
        folder.entries = [entry for entry in folder.entries if entry.uid not in uids]

    def expunge(self, command: c.Expunge) -> int:
        folder = self._with_folders(command.mailbox_id).numbered(command.folder_id)
        gone = [entry for entry in self._chosen(folder, command.uids) if entry.flags & DELETED]
        if gone:
            self._remove(folder, gone)
        return len(gone)

    def storeflags(self, command: c.StoreFlags) -> c.Stored:
        folder = self._with_folders(command.mailbox_id).numbered(command.folder_id)
        known = len(folder.keywords)
        named = frozenset(name.lower() for name in command.flags.keywords)
        if command.mode is not c.FlagMode.REMOVE:
            self._learn(folder, command.flags.keywords)
        changed, modified = False, []
        for entry in folder.entries:
            if not inside(entry.uid, command.uids):
                continue
            if self._is_modified(entry, command, named):
                modified.append(entry.uid)
                continue
            flags, words = entry.flags, entry.words
            if command.mode is c.FlagMode.ADD:
                flags, words = flags | command.flags.system, words | named
            elif command.mode is c.FlagMode.REMOVE:
                flags, words = flags & ~command.flags.system, words - named
            else:
                flags, words = command.flags.system, named
            if (flags, words) != (entry.flags, entry.words):
                entry.flags, entry.words, entry.modseq = flags, words, folder.modseq + 1
                changed = True
        if not changed and len(folder.keywords) == known:
            return c.Stored(ModSeq(0), ranges(modified))
        folder.modseq += 1
        return c.Stored(ModSeq(folder.modseq), ranges(modified))

    def _is_modified(self, entry: AnEntry, command: c.StoreFlags, named: frozenset[str]) -> bool:
        since = command.unchanged_since
        if since == 0 and command.mode is c.FlagMode.ADD and not command.flags.system:
            return bool(entry.words & named)
        return since is not None and entry.modseq > since

    def claimrecent(self, command: c.ClaimRecent) -> int:
        folder = self._with_folders(command.mailbox_id).numbered(command.folder_id)
        before = folder.recent_from
        folder.recent_from = max(before, command.below)
        return before

    # ------------------------------------------------------------------------------------------ upkeep

    def sweepblobs(self, command: c.SweepBlobs) -> int:
        folders = [f for m in self.mailboxes.values() for f in (*m.folders.values(), *m.dead)]
        named = {entry.body for folder in folders for entry in folder.entries}
        gone = [body for body, at in self.blobs.items() if at < command.before and body not in named]
        for body in gone:
            del self.blobs[body]
        return len(gone)

    def sweepdeliveries(self, command: c.SweepDeliveries) -> int:
        gone = 0
        for mailbox in self.mailboxes.values():
            for token in [token for token, expires_at in mailbox.tokens.items() if expires_at < command.now]:
                del mailbox.tokens[token]
                gone += 1
        return gone
