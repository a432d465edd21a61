"""SEARCH, on whatever thread: which of some messages match, exactly (RFC 9051 6.4.4).

A key is compiled once into a predicate.  It asks a Candidate for what it needs to know, which reads that from the store
when it is first asked: flags cost nothing, dates and sizes a row, texts a body.  So the keys of an AND are ordered by
what they cost.  Texts are compared decoded and folded by a comparator (RFC 5255), a large body piece by piece.

With FUZZY among them the keys are compiled into a score instead (RFC 6203), for which 0 is no match.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from datetime import date
from functools import partial

from msgspec import Struct

from core.errors import MessageExpunged
from core.model import UIDRanges, common
from core.ports import ReadTx
from core.view import FolderView
from protocols.imap import commands
from protocols.imap.commands import SearchKey
from protocols.imap.finding.candidates import DAYS, SUMMARY_FIELDS, Batch, Candidate
from protocols.imap.finding.comparators import Comparator
from protocols.imap.finding.relevancy import SCORERS, Scorer
from protocols.imap.naming.homes import Home
from protocols.imap.reading.fetching import Snapshot
from protocols.imap.work import Breathe, Read, Scan, unhurried

SECOND = 1_000_000
FEW_MESSAGES = 2_000  # of which flags are looked at on the spot
FEW_FLAGS = 20_000  # the same where nothing else is asked for

LEAST = 1e-300  # of a score: a thousand bad matches are a match still

Predicate = Callable[[Candidate], bool]


class Asked(Struct, frozen=True):
    """What the keys are resolved against: the session's numbers and its saved result."""

    snapshot: Snapshot
    saved: UIDRanges
    now: int  # microseconds
    comparator: Comparator
    needles: dict[bool, set[str]]  # what `Candidate.holds` will be asked for: filled while keys are compiled


class Matched(Struct, frozen=True):
    """The UIDs found, and up to which UID the search has gone."""

    uids: list[int]
    last_uid: int
    scores: list[float]  # how well each of them matches; none if FUZZY is not among the keys


class Search:
    """A search that is carried out piece by piece."""

    def __init__(
        self, snapshot: Snapshot, key: SearchKey, saved: UIDRanges, *, now: int, comparator: Comparator
    ) -> None:
        depth = cost(key)
        self._flags = _flags_alone(key)
        self.is_heavy = depth > _CHEAP or len(snapshot.view) > (FEW_MESSAGES if self._flags is None else FEW_FLAGS)
        self.piece_messages = PIECE_MESSAGES[depth]
        self._snapshot = snapshot
        self._comparator = comparator
        self._needles: dict[bool, set[str]] = {False: set(), True: set()}
        asked = Asked(snapshot, saved, now, comparator, self._needles)
        self._is_fuzzy = commands.is_fuzzy(key)
        self._matches: Scorer = compile_score(key, asked) if self._is_fuzzy else compile_key(key, asked)

    def piece(self, home: Home, uids: UIDRanges) -> Read | Scan:
        """The work that comes to what matches among some messages, or among the first of them."""
        run = partial(self.run, uids=uids)
        return home.scan(run) if self.is_heavy else home.read(run)

    def run(self, tx: ReadTx, breathe: Breathe = unhurried, *, uids: UIDRanges) -> Matched:
        """Those of the messages that match, from the first on; one that is gone does not."""
        snapshot, matches = self._snapshot, self._matches
        snapshot.check(tx)
        if self._flags is not None:
            return Matched(snapshot.view.flagged(uids, *self._flags), uids[-1][1], [])
        place = (snapshot.mailbox_id, snapshot.folder_id)
        batch = Batch(tx, place, uids, self._comparator.fold, breathe, self._needles)
        found: list[int] = []
        scores: list[float] = []
        for number, entry in snapshot.view.numbered(uids):
            try:
                if score := matches(Candidate(batch, number, entry)):
                    found.append(entry.uid)
                    if self._is_fuzzy:
                        scores.append(score)
            except MessageExpunged:
                continue
            if breathe():
                return Matched(found, entry.uid, scores)
        return Matched(found, uids[-1][1], scores)


# ---------------------------------------------------------------------------------------------- keys to predicates

_CHEAP, _ROW, _SUMMARIZED, _HEADER, _BODY = range(5)


def cost(key: SearchKey) -> int:
    """How deep into the store a key must look."""
    return max(map(_cost, commands.leaves(key)), default=_CHEAP)


def _cost(leaf: SearchKey) -> int:
    match leaf:
        case (
            commands.Dated(by="internal" | "saved")
            | commands.Larger()
            | commands.Smaller()
            | commands.HasObject()
            | commands.Within()
        ):
            return _ROW
        case commands.InEnvelope() | commands.Dated():
            return _SUMMARIZED
        case commands.InHeader():
            return _HEADER
        case commands.InBody() | commands.InText():
            return _BODY
        case _:
            return _CHEAP


