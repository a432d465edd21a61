"""Who watches which folder, and the newest view of each: one for all who come as owners, one for each other reader.

The changes of a folder come in an order of their own, each naming the MODSEQ of the one before; who finds a gap reads
the folder again.  Used from one thread, the one that changes are published on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from msgspec.structs import replace

from core.changes import (
    AccessKeyChange,
    AnnotationsChange,
    Change,
    FolderChange,
    FolderRemoved,
    MailboxRemoved,
    Missed,
    SeenChange,
    TreeChange,
)
from core.following import Following
from core.loading import Known
from core.model import FolderId, MailboxId, ModSeq
from core.readerview import ReaderView, told_to_reader
from core.recipients import RecipientId
from core.view import FolderView

# Of folders that nobody watches any more, for clients that come back to them: some 26 MB in each process, and what has
# changed since.  A folder of a million has room.
KEPT_MESSAGES = 1_200_000
KEPT_LEAST = 1_000  # that any folder counts for, or there would be very many
KEPT_CHANGES = 4_096  # entries of one folder that came, changed or went; after more it is read anew

Listener = Callable[[Change, FolderView | None], None]
Key = tuple[MailboxId, FolderId]


class Watch:
    """One listener's interest in a folder.  `view` is None until somebody has loaded it."""

    def __init__(self, folder: _Watched | _Read, listener: Listener, forget: Callable[[Watch], None]) -> None:
        self._folder = folder
        self._forget = forget
        self.listener = listener
        self.is_void = False  # what is being read for it is of no use
        folder.watches.append(self)

    @property
    def view(self) -> FolderView | None:
        return self._folder.view

    @property
    def shared(self) -> FolderView | None:
        """What a reader's view can be made of without reading the messages again."""
        return self._folder.base.view if isinstance(self._folder, _Read) else None

    def load(self, loaded: FolderView) -> FolderView | None:
        """Offers a view from a snapshot read since this watch began; None when it must be read once more."""
        if self.is_void:
            self.is_void = False
            return None
        return self._folder.load(loaded)

    def close(self) -> None:
        self._forget(self)

    @property
    def folder(self) -> _Watched | _Read:
        return self._folder


class _Watched:
    """A folder that somebody watches: the newest view of it, or the changes since loading began.

    While nobody does, `kept` is the view that the last one left, and the changes are those since then.
    """

    def __init__(self, key: Key) -> None:
        self.key = key
        self.view: FolderView | None = None
        self.kept: FolderView | None = None
        self.missed: list[FolderChange] = []
        self.is_gone = False
        self.is_inbox = False
        self.n_missed = 0  # entries and ranges in them
        self.watches: list[Watch] = []

    def hear(self, change: FolderChange) -> None:
        if self.view is None:
            self.missed.append(change)
            self.n_missed += 1 + len(change.arrived) + len(change.changed) + len(change.expunged)
        elif change.since == self.view.modseq:
            self.view = self.view.apply(change)
        elif change.modseq > self.view.modseq:  # a gap: whoever needs the view reads it again
            self.view, self.missed = None, [change]

    def doubt(self) -> None:
        """Changes were missed."""
        self.missed, self.n_missed = [], 0
        if self.view is None:
            _void(self.watches)

    def keep(self) -> None:
        """The last one has left."""
        self.kept, self.view, self.missed, self.n_missed = self.view, None, [], 0

    def resume(self, modseq: int) -> None:
        """Somebody is here again, who knows that the folder has come to this MODSEQ."""
        if self.kept is not None and (view := self.load(self.kept)) is not None and view.modseq < modseq:
            # Not everything was told, or not yet: what a commit that failed has left behind is seen by reading only.
            self.view, self.missed = None, []
        self.kept = None

    def load(self, loaded: FolderView) -> FolderView | None:
        if self.view is not None:
            return self.view
        for change in self.missed:
            if change.modseq <= loaded.modseq:
                continue
            if change.since != loaded.modseq:
                return None
            loaded = loaded.apply(change)
        self.view, self.missed = loaded, []
        return loaded


