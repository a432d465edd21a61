"""Annotations of folders and of the server: GETMETADATA and SETMETADATA (RFC 5464), and LIST's (RFC 9590)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from core.annotations import ROLE, SERVER, SPECIAL_USE, annotated, covers, may_be_used, read_values
from core.commands import SetAnnotations
from core.model import Folder
from core.ports import ReadTx
from core.recipients import RecipientId
from core.rights import OWNER, Rights, role_in
from protocols.imap import commands
from protocols.imap.commands import Entries
from protocols.imap.finding.searchfilters import check_filters
from protocols.imap.naming.hierarchy import Placed
from protocols.imap.naming.homes import Named, locate
from protocols.imap.saying import responses
from protocols.imap.saying.refusals import Rejected
from protocols.imap.work import Answer, Asking, Compute, Pause, Steps

if TYPE_CHECKING:
    from protocols.imap.services import Account
    from protocols.imap.session import Session

PIECE_OCTETS: Final = 64 * 1024  # of values in one line; other lines follow
FEW_OCTETS: Final = 4 * 1024  # of values, which are looked at on the spot
FEW_ENTRIES: Final = 5  # more are read off the event loop, and whatever is below them

Values = Sequence[tuple[str, bytes | None]]


def do_get_metadata(session: Session, command: commands.GetMetadata) -> Steps:
    """RFC 5464 4.2."""
    account, wanted = session.signed_in, command.wanted
    if command.mailbox:
        named = locate(session, command.mailbox)
        home, is_own = named.home, named.home == account.home
        look = partial(_of_path, named=named, wanted=wanted, user=account.user, is_own=is_own)
    else:
        home, look = account.home, partial(_of_server, account=account, wanted=wanted)
    found: dict[str, bytes] = yield home.read(look, heavy=_is_much(wanted))
    if not command.mailbox:
        found |= session.services.annotations
    longest = yield from _tell(session, command.mailbox, wanted, found)
    return completed("GETMETADATA completed", longest)


def tell_annotations(session: Session, name: str, placed: Placed, wanted: Entries) -> Asking[int]:
    """RFC 9590 3: what GETMETADATA would tell of a folder that is listed; nothing where it would be refused.

    The result is the octets of the largest value that was left out; 0: none was.
    """
    folder, home = placed.folder, placed.home
    if folder is None or not may_be_used(placed.rights):
        return 0
    user, is_own = session.signed_in.user, placed.is_own
    look = partial(_of_folder, folder=folder, mine=placed.rights, wanted=wanted, user=user, is_own=is_own)
    found: dict[str, bytes] = yield home.read(look, heavy=_is_much(wanted))
    return (yield from _tell(session, name, wanted, found))


def completed(text: str, longest: int) -> Answer:
    """RFC 5464 4.2.1."""
    return (text, responses.metadata_long_entries(longest)) if longest else text


def _is_much(wanted: Entries) -> bool:
    return wanted.depth != 0 or len(wanted.names) > FEW_ENTRIES


def _of_path(tx: ReadTx, *, named: Named, wanted: Entries, user: RecipientId, is_own: bool) -> dict[str, bytes]:
    folder, mine = annotated(tx, named.home.mailbox_id, named.path, named.home.by)
    return _of_folder(tx, folder=folder, mine=mine, wanted=wanted, user=user, is_own=is_own)


def _of_folder(
    tx: ReadTx, *, folder: Folder, mine: Rights, wanted: Entries, user: RecipientId, is_own: bool
) -> dict[str, bytes]:
    names = map(str.lower, wanted.names)
    found = read_values(tx, folder.mailbox_id, folder.folder_id, user, names, below=wanted.depth != 0)
    if is_own and folder.special_use is not None:
        found[SPECIAL_USE] = folder.special_use.encode("ascii")
    if mine is not OWNER and (role := role_in(mine)) is not None:  # an owner needs no role
        found[ROLE] = role.encode("ascii")
    return found


def _of_server(tx: ReadTx, *, account: Account, wanted: Entries) -> dict[str, bytes]:
    names = map(str.lower, wanted.names)
    return read_values(tx, account.mailbox_id, SERVER, account.user, names, below=wanted.depth != 0)


def _tell(session: Session, name: str, wanted: Entries, found: Mapping[str, bytes]) -> Asking[int]:
    values, longest = _chosen(wanted, found)
    for count, piece in enumerate(_pieces(values)):
        if count:
            yield Pause(0.0)
        session.send(responses.metadata(name, piece, utf8=session.takes_utf8))
    return longest


def _chosen(wanted: Entries, found: Mapping[str, bytes]) -> tuple[Values, int]:
    """What is told of what was found, by names as the client spells them; and the largest size that was left out.

    RFC 5464 4.2.2: with DEPTH what has no value is passed over; without, that it has none is the answer.
    """
    told: dict[str, tuple[str, bytes | None]] = {}
    ordered = sorted(found.items())
    longest = 0
    for spelt in wanted.names:
        asked = spelt.lower()
        if wanted.depth == 0 and asked not in found:
            told.setdefault(asked, (spelt, None))
        for name, value in ordered:
            if not covers(asked, name, wanted.depth):
                continue
            if wanted.max_size is not None and len(value) > wanted.max_size:
                longest = max(longest, len(value))
            else:
                told.setdefault(name, (spelt + name[len(asked) :], value))
    return list(told.values()), longest


def _pieces(values: Values) -> Iterator[Values]:
    """RFC 5464 4.4: values may come in several responses."""
    piece: list[tuple[str, bytes | None]] = []
    octets = 0
    for entry, value in values:
        piece.append((entry, value))
        octets += len(value or b"")
        if octets > PIECE_OCTETS:
            yield piece
            piece, octets = [], 0
    if piece:
        yield piece


def _check_filters(values: Values) -> Asking[None]:
    """Some thousand search keys take milliseconds to parse."""
    if sum(len(value or b"") for _, value in values) <= FEW_OCTETS:
        check_filters(values)
    else:
        yield Compute(partial(check_filters, values))


def do_set_metadata(session: Session, command: commands.SetMetadata) -> Steps:
    """RFC 5464 4.3."""
    account = session.signed_in
    home, path = account.home, None
    if command.mailbox:
        named = locate(session, command.mailbox)
        home, path = named.home, named.path
    else:
        yield from _check_filters(command.values)
    if home != account.home and any(name == SPECIAL_USE for name, _ in command.values):
        raise Rejected("Special uses are of your own folders", code=responses.USEATTR)
    yield home.write(SetAnnotations(home.mailbox_id, path, account.user, command.values, home.by))
    if session.notifier is not None:
        session.notifier.forgive_annotations(command.mailbox, [name for name, _ in command.values])
    return "SETMETADATA completed"
