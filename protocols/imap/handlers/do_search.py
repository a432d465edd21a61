"""Finding messages: SEARCH, SORT, THREAD and UIDBATCHES in the selected folder, ESEARCH in any."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from core.errors import NoSuchFolder, Refusal
from core.loading import load
from core.model import Folder, UIDRanges, common, each, merged, ranges, without
from core.ports import ReadTx
from core.view import FolderView
from protocols.imap import commands, limits
from protocols.imap.finding import sorting
from protocols.imap.finding.comparing import FEW_FOUND, NO_SCORES, RELEVANCY, computed, ordered, threaded
from protocols.imap.finding.contexts import Context
from protocols.imap.finding.fuzzy import count_words, scaled
from protocols.imap.finding.relevancy import texts_of
from protocols.imap.finding.searchfilters import filled_in
from protocols.imap.finding.searching import Matched, Search, asks_modseq, frozen, names_numbers, numbers_in
from protocols.imap.handlers.chosen import EVERYTHING, here, snapshot_of
from protocols.imap.handlers.do_messages import tell_messages
from protocols.imap.handlers.progress import Progress
from protocols.imap.naming.filters import chosen_folders, is_selected
from protocols.imap.naming.homes import Home
from protocols.imap.reading.fetching import Snapshot
from protocols.imap.saying import responses
from protocols.imap.saying.refusals import Rejected, bad, uid_required
from protocols.imap.selected import Selected
from protocols.imap.work import Asking, Steps

if TYPE_CHECKING:
    from protocols.imap.session import Session

NOT_NOW = "The search result cannot be kept up to date at the moment"
SCORED = "What is sorted by relevancy cannot be kept up to date"
ONLY_HERE = "Only results in the selected folder are kept up to date"

Finding = commands.Search | commands.Sort | commands.Thread | commands.Esearch
F = TypeVar("F", commands.Search, commands.Sort, commands.Thread, commands.Esearch)
Reporting = commands.Search | commands.Sort | commands.Esearch


def do_search(session: Session, command: commands.Search) -> Steps:
    """RFC 9051 6.4.4, with RETURN (RFC 4731) and its SAVE (RFC 5182)."""
    selected, home = here(session)
    command = yield from _filled_in(session, command)
    _check(session, command)
    snapshot = snapshot_of(session, selected)
    with _saving(selected, command):
        found = yield from _found(session, command, home, snapshot, Progress(session, command.tag, len(snapshot.view)))
    uids = found.uids
    returns = command.returns
    if (context := (yield from _context(session, command, uids))) is not None:
        session.outgoing += selected.contexts.open(context)
    if returns is None and session.is_rev2:
        returns = frozenset(("ALL",))  # RFC 9051 has no other answer
    if returns is None:
        answer = partial(_listed, responses.search, snapshot.view, command, uids)
        session.send((yield from computed(answer, len(uids))))
    else:
        scores = yield from _relevancy(command, found)
        yield from _report(session, command, uids, returns, scores=scores)
    return _completed(command)


def do_sort(session: Session, command: commands.Sort) -> Steps:
    """RFC 5256 3, with RETURN (RFC 5267 3)."""
    selected, home = here(session)
    command = yield from _filled_in(session, command)
    _check(session, command)
    snapshot = snapshot_of(session, selected)
    progress = Progress(session, command.tag, 2 * len(snapshot.view))  # each message is looked for, and then compared
    with _saving(selected, command):
        found = yield from _found(session, command, home, snapshot, progress)
        scores = yield from _relevancy(command, found)
        comparator, reached = session.comparator, progress.reached
        order = yield from ordered(session, home, snapshot, command.keys, found.uids, comparator, reached, scores)
    if _wants_updates(command) and any(key.name == RELEVANCY for key in command.keys):
        session.send(responses.no_update(command.tag, SCORED, session.language))
    elif (context := (yield from _context(session, command, sorted(order)))) is not None:
        session.outgoing += selected.contexts.open(replace(context, keys=command.keys, order=order))
    if command.returns is None:
        answer = partial(_listed, responses.sort, snapshot.view, command, order)
        session.send((yield from computed(answer, len(order))))
    else:
        yield from _report(session, command, list(order), command.returns, scores=scores)
    return _completed(command)


def _listed(
    respond: Callable[[Sequence[int], int | None], bytes], view: FolderView, command: Reporting, uids: Sequence[int]
) -> bytes:
    return respond(_numbers(view, command, uids), _modseq(view, command, uids))


def do_thread(session: Session, command: commands.Thread) -> Steps:
    """RFC 5256 3."""
    selected, home = here(session)
    command = yield from _filled_in(session, command)
    _check(session, command)
    snapshot = snapshot_of(session, selected)
    progress = Progress(session, command.tag, 2 * len(snapshot.view))
    uids = (yield from _found(session, command, home, snapshot, progress)).uids
    label = partial(_numbers, snapshot.view, command)
    yield from threaded(session, home, snapshot, command.algorithm, uids, label, progress)
    return _completed(command)


def _completed(command: Finding) -> str:
    return f"{'UID ' if command.uid else ''}{command.name} completed"


def _numbers(view: FolderView, command: Finding, uids: Sequence[int]) -> Sequence[int]:
    return uids if command.uid else view.numbers(uids)


# ---------------------------------------------------------------------------------------------- the search itself


class Found(Struct, frozen=True):
    """The UIDs of the messages that match, in their order, and if FUZZY was among the keys how well each does."""

    uids: list[int]
    scores: list[float]


def _found(session: Session, command: Finding, home: Home, snapshot: Snapshot, progress: Progress) -> Asking[Found]:
    """The messages of a folder that match."""
    now, view = session.services.clock.now(), snapshot.view
    saved = session.selected.saved if session.selected is not None else ()
    search = Search(snapshot, command.criteria, saved, now=now, comparator=session.comparator)
    found = Found([], [])
    for uids in view.slices(EVERYTHING, search.piece_messages):
        while uids:
            piece: Matched = yield search.piece(home, uids)
            found.uids.extend(piece.uids)
            found.scores.extend(piece.scores)
            progress.reached(view.number(piece.last_uid))
            uids = tuple((max(low, piece.last_uid + 1), high) for low, high in uids if high > piece.last_uid)
    return found


def _wants_relevancy(command: Finding) -> bool:
    keys = command.keys if isinstance(command, commands.Sort) else ()
    return RELEVANCY in (getattr(command, "returns", None) or ()) or any(key.name == RELEVANCY for key in keys)


def _relevancy(command: Finding, found: Found) -> Asking[Mapping[int, int]]:
    """The relevancy of each message that was found, by UID, if anybody asks for it."""
    if not _wants_relevancy(command):
        return NO_SCORES
    uids, scores = found.uids, found.scores
    return (yield from computed(lambda: dict(zip(uids, scaled(scores), strict=True)), len(uids)))


def _filled_in(session: Session, command: F) -> Asking[F]:
    """The command, with what its filters say at this moment in their place (RFC 5466 3.1)."""
    with _saving(session.selected, command):
        criteria = yield from filled_in(session, command.criteria)
        if count_words(texts_of(criteria), limits.FUZZY_WORDS) > limits.FUZZY_WORDS:
            raise Rejected("Too many words to search for fuzzily", code=responses.LIMIT)
    return command if criteria is command.criteria else replace(command, criteria=criteria)


@contextmanager
def _saving(selected: Selected | None, command: Finding) -> Iterator[None]:
    """RFC 5182 2.1: a SEARCH that fails leaves nothing saved."""
    try:
        yield
    except BaseException:
        if selected is not None and "SAVE" in (getattr(command, "returns", None) or ()):
            selected.saved = ()
        raise


def _check(session: Session, command: Finding) -> None:
    selected, _ = here(session)
    _check_tag(selected, command)
    _check_keys(session, command)
    count = len(selected.view)
    for numbers in numbers_in(command.criteria):
        resolved = numbers.resolve(count)
        # RFC 9051 9: message numbers that do not exist are an error in SEARCH too.
        if not numbers.saved and count and resolved and resolved[-1][1] > count:
            raise bad("There is no message of that number")


def _check_keys(session: Session, command: Finding) -> None:
    """What holds of the keys wherever they are looked for."""
    is_announced = isinstance(command, commands.Sort | commands.Thread)  # RFC 5256 wants a charset
    if command.charset is not None and not is_announced and "UTF8=ACCEPT" in session.enabled:
        raise bad("After ENABLE UTF8=ACCEPT all texts are UTF-8")  # RFC 6855 3
    # RFC 6203 4, 6: MUST NOT be used unless FUZZY is.  What a filter says counts too, so that no grammar can tell.
    if _wants_relevancy(command) and not commands.is_fuzzy(command.criteria):
        raise bad("RELEVANCY needs FUZZY")
    if asks_modseq(command.criteria):
        session.enable("CONDSTORE")
    if "UIDONLY" in session.enabled and names_numbers(command.criteria):
        raise uid_required()


# ---------------------------------------------------------------------------------------------- contexts


def _wants_updates(command: Finding) -> bool:
    return "UPDATE" in (getattr(command, "returns", None) or ())


def _check_tag(selected: Selected | None, command: Finding) -> None:
    """RFC 5267 4.3: the tag is what the results that are kept up to date are known by."""
    if not _wants_updates(command):
        return
    if selected is None:
        raise bad("Select a folder first")  # RFC 7377 2.2
    if command.tag in selected.contexts:
        raise bad("That tag is in use")


def _context(
    session: Session,
    command: Reporting,
    uids: list[int],
    folder: tuple[str, int] | None = None,
) -> Asking[Context | None]:
    """What was found in the selected folder, if it shall be kept up to date; before anything else becomes of "$"."""
    if not _wants_updates(command):
        return None
    selected, _ = here(session)
    key = frozen(command.criteria, selected.view, selected.saved)
    told = () if isinstance(command, commands.Sort) else command.told
    members = yield from computed(partial(ranges, uids), len(uids))
    return Context(command.tag, command.uid, key, members, session.comparator, folder, told)


def do_cancel_update(session: Session, command: commands.CancelUpdate) -> str:
    """RFC 5267 4.3.5."""
    selected, _ = here(session)
    if any(tag not in selected.contexts for tag in command.tags):
        raise Rejected("No search result is kept up to date under that tag")
    for tag in dict.fromkeys(command.tags):
        selected.contexts.close(tag)
    return "CANCELUPDATE completed"


def catching_up(session: Session) -> Steps:
    """Looks at some of the messages that each context is behind with, and tells what that has changed."""
    for context in here(session)[0].contexts.behind():
        yield from _caught_up(session, context)
    return ""


def _caught_up(session: Session, context: Context) -> Asking[None]:
    selected, home = here(session)
    now, snapshot = session.services.clock.now(), snapshot_of(session, selected)
    search = Search(snapshot, context.key, (), now=now, comparator=context.comparator)
    waiting = selected.view.clip(context.behind)
    uids = next(selected.view.slices(waiting, search.piece_messages), ())
    # Before they are looked at: what becomes of them meanwhile must be looked at again.
    context.behind = without(waiting, uids)
    if not uids:
        return
    try:
        matched: Matched = yield search.piece(home, uids)
    except Refusal:
        session.outgoing += selected.contexts.give_up(context, NOT_NOW)
        return
    looked = tuple((low, min(high, matched.last_uid)) for low, high in uids if low <= matched.last_uid)
    context.behind = merged(context.behind, without(uids, looked))
    alive = selected.alive(looked)
    if context.told and (come := selected.contexts.come(context, alive, ranges(matched.uids))):
        try:
            yield from _tell_come(session, context, come)
        except Refusal:
            session.outgoing += selected.contexts.give_up(context, NOT_NOW)
            return
        alive = selected.alive(looked)
    whole: Sequence[int] = ()
    if context.keys and (new := without(common(alive, ranges(matched.uids)), context.members)):
        together = list(each(merged(context.members, new)))
        try:
            whole = yield from ordered(session, home, snapshot, context.keys, together, context.comparator)
        except Refusal:
            session.outgoing += selected.contexts.give_up(context, NOT_NOW)
            return
        alive = selected.alive(looked)
    session.outgoing += selected.contexts.judge(context, selected.view, alive, ranges(matched.uids), whole)


def _tell_come(session: Session, context: Context, come: UIDRanges) -> Asking[None]:
    """RFC 5465 7: behind EXISTS and before ESEARCH, and together with what NOTIFY asked for (5.2)."""
    selected, _ = here(session)
    asked_twice = common(come, selected.fresh)
    selected.fresh = without(selected.fresh, asked_twice)
    yield from tell_messages(session, without(come, asked_twice), context.told)
    yield from tell_messages(session, asked_twice, tuple(dict.fromkeys((*selected.wants.items, *context.told))))


# ---------------------------------------------------------------------------------------------- ESEARCH


def do_esearch(session: Session, command: commands.Esearch) -> Steps:
    """RFC 7377: one answer for each folder in which there is something, and none for the others."""
    selected = session.selected
    command = yield from _filled_in(session, command)
    _check_esearch(session, command)
    sources = yield from chosen_folders(session, command.sources)
    is_saved = False
    context: Context | None = None
    try:
        for name, placed in sources:
            folder, home = placed.folder, placed.home
            assert folder is not None, "only folders are chosen"
            is_here = is_selected(session, placed)
            if selected is not None and is_here:
                snapshot = snapshot_of(session, selected)
            else:
                other = partial(_snapshot_of_other, home=home, folder=folder, utf8=session.takes_utf8)
                snapshot = yield home.read(other, heavy=folder.n_exists > FEW_FOUND)
            progress = Progress(session, command.tag, len(snapshot.view))
            found = yield from _found(session, command, home, snapshot, progress)
            uids = found.uids
            place = (name, folder.uidvalidity)
            if is_here:
                context = yield from _context(session, command, uids, place)
            if uids:
                scores = yield from _relevancy(command, found)
                yield from _report(session, command, uids, command.returns, Told(snapshot.view, place), scores)
                is_saved = True
    finally:  # RFC 5182 2.1: what fails, or finds nothing, leaves nothing saved
        if selected is not None and "SAVE" in command.returns and not is_saved:
            selected.saved = ()
    if selected is not None and context is not None:
        session.outgoing += selected.contexts.open(context)
    elif _wants_updates(command):
        session.send(responses.no_update(command.tag, ONLY_HERE, session.language))
    return "ESEARCH completed"


def _check_esearch(session: Session, command: commands.Esearch) -> None:
    if session.selected is None and commands.MailboxFilter("selected") in command.sources:
        raise bad("Select a folder first")  # RFC 7377 2.2
    _check_tag(session.selected, command)
    _check_keys(session, command)


def _snapshot_of_other(tx: ReadTx, home: Home, folder: Folder, *, utf8: bool) -> Snapshot:
    """A folder that is not selected here; one that has gone meanwhile is empty."""
    try:
        view = load(tx, home.mailbox_id, folder.folder_id, None if home.by is None else home.by.user)
    except NoSuchFolder:
        view = FolderView.of((), 0, ())
    return Snapshot(home.mailbox_id, folder.folder_id, view, folder.recent_from, utf8)


# ---------------------------------------------------------------------------------------------- what is told of it


class Told(Struct, frozen=True):
    """The folder of which an answer tells, with its name and UIDVALIDITY where they must be said."""

    view: FolderView
    folder: tuple[str, int] | None = None


def _report(
    session: Session,
    command: Reporting,
    uids: list[int],
    returns: frozenset[str],
    told_of: Told | None = None,
    scores: Mapping[int, int] = NO_SCORES,
) -> Asking[None]:
    """ESEARCH (RFC 4731, RFC 5267 3.2); the UIDs are in the order in which they are told, the scores are by UID."""
    selected = session.selected
    if told_of is None:
        told_of = Told(here(session)[0].view)
    report = partial(_reported, command, uids, returns, told_of, scores, utf8=session.takes_utf8)
    line, saved = yield from computed(report, len(uids))
    if saved is not None and selected is not None:
        selected.saved = saved
    if returns != {"SAVE"}:
        session.send(line)


def _reported(
    command: Reporting,
    uids: list[int],
    returns: frozenset[str],
    told_of: Told,
    scores: Mapping[int, int],
    *,
    utf8: bool,
) -> tuple[bytes, UIDRanges | None]:
    """The line, and what SAVE keeps if it was asked for."""
    start, stop = (0, 0) if command.page is None else command.page.of(len(uids))
    numbers = _numbers(told_of.view, command, uids)
    line = responses.esearch(
        command.tag,
        uid=command.uid,
        lowest=numbers[0] if "MIN" in returns and numbers else None,
        highest=numbers[-1] if "MAX" in returns and numbers else None,
        every=sorting.in_order(numbers) if "ALL" in returns else None,
        count=len(numbers) if "COUNT" in returns else None,
        page=None if command.page is None else (command.page.label, sorting.in_order(numbers[start:stop])),
        relevancy=_scored(uids, returns, uids[start:stop], scores) if RELEVANCY in returns else None,
        modseq=_modseq(told_of.view, command, _told(uids, returns, uids[start:stop])),
        folder=told_of.folder,
        utf8=utf8,
    )
    return line, ranges(_saved(uids, returns, uids[start:stop])) if "SAVE" in returns else None


def _told(uids: list[int], returns: frozenset[str], page: list[int]) -> list[int]:
    """The messages of which something is said."""
    return uids if returns & {"ALL", "COUNT"} else [*page, *_ends(uids, returns)]


def _modseq(view: FolderView, command: Reporting, uids: Iterable[int]) -> int | None:
    """RFC 7162 3.1.5, RFC 4731 3.2: the highest MODSEQ of what is told, if MODSEQ was asked for and anything found."""
    if not asks_modseq(command.criteria):
        return None
    told = ranges(sorted(set(uids)))
    return max((entry.modseq for _, entry in view.numbered(told)), default=None)


def _scored(uids: list[int], returns: frozenset[str], page: list[int], scores: Mapping[int, int]) -> list[int]:
    """RFC 6203 4: the scores of what is told, in its order; of everything where no message is told."""
    if "PARTIAL" in returns:
        told = page
    elif "ALL" in returns:
        told = uids
    else:
        told = list(_ends(uids, returns)) or uids
    return [scores[uid] for uid in told]


def _saved(uids: list[int], returns: frozenset[str], page: list[int]) -> list[int]:
    """RFC 5182 2.1, RFC 9394 3.2: with MIN, MAX or PARTIAL, only those are saved."""
    if returns & {"ALL", "COUNT"} or not returns & {"MIN", "MAX", "PARTIAL"}:
        return sorted(uids)
    return sorted({*page, *_ends(uids, returns)})


def _ends(uids: list[int], returns: frozenset[str]) -> Iterator[int]:
    if uids and "MIN" in returns:
        yield uids[0]
    if uids and "MAX" in returns:
        yield uids[-1]


# ---------------------------------------------------------------------------------------------- UIDBATCHES


def do_uid_batches(session: Session, command: commands.UidBatches) -> str:
    """Where the folder falls into batches of so many messages, the newest first."""
    selected, _ = here(session)
    if command.size < limits.SMALLEST_BATCH:
        raise Rejected(f"A batch has at least {limits.SMALLEST_BATCH} messages", code=responses.TOOFEW)
    view = selected.view
    batches = -(-len(view) // command.size)
    wanted = range(command.first, min(command.last or batches, batches) + 1)
    starts = [len(view) - (number - 1) * command.size for number in wanted]
    pairs = [(view.uid(start), view.uid(max(start - command.size + 1, 1))) for start in starts]
    session.send(responses.uid_batches(command.tag, pairs))
    return "UIDBATCHES completed"