def _flags_alone(key: SearchKey) -> tuple[int, int] | None:
    """The system flags that a message must have and those that it must lack, if that is all that a key says."""
    match key:
        case commands.And(keys=keys):
            has = lacks = 0
            for inner in keys:
                if (some := _flags_alone(inner)) is None:
                    return None
                has, lacks = has | some[0], lacks | some[1]
            return has, lacks
        case commands.HasFlag(flag=flag):
            return flag, 0
        case commands.Not(key=commands.HasFlag(flag=flag)):
            return 0, flag
        case _:
            return None


def asks_modseq(key: SearchKey) -> bool:
    """Whether MODSEQ is among the keys: then the answer tells the highest one (RFC 7162 3.1.5)."""
    return any(isinstance(leaf, commands.Changed) for leaf in commands.leaves(key))


def names_numbers(key: SearchKey) -> bool:
    """Whether message numbers are among the keys: then no EXPUNGE may be told, nor any number be used after UIDONLY."""
    return any(not numbers.saved for numbers in numbers_in(key))


def names_filters(key: SearchKey) -> bool:
    """Whether what other keys there are is to be looked up (RFC 5466)."""
    return any(isinstance(leaf, commands.Filter) for leaf in commands.leaves(key))


def numbers_in(key: SearchKey) -> Iterator[commands.SequenceSet]:
    """The sets of message numbers among the keys."""
    return (leaf.numbers for leaf in commands.leaves(key) if isinstance(leaf, commands.Sequence))


def frozen(key: SearchKey, view: FolderView, saved: UIDRanges) -> SearchKey:
    """The key with the UIDs that message numbers and "$" mean at this moment (RFC 5267 4.3)."""
    match key:
        case commands.And(keys=keys):
            return commands.And(tuple([frozen(inner, view, saved) for inner in keys]))
        case commands.Or(keys=keys):
            return commands.Or(tuple([frozen(inner, view, saved) for inner in keys]))
        case commands.Not(key=inner):
            return commands.Not(frozen(inner, view, saved))
        case commands.Fuzzy(key=inner):
            return commands.Fuzzy(frozen(inner, view, saved))
        case commands.Sequence(numbers=some) | commands.Uids(uids=some) if some.saved:
            return commands.Uids(commands.SequenceSet(saved))
        case commands.Sequence(numbers=some):
            numbers = common(some.resolve(len(view)), ((1, len(view)),) if len(view) else ())
            return commands.Uids(commands.SequenceSet(view.uids_of_numbers(numbers)))
        case _:
            return key


def compile_key(key: SearchKey, asked: Asked) -> Predicate:
    """The predicate of a key."""
    return _COMPILERS[type(key)](key, asked)


def compile_score(key: SearchKey, asked: Asked, *, fuzzily: bool = False) -> Scorer:
    """How well a message matches a key.  RFC 6203 4 leaves to the server how several scores become one.

    What is exact counts 1, so that it changes nothing beside what is fuzzy in an AND, which is the product.  Of an OR
    the best counts.  NOT is exact, whatever stands around it: what is only nearly meant must not hide a message.
    """
    match key:
        case commands.And(keys=keys):
            scorers = [compile_score(inner, asked, fuzzily=fuzzily) for inner in sorted(keys, key=cost)]
            return lambda m: _product(m, scorers)
        case commands.Or(keys=keys):
            scorers = [compile_score(inner, asked, fuzzily=fuzzily) for inner in keys]
            return lambda m: max(scorer(m) for scorer in scorers)
        case commands.Fuzzy(key=inner):
            return compile_score(inner, asked, fuzzily=True)
        case _ if fuzzily and type(key) in SCORERS:
            return SCORERS[type(key)](key, asked.now)
        case _:
            return compile_key(key, asked)


def _product(message: Candidate, scorers: list[Scorer]) -> float:
    product = 1.0
    for scorer in scorers:
        if not (score := scorer(message)):
            return 0.0
        product = max(product * score, LEAST)
    return product


def _fuzzy(key: commands.Fuzzy, asked: Asked) -> Predicate:
    """FUZZY beneath a NOT."""
    score = compile_score(key, asked)
    return lambda m: bool(score(m))


def _and(key: commands.And, asked: Asked) -> Predicate:
    predicates = [compile_key(inner, asked) for inner in sorted(key.keys, key=cost)]
    if len(predicates) == 1:
        return predicates[0]
    return lambda m: all(predicate(m) for predicate in predicates)


def _or(key: commands.Or, asked: Asked) -> Predicate:
    predicates = [compile_key(inner, asked) for inner in sorted(key.keys, key=cost)]
    return lambda m: any(predicate(m) for predicate in predicates)


def _not(key: commands.Not, asked: Asked) -> Predicate:
    predicate = compile_key(key.key, asked)
    return lambda m: not predicate(m)


def _flag(key: commands.HasFlag, asked: Asked) -> Predicate:
    return lambda m: bool(m.entry.flags & key.flag)


