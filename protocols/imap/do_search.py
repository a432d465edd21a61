"""Finding messages of the selected folder: SEARCH, SORT, THREAD, UIDBATCHES."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from core.model import UIDRanges, ranges
from core.ports import ReadTx
from protocols.imap import commands, conversations, limits, responses, sorting
from protocols.imap.chosen import EVERYTHING, here, snapshot_of
from protocols.imap.progress import Progress
from protocols.imap.refusals import Rejected, bad, uid_required
from protocols.imap.searching import Matched, Search, asks_modseq, names_numbers
from protocols.imap.selected import Selected
from protocols.imap.work import Asking, Compute, Read, Steps

if TYPE_CHECKING:
    from protocols.imap.session import Session

FEW_FOUND = 500  # messages that are sorted on the spot

Finding = commands.Search | commands.Sort | commands.Thread
Gather = Callable[[ReadTx, list[int]], Any]  # what else is read of the messages that a piece of a search has found


def do_search(session: Session, command: commands.Search) -> Steps:
    """RFC 9051 6.4.4, with RETURN (RFC 4731) and its SAVE (RFC 5182)."""
    selected, _ = here(session)
    if command.charset is not None and "UTF8=ACCEPT" in session.enabled:
        raise bad("After ENABLE UTF8=ACCEPT all texts are UTF-8")  # RFC 6855 3
    uids, _ = yield from _found(session, command)
    returns = command.returns
    if returns is None and session.is_rev2:
        returns = frozenset(("ALL",))  # RFC 9051 has no other answer
    if returns is None:
        session.send(responses.search(_numbers(selected, command, uids), _modseq(selected, command, uids)))
    else:
        _report(session, command, uids, returns)
    return _completed(command)


def do_sort(session: Session, command: commands.Sort) -> Steps:
    """RFC 5256 3, with RETURN (RFC 5267 3)."""
    selected, account = here(session)
    place = (account.mailbox_id, selected.folder_id)
    wanted = sorting.needs(command.keys)

    def gather(tx: ReadTx, uids: list[int]) -> sorting.Columns:
        return sorting.columns(command.keys, sorting.read(tx, place, wanted, uids))

    uids, pieces = yield from _found(session, command, gather)
    arrange = partial(sorting.arranged, command.keys, pieces)
    order: list[int] = arrange() if len(uids) <= FEW_FOUND else (yield Compute(arrange))
    if command.returns is None:
        session.send(responses.sort(_numbers(selected, command, order), _modseq(selected, command, order)))
    else:
        _report(session, command, order, command.returns)
    return _completed(command)


def do_thread(session: Session, command: commands.Thread) -> Steps:
    """RFC 5256 3."""
    selected, account = here(session)
    place = (account.mailbox_id, selected.folder_id)

    def gather(tx: ReadTx, uids: list[int]) -> tuple[list[int], list[conversations.Mail]]:
        rows = list(sorting.read(tx, place, conversations.NEEDS, uids))
        return [row.uid for row in rows], conversations.mails(rows)

    _, pieces = yield from _found(session, command, gather)
    uids = [uid for some, _ in pieces for uid in some]
    mails = [mail for _, some in pieces for mail in some]
    link = partial(conversations.threads, command.algorithm, mails)
    trees: conversations.Threads = link() if len(uids) <= FEW_FOUND else (yield Compute(link))
    answer = conversations.response(trees, _numbers(selected, command, uids))
    while octets := next(answer, b"") if len(uids) <= FEW_FOUND else (yield Compute(partial(next, answer, b""))):
        session.send(octets)
    return _completed(command)


def _completed(command: Finding) -> str:
    return f"{'UID ' if command.uid else ''}{command.name} completed"


def _numbers(selected: Selected, command: Finding, uids: list[int]) -> list[int]:
    return uids if command.uid else [selected.view.number(uid) for uid in uids]


# ---------------------------------------------------------------------------------------------- the search itself


def _found(session: Session, command: Finding, gather: Gather | None = None) -> Asking[tuple[list[int], list[Any]]]:
    """The UIDs of the messages that match, in their order, and what was gathered of them, piece by piece."""
    selected, account = here(session)
    _check(session, command)
    now = session.services.clock.now()
    search = Search(snapshot_of(session, selected, account), command.criteria, selected.saved, now=now)
    most = search.piece_messages if gather is None else min(search.piece_messages, sorting.PIECE_MESSAGES)
    is_heavy = search.is_heavy or (gather is not None and len(selected.view) > FEW_FOUND)
    found: list[int] = []
    gathered: list[Any] = []
    progress = Progress(session, command.tag, len(selected.view))
    try:
        for uids in selected.view.slices(EVERYTHING, most):
            while uids:
                piece, more = yield Read(partial(_look, search=search, gather=gather, uids=uids), heavy=is_heavy)
                found += piece.uids
                gathered.append(more)
                progress.reached(((1, piece.last_uid),))
                uids = tuple((max(low, piece.last_uid + 1), high) for low, high in uids if high > piece.last_uid)
    except BaseException:
        if "SAVE" in (getattr(command, "returns", None) or ()):
            selected.saved = ()  # RFC 5182 2.1: a SEARCH that fails leaves nothing saved
        raise
    return found, gathered


def _look(tx: ReadTx, search: Search, gather: Gather | None, uids: UIDRanges) -> tuple[Matched, Any]:
    matched = search.run(tx, uids)
    return matched, None if gather is None else gather(tx, matched.uids)


def _check(session: Session, command: Finding) -> None:
    selected, _ = here(session)
    if asks_modseq(command.criteria):
        session.enable("CONDSTORE")
    if selected.uid_only and names_numbers(command.criteria):
        raise uid_required()
    _check_numbers(command.criteria, len(selected.view))


def _check_numbers(key: commands.SearchKey, count: int) -> None:
    """RFC 9051 9: message numbers that do not exist are an error in SEARCH too."""
    match key:
        case commands.Sequence(numbers=numbers) if not numbers.saved:
            resolved = numbers.resolve(count)
            if resolved and resolved[-1][1] > count and count:
                raise bad("There is no message of that number")
        case commands.And(keys=keys) | commands.Or(keys=keys):
            for inner in keys:
                _check_numbers(inner, count)
        case commands.Not(key=inner):
            _check_numbers(inner, count)


# ---------------------------------------------------------------------------------------------- what is told of it


def _report(
    session: Session, command: commands.Search | commands.Sort, uids: list[int], returns: frozenset[str]
) -> None:
    """ESEARCH (RFC 4731, RFC 5267 3.2); the UIDs are in the order in which they are told."""
    selected, _ = here(session)
    start, stop = (0, 0) if command.page is None else command.page.of(len(uids))
    if "SAVE" in returns:
        selected.saved = ranges(_saved(uids, returns, uids[start:stop]))
    if returns == {"SAVE"}:
        return
    numbers = _numbers(selected, command, uids)
    told = set(_ends(uids, returns)) | set(uids[start:stop]) | set(uids if returns & {"ALL", "COUNT"} else ())
    session.send(
        responses.esearch(
            command.tag,
            uid=command.uid,
            lowest=numbers[0] if "MIN" in returns and numbers else None,
            highest=numbers[-1] if "MAX" in returns and numbers else None,
            every=sorting.in_order(numbers) if "ALL" in returns else None,
            count=len(numbers) if "COUNT" in returns else None,
            page=None if command.page is None else (command.page.label, sorting.in_order(numbers[start:stop])),
            modseq=_modseq(selected, command, told),
        )
    )


def _modseq(selected: Selected, command: commands.Search | commands.Sort, uids: Iterable[int]) -> int | None:
    """RFC 7162 3.1.5, RFC 4731 3.2: the highest MODSEQ of what is told, if MODSEQ was asked for and anything found."""
    if not asks_modseq(command.criteria):
        return None
    told = ranges(sorted(uids))
    return max((entry.modseq for _, entry in selected.view.numbered(told)), default=None)


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