class _Read:
    """A folder that a reader watches who is not its owner: messages as all see them, and the reader's marks on them.

    Both are advanced by the changes as these are published; what they have in common with the shared view is one copy.
    """

    def __init__(self, base: _Watched, user: RecipientId, watch: Callable[[Listener], Watch]) -> None:
        self.key = base.key
        self.user = user
        self.base = base
        self.view: ReaderView | None = None
        self.watches: list[Watch] = []
        self._watch = watch(lambda change, newest: None)  # keeps the shared view here
        self._missed: list[FolderChange | SeenChange] = []
        self._told = 0  # the MODSEQ of the last view that there was

    def load(self, loaded: FolderView) -> FolderView | None:
        assert isinstance(loaded, ReaderView), "a reader's view was asked for"
        if self.base.view is None:
            self.base.load(loaded.base)
        if self.view is not None:
            return self.view
        for change in self._missed:
            after = self._after(loaded, change)
            if after is None:
                return None
            loaded = after
        self.view, self._missed = loaded, []
        return loaded

    def hear(self, change: FolderChange | SeenChange) -> FolderChange | None:
        """What the change means to the reader; None: nothing."""
        if isinstance(change, SeenChange) and change.user != self.user:
            return None
        if isinstance(change, FolderChange) and change.others:
            own = next((some for some in change.others if some.user == self.user), None)
            change = replace(change, own=own, others=())
        before = self.view
        if before is None:
            self._miss(change)
            return self._gap()
        after = self._after(before, change)
        if after is None:
            self._told, self.view, self._missed = before.modseq, None, [change]
            return self._gap()
        self.view = after
        return None if after is before else told_to_reader(change, before, after)

    def _after(self, view: ReaderView, change: FolderChange | SeenChange) -> ReaderView | None:
        """The view after a change, itself if it knows that already; None: there is a gap before it."""
        base, marks = view.base, view.marks
        if isinstance(change, FolderChange) and change.modseq > base.modseq:
            if change.since != base.modseq:
                return None
            shared = self.base.view
            is_same = shared is not None and shared.modseq == change.modseq
            base = shared if is_same and shared is not None else base.apply(change)
        own = change if isinstance(change, SeenChange) else change.own
        if own is not None and own.user == self.user and own.modseq > marks.modseq:
            if own.since != marks.modseq:
                return None
            marks = marks.after(own)
        return view if base is view.base and marks is view.marks else ReaderView(base, marks)

    def _miss(self, change: FolderChange | SeenChange) -> None:
        self._missed.append(change)
        if len(self._missed) > KEPT_CHANGES:
            self.doubt()

    def doubt(self) -> None:
        """Not all changes are known since what is being read was begun to be read."""
        self._missed = []
        _void(self.watches)

    def _gap(self) -> FolderChange:
        """No session can go on from the view that it has."""
        return FolderChange(*self.key, ModSeq(self._told + 1), ModSeq(self._told + 2))

    def leave(self) -> None:
        """Nobody needs it any more."""
        self._watch.close()