def _keyword(key: commands.HasKeyword, asked: Asked) -> Predicate:
    known = asked.snapshot.view.keywords
    mask = sum(1 << bit for bit, name in enumerate(known) if name.lower() == key.keyword.lower())
    return lambda m: bool(m.entry.keywords & mask)


def _recent(key: commands.IsRecent, asked: Asked) -> Predicate:
    first = asked.snapshot.recent_from
    return lambda m: m.entry.uid >= first


def _member(ranges: UIDRanges) -> Callable[[int], bool]:
    """Whether a number lies in one of the ranges, of which there may be thousands."""
    lows, highs = [low for low, _ in ranges], [-1, *(high for _, high in ranges)]
    return lambda number: number <= highs[bisect_right(lows, number)]


def _numbers(key: commands.Sequence, asked: Asked) -> Predicate:
    if key.numbers.saved:
        is_saved = _member(asked.saved)
        return lambda m: is_saved(m.entry.uid)
    is_chosen = _member(key.numbers.resolve(len(asked.snapshot.view)))
    return lambda m: is_chosen(m.number)


def _uids(key: commands.Uids, asked: Asked) -> Predicate:
    is_chosen = _member(asked.saved if key.uids.saved else key.uids.resolve(asked.snapshot.view.last_uid))
    return lambda m: is_chosen(m.entry.uid)


_RELATIONS: dict[str, Callable[[int, int], bool]] = {
    "before": lambda day, asked: day < asked,
    "on": lambda day, asked: day == asked,
    "since": lambda day, asked: day >= asked,
}


def _dated(key: commands.Dated, asked: Asked) -> Predicate:
    """RFC 9051 6.4.4: days are compared "disregarding time and timezone", as they were written."""
    relation, day = _RELATIONS[key.relation], date(*key.day).toordinal()
    day_of = DAYS[key.by]

    def predicate(message: Candidate) -> bool:
        its = day_of(message)
        return its is not None and relation(its, day)

    return predicate


def _within(key: commands.Within, asked: Asked) -> Predicate:
    """RFC 5032 2: to the second, and both include the moment itself."""
    target = asked.now // SECOND - key.seconds
    if key.relation == "older":
        return lambda m: m.row[2] // SECOND <= target
    return lambda m: m.row[2] // SECOND >= target


def _changed(key: commands.Changed, asked: Asked) -> Predicate:
    return lambda m: m.entry.modseq >= key.modseq


def _object(key: commands.HasObject, asked: Asked) -> Predicate:
    which = 0 if key.kind == "EMAILID" else 1
    return lambda m: m.object_ids[which] == key.id


def _larger(key: commands.Larger, asked: Asked) -> Predicate:
    return lambda m: m.row[1] > key.size


def _smaller(key: commands.Smaller, asked: Asked) -> Predicate:
    return lambda m: m.row[1] < key.size


def _envelope(key: commands.InEnvelope, asked: Asked) -> Predicate:
    field, name, fold = SUMMARY_FIELDS[key.field], key.field, asked.comparator.fold
    needle = fold(key.text)

    def predicate(message: Candidate) -> bool:
        summary = message.summary
        return needle in fold(field(summary)) or (summary.clipped and _in_header(message, name, needle))

    return predicate


def _header(key: commands.InHeader, asked: Asked) -> Predicate:
    name, needle = key.field, asked.comparator.fold(key.text)
    return lambda m: _in_header(m, name, needle)


def _in_header(message: Candidate, name: str, needle: str) -> bool:
    return any(needle in value for value in message.values(name.lower().encode("latin-1", "replace")))


def _body(key: commands.InBody, asked: Asked) -> Predicate:
    needle = asked.comparator.fold(key.text)
    asked.needles[False].add(needle)
    return lambda m: not needle or m.holds(needle, headers=False)


def _text(key: commands.InText, asked: Asked) -> Predicate:
    needle = asked.comparator.fold(key.text)
    asked.needles[True].add(needle)
    return lambda m: not needle or needle in m.header_text or m.holds(needle, headers=True)


_COMPILERS: dict[type, Callable[..., Predicate]] = {
    commands.And: _and,
    commands.Or: _or,
    commands.Not: _not,
    commands.Fuzzy: _fuzzy,
    commands.HasFlag: _flag,
    commands.HasKeyword: _keyword,
    commands.IsRecent: _recent,
    commands.Sequence: _numbers,
    commands.Uids: _uids,
    commands.Dated: _dated,
    commands.Larger: _larger,
    commands.Smaller: _smaller,
    commands.InEnvelope: _envelope,
    commands.InHeader: _header,
    commands.InBody: _body,
    commands.InText: _text,
    commands.Changed: _changed,
    commands.Within: _within,
    commands.HasObject: _object,
}

# Messages that one piece of a search looks at, by what its keys cost: a few milliseconds each.  Rows are read for all
# of them at once, and once more for those that it does not come to.
PIECE_MESSAGES = {_CHEAP: 20_000, _ROW: 1_000, _SUMMARIZED: 1_000, _HEADER: 200, _BODY: 200}
