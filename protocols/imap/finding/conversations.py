"""THREAD, on whatever thread: which message answers which (RFC 5256 3, draft-ietf-morg-inthread-01 4).

A message is known by its place among those found, counted from 0; dummies, which stand for messages that are not
there, count on from the last.  Who is above whom is one list.  Messages are sorted by date once: whoever then goes
through them in that order finds siblings, first children and threads in the order of steps 4 and 6.  Nothing recurses,
for a conversation may be deeper than Python's stack.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice

from msgspec import Struct

from protocols.imap.commands import Algorithm

PIECE_WORDS = 50_000  # of an answer in one piece: some 200 KiB
NOBODY = -1
STEPS = 32  # up a tree, before we look for its top in a better way


class Mail(Struct, frozen=True, gc=False):
    """What threading compares of a message."""

    sent: int  # RFC 5256 2.2, seconds
    arrived: int  # INTERNALDATE, seconds
    subject: str  # the base subject, folded
    is_reply: bool  # or forward
    message_id: str  # empty if there is no valid one
    references: tuple[str, ...]  # oldest first


class Threads(Struct, frozen=True, gc=False):
    """Trees.  Nodes are the places of messages; from `count` on they are dummies, at the top only."""

    count: int
    tops: list[int]
    children: dict[int, list[int]]  # of nodes that have some


def threads(algorithm: Algorithm, found: Sequence[Mail]) -> Threads:
    """The threads of messages that come in the order of their sequence numbers."""
    return _ALGORITHMS[algorithm](found)


def _by_date(found: Sequence[Mail]) -> list[int]:
    """RFC 5256 2.2: messages of the same date keep the order of their sequence numbers."""
    return sorted(range(len(found)), key=[mail.sent for mail in found].__getitem__)


def _trees(above: Sequence[int], order: Iterable[int]) -> Threads:
    """Siblings in this order; a dummy comes where its first child does (RFC 5256 3, step 6)."""
    count = len(above)
    tops: list[int] = []
    children: dict[int, list[int]] = {}
    for node in order:
        parent = above[node]
        if parent == NOBODY:
            tops.append(node)
        elif parent in children:
            children[parent].append(node)
        else:
            children[parent] = [node]
            if parent >= count:
                tops.append(parent)
    return Threads(count, tops, children)


# ---------------------------------------------------------------------------------------------- ORDEREDSUBJECT


def _ordered_subject(found: Sequence[Mail]) -> Threads:
    """The oldest message of a subject and, as its children, all others of that subject."""
    order = _by_date(found)
    oldest: dict[str, int] = {}
    above = [NOBODY] * len(found)
    for node in order:
        first = oldest.setdefault(found[node].subject, node)
        if first != node:
            above[node] = first
    return _trees(above, order)


# ---------------------------------------------------------------------------------------------- REFERENCES, REFS


def _references(found: Sequence[Mail]) -> Threads:
    order = _by_date(found)
    above = _pruned(_linked(found), len(found))
    return _trees(_gathered(above, order, found), order)


def _refs(found: Sequence[Mail]) -> Threads:
    """As REFERENCES, but subjects do not count, and the thread that got a message last comes last."""
    above = _pruned(_linked(found), len(found))
    trees = _trees(above, _by_date(found))
    messages = range(len(found))
    latest: dict[int, int] = {}
    for place, node in enumerate(sorted(messages, key=[mail.arrived for mail in found].__getitem__)):
        latest[_up(above, node, messages)] = place
    trees.tops.sort(key=latest.__getitem__)
    return trees


def _linked(found: Sequence[Mail]) -> list[int]:
    """Step 1: who is above whom by Message-ID and References, with dummies."""
    known: dict[str, int] = {}
    for node, mail in enumerate(found):
        if mail.message_id:
            known.setdefault(mail.message_id, node)  # the first has it; for the others no reference can ask
    links = _Links(len(found))
    above = links.above
    for node, mail in enumerate(found):
        parent = NOBODY
        for name in mail.references:  # (A)
            child = known.get(name, NOBODY)
            if child == NOBODY:
                child = known[name] = links.add()
            if parent != NOBODY and above[child] == NOBODY:
                links.join(parent, child)
            parent = child
        if above[node] != NOBODY:  # (B)
            links.part(node)
        if parent != NOBODY:
            links.join(parent, node)
    return above


def _pruned(linked: Sequence[int], count: int) -> list[int]:
    """Steps 2 and 3: the message above each message, or else the dummy at the top if that has more children."""
    above, dummies = list(linked), range(count, len(linked))
    families: dict[int, list[int]] = {}
    for node in range(count):
        if above[node] in dummies:
            above[node] = parent = _up(above, above[node], dummies)
            if parent in dummies:
                families.setdefault(parent, []).append(node)
    for children in families.values():
        if len(children) == 1:
            above[children[0]] = NOBODY
    return above[:count]


def _up(above: list[int], node: int, through: range) -> int:
    """The first node upwards that is none of these, or else the top; who is passed on the way is put right below it."""
    passed: list[int] = []
    while node in through and above[node] != NOBODY:
        passed.append(node)
        node = above[node]
    for each in passed:
        above[each] = node
    return node


def _gathered(pruned: Sequence[int], order: Sequence[int], found: Sequence[Mail]) -> list[int]:
    """Steps 4 and 5: threads of the same subject become one."""
    above, count = list(pruned), len(found)
    trees = _trees(above, order)
    # What of each thread would move: a message at the top, or the children of a dummy.
    heads = {top: [top] if top < count else trees.children[top] for top in trees.tops}
    subjects = {top: found[nodes[0]].subject for top, nodes in heads.items()}
    table: dict[str, int] = {}
    for top, subject in subjects.items():  # (B)
        known = table.setdefault(subject, top)
        if _standing(top, found) < _standing(known, found):
            table[subject] = top
    unused = max([count, *trees.tops]) + 1
    for top, subject in subjects.items():  # (C)
        known = table[subject]
        if not subject or known == top:
            continue
        if _standing(top, found) == _standing(known, found) != _DUMMY:
            above[known] = table[subject] = unused
            known, unused = unused, unused + 1
        for node in heads[top]:
            above[node] = known
    return above


_DUMMY, _ORIGINAL, _REPLY = range(3)


def _standing(node: int, found: Sequence[Mail]) -> int:
    """Step 5 puts a dummy above an original, and that above a reply or forward; equals get a new dummy above them."""
    if node >= len(found):
        return _DUMMY
    return _REPLY if found[node].is_reply else _ORIGINAL


# ---------------------------------------------------------------------------------------------- links without loops


class _Links:
    """Who is above whom; a link that would close a loop is not made (RFC 5256 3, step 1)."""

    def __init__(self, count: int) -> None:
        self.above = [NOBODY] * count
        self._children = [0] * count  # how many
        self._paths: _Paths | None = None

    def add(self) -> int:
        """A dummy."""
        self.above.append(NOBODY)
        self._children.append(0)
        if self._paths is not None:
            self._paths.add()
        return len(self.above) - 1

    def join(self, parent: int, child: int) -> None:
        """Puts a node that nobody is above below another, unless that is itself below it."""
        if parent == child or (self._children[child] and self._top(parent) == child):
            return
        self.above[child] = parent
        self._children[parent] += 1
        if self._paths is not None:
            self._paths.join(parent, child)

    def part(self, child: int) -> None:
        """Takes a node from below the one above it."""
        self._children[self.above[child]] -= 1
        self.above[child] = NOBODY
        if self._paths is not None:
            self._paths.part(child)

    def _top(self, node: int) -> int:
        for _ in range(STEPS):
            if self.above[node] == NOBODY:
                return node
            node = self.above[node]
        if self._paths is None:
            self._paths = _Paths(self.above)
        return self._paths.top(node)


class _Paths:
    """The same trees as link-cut trees (Sleator and Tarjan 1983): the top of a node in O(log n), however deep it lies.

    Few mailboxes need it: to go up step by step would take hours where somebody has made References for that purpose.
    A tree is cut into paths downwards, each a splay tree ordered by depth.  `up` leads within the splay tree, and from
    its root to the node that the path hangs on.  A tree in which each node is a path of its own is one already.
    """

    def __init__(self, above: Sequence[int]) -> None:
        self._up = list(above)
        self._left = [NOBODY] * len(above)
        self._right = [NOBODY] * len(above)

    def add(self) -> None:
        for links in (self._up, self._left, self._right):
            links.append(NOBODY)

    def join(self, parent: int, child: int) -> None:
        self._expose(child)
        self._up[child] = parent

    def part(self, child: int) -> None:
        self._expose(child)
        self._up[self._left[child]] = NOBODY
        self._left[child] = NOBODY

    def top(self, node: int) -> int:
        self._expose(node)
        while self._left[node] != NOBODY:
            node = self._left[node]
        self._splay(node)  # pays for the way down
        return node

    def _expose(self, node: int) -> None:
        """Makes one path of all that is above the node, which becomes its root."""
        below, at = NOBODY, node
        while at != NOBODY:
            self._splay(at)
            self._right[at] = below
            below, at = at, self._up[at]
        self._splay(node)

    def _splay(self, node: int) -> None:
        up = self._up
        while not self._is_root(node):
            parent = up[node]
            if not self._is_root(parent):
                is_straight = (self._left[parent] == node) == (self._left[up[parent]] == parent)
                self._rotate(parent if is_straight else node)
            self._rotate(node)

    def _is_root(self, node: int) -> bool:
        parent = self._up[node]
        return parent == NOBODY or (self._left[parent] != node and self._right[parent] != node)

    def _rotate(self, node: int) -> None:
        """Swaps a node with the one above it in the splay tree."""
        parent = self._up[node]
        near, far = (self._left, self._right) if self._left[parent] == node else (self._right, self._left)
        grand, inner = self._up[parent], far[node]
        for side in (self._left, self._right):
            if grand != NOBODY and side[grand] == parent:
                side[grand] = node
        near[parent], far[node] = inner, parent
        if inner != NOBODY:
            self._up[inner] = parent
        self._up[parent], self._up[node] = node, grand


_ALGORITHMS: dict[str, Callable[[Sequence[Mail]], Threads]] = {
    "ORDEREDSUBJECT": _ordered_subject,
    "REFERENCES": _references,
    "REFS": _refs,
}


# ---------------------------------------------------------------------------------------------- the answer


def response(trees: Threads, numbers: Sequence[int]) -> Iterator[bytes]:
    """THREAD in pieces (RFC 5256 4); the numbers are the messages' UIDs or sequence numbers, by place."""
    words = chain(("* THREAD " if trees.tops else "* THREAD",), _words(trees, numbers), ("\r\n",))
    while piece := "".join(islice(words, PIECE_WORDS)):
        yield piece.encode("ascii")


def _words(trees: Threads, numbers: Sequence[int]) -> Iterator[str]:
    """Each thread a list: an only child follows its parent, siblings are lists within it."""
    waiting = trees.tops[::-1]
    while waiting:
        node = waiting.pop()
        if node == _CLOSE:
            yield ")"
            continue
        yield "("
        waiting.append(_CLOSE)
        while True:
            below = trees.children.get(node, _NONE)
            if node < trees.count:
                yield f"{numbers[node]} " if below else str(numbers[node])
            if len(below) != 1:
                break
            node = below[0]
        waiting += reversed(below)


_CLOSE = -1
_NONE: list[int] = []