class Views:
    """The views of all folders that are being watched, and of some that were a short time ago."""

    def __init__(self, kept_messages: int = KEPT_MESSAGES) -> None:
        """`kept_messages` of folders that nobody watches any more."""
        self._kept_messages = kept_messages
        self._folders: dict[Key, _Watched] = {}
        self._readers: dict[Key, dict[RecipientId, _Read]] = {}
        self.following = Following()
        self._left: dict[Key, int] = {}  # how many messages are kept of each, oldest first

    @property
    def watched(self) -> int:
        """How many folders somebody watches."""
        return len(self._folders) - len(self._left)

    def watch(
        self,
        mailbox_id: MailboxId,
        folder_id: FolderId,
        listener: Listener,
        *,
        modseq: int = 0,
        user: RecipientId | None = None,
        is_inbox: bool = False,
    ) -> Watch:
        """From now on the listener hears (change, the newest view or None) for this folder; None: as its owner.

        A view that was kept is not taken if it is older than `modseq`, at which the folder has been seen.
        """
        key = (mailbox_id, folder_id)
        if user is None:
            folder = self._folders.setdefault(key, _Watched(key))
            self._left.pop(key, None)
            folder.resume(modseq)
            folder.is_inbox = is_inbox
            return Watch(folder, listener, self._forget)
        readers = self._readers.setdefault(key, {})
        if user not in readers:
            base = self._folders.setdefault(key, _Watched(key))
            readers[user] = _Read(base, user, lambda silent: self.watch(*key, silent, modseq=modseq, is_inbox=is_inbox))
        return Watch(readers[user], listener, self._forget)

    def _forget(self, watch: Watch) -> None:
        folder = watch.folder
        if watch not in folder.watches:
            return
        folder.watches.remove(watch)
        if folder.watches:
            return
        if isinstance(folder, _Read):
            self._leave(folder)
        elif folder.view is None or folder.is_gone:
            self._drop(folder)
        else:
            self._keep(folder)

    def _leave(self, reader: _Read) -> None:
        readers = self._readers[reader.key]
        del readers[reader.user]
        if not readers:
            del self._readers[reader.key]
        reader.leave()

    def _keep(self, folder: _Watched) -> None:
        assert folder.view is not None, "there is something to keep"
        self._left[folder.key] = max(len(folder.view), KEPT_LEAST)
        folder.keep()
        while sum(self._left.values()) > self._kept_messages:
            self._drop(self._folders[next(iter(self._left))])

    def _drop(self, folder: _Watched) -> None:
        self._left.pop(folder.key, None)
        self._folders.pop(folder.key, None)

    def publish(self, changes: Sequence[Change]) -> None:
        """Tells the listeners what was committed, and then the followers of whole mailboxes."""
        for change in changes:
            if isinstance(change, AnnotationsChange | Missed):
                continue
            if isinstance(change, TreeChange):
                self._tell_readers(change)
                continue
            for folder in self._concerned(change):
                if isinstance(change, AccessKeyChange):
                    _tell_each(folder.watches, change, folder.view)
                elif not isinstance(change, SeenChange):
                    self._tell(folder, change)
                for reader in tuple(self._readers.get(folder.key, {}).values()):
                    told = reader.hear(change) if isinstance(change, FolderChange | SeenChange) else change
                    if told is not None:
                        _tell_each(reader.watches, told, reader.view)
        self.following.publish(changes)

    def doubt(self, is_meant: Callable[[MailboxId], bool] = lambda mailbox_id: True) -> list[Key]:
        """Changes in some mailboxes may have been missed: forgets what nobody uses; what sessions have open.

        What follows by a snapshot from what is `known` of each (core.loading.missed) is to be published before any
        other change of it.
        """
        for key in tuple(self._left):
            if is_meant(key[0]):
                self._drop(self._folders[key])
        doubted = [key for key in self._folders if is_meant(key[0])]
        for key in doubted:
            self._folders[key].doubt()
            for reader in self._readers.get(key, {}).values():
                reader.doubt()
        return doubted

    def known(self, key: Key) -> Known | None:
        """What sessions know of a folder; None: nobody has it open."""
        if (folder := self._folders.get(key)) is None or key in self._left:
            return None
        readers = self._readers.get(key, {}).values()
        marks = {reader.user: reader.view.marks for reader in readers if reader.view is not None}
        return Known(*key, folder.view, marks, folder.is_inbox)

    def _tell(self, folder: _Watched, change: FolderChange | FolderRemoved | MailboxRemoved) -> None:
        if isinstance(change, FolderChange):
            folder.hear(change)
        else:
            folder.is_gone = True
        if folder.key in self._left and (folder.is_gone or folder.n_missed > KEPT_CHANGES):
            self._drop(folder)
        _tell_each(folder.watches, change, folder.view)

    def _tell_readers(self, change: TreeChange) -> None:
        """Of rights in their mailbox that have changed: they may be theirs."""
        if change.trustee is None or not self._readers:
            return
        for key, readers in tuple(self._readers.items()):
            if key[0] == change.mailbox_id:
                for reader in tuple(readers.values()):
                    _tell_each(reader.watches, change, reader.view)

    def _concerned(
        self, change: FolderChange | SeenChange | FolderRemoved | MailboxRemoved | AccessKeyChange
    ) -> Sequence[_Watched]:
        if isinstance(change, MailboxRemoved):
            return [folder for key, folder in self._folders.items() if key[0] == change.mailbox_id]
        folder = self._folders.get((change.mailbox_id, change.folder_id))
        return (folder,) if folder else ()


def _void(watches: Iterable[Watch]) -> None:
    for watch in watches:
        watch.is_void = True


def _tell_each(watches: Iterable[Watch], change: Change, newest: FolderView | None) -> None:
    for watch in tuple(watches):  # one that hears may close
        watch.listener(change, newest)
