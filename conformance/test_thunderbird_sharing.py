"""Thunderbirds of several people in folders that they share: public ones, others' mailboxes, shared mailboxes."""

from collections.abc import Callable

from conformance.support.mail import message
from conformance.support.processes import becomes
from conformance.support.servers import Penfold
from conformance.support.sessions import at_server, deliver
from conformance.support.storecheck import findings
from conformance.thunderbird.mail import ImapAccount

AddAccount = Callable[[str], ImapAccount]
OWN = {"INBOX", "Archive", "Drafts", "Junk", "Sent", "Trash"}


def foreign(account: ImapAccount) -> Callable[[], set[str]]:
    """What the folder pane shows beside one's own folders."""
    return lambda: set(account.pane()) - OWN


def unseen(penfold: Penfold, user: str, folder: str) -> str:
    """What STATUS answers."""
    with penfold.client(user) as client:
        (answer,) = client.ok(f'STATUS "{folder}" (MESSAGES UNSEEN)').untagged
    return answer.decode().partition(" (")[2].rstrip(")")


def post(penfold: Penfold, user: str, folder: str, *subjects: str) -> None:
    with penfold.client(user) as client:
        for subject in subjects:
            answer = client.append(f'"{folder}"', message(subject, body=f"words of {subject}"))
            assert answer.status == b"OK", answer


def test_the_subscribe_dialog_shows_the_public_folders_that_one_may_look_up(
    add_account: AddAccount, penfold: Penfold
) -> None:
    """T-2.1: u1 may, and u2 may not; for u2 the folder is not there, by any command."""
    for path in ("Sales/Orders", "Sales/Größen", "Notices"):
        penfold.administer("public-folder", "create", path)
    penfold.administer("public-folder", "permission", "add", "Sales", "u1", "--role", "Editor", "--recursive")
    penfold.administer("public-folder", "permission", "add", "Notices", "anyone", "--role", "Reviewer")
    sizes = "Public Folders/Sales/Größen"
    post(penfold, "u1", "Public Folders/Sales/Gr&APYA3w-en", "post")
    u1, u2 = add_account("u1"), add_account("u2")
    assert (foreign(u1)(), foreign(u2)()) == (set(), set()), "nobody has subscribed to anything else"

    notices = dict.fromkeys(OWN, True) | {"Public Folders": None, "Public Folders/Notices": False}
    sales = dict.fromkeys(("Public Folders/Sales", "Public Folders/Sales/Orders", sizes), False)
    # One at a time: of several Thunderbird says SUBSCRIBE for the first only, and forgets the others.
    with u1.subscribing() as dialog:
        assert dialog.rows() == notices | sales
        dialog.tick(sizes)
    with u2.subscribing() as dialog:
        assert dialog.rows() == notices
        dialog.tick("Public Folders/Notices")
    becomes(foreign(u1), {"Public Folders", "Public Folders/Sales", sizes})
    becomes(foreign(u2), {"Public Folders", "Public Folders/Notices"})

    u1.open(sizes)
    u1.wait_for_message(sizes, "post")
    assert u1.read(sizes, "post").text == "words of post\n"
    with u1.subscribing() as dialog:
        assert dialog.rows() == notices | sales | {sizes: True}
        dialog.tick(sizes)
    becomes(foreign(u1), set())
    with penfold.client("u2") as client:
        for path in ("Sales", "Sales/Orders", "Nothing"):
            answer = client.command(f'SELECT "Public Folders/{path}"')
            assert answer.tagged == b"NO [NONEXISTENT] There is no such folder"


def test_what_one_reads_is_unread_for_the_other(add_account: AddAccount, penfold: Penfold) -> None:
    r"""T-2.2: \Seen is each reader's own, and nobody hears of another's; \Flagged and tags are the folder's."""
    board = "Public Folders/Board"
    penfold.administer("public-folder", "create", "Board")
    for user, role in (("u3", "Editor"), ("u4", "Reviewer")):
        penfold.administer("public-folder", "permission", "add", "Board", user, "--role", role)
    post(penfold, "u3", board, "first", "second")
    u3, u4 = add_account("u3"), add_account("u4")
    for account in (u3, u4):
        with account.subscribing() as dialog:
            dialog.tick(board)
        becomes(foreign(account), {"Public Folders", board})
        account.keep_nothing()
        account.open(board)
        account.wait_for_message(board, "second")
        assert account.counts(board) == (2, 2)
        account.wait_for_idle(board)
    heard = told(u4, board)

    u3.open(board)
    u3.read(board, "first")
    becomes(lambda: unseen(penfold, "u3", board), "MESSAGES 2 UNSEEN 1")
    assert unseen(penfold, "u4", board) == "MESSAGES 2 UNSEEN 2"
    assert told(u4, board) == heard
    u3.star(board, "second")
    becomes(lambda: shown(u4, board), {"first": (False, False, frozenset()), "second": (False, True, frozenset())})
    u4.wait_for_idle(board)
    u3.tag(board, "second", tag="Work")
    becomes(lambda: shown(u4, board), {"first": (False, False, frozenset()), "second": (False, True, {"Work"})})
    assert shown(u3, board) == {"first": (True, False, frozenset()), "second": (False, True, {"Work"})}

    u4.open(board)
    u4.read(board, "second")
    becomes(lambda: at_server(penfold, "u4", board), {"first": set(), "second": {r"\Seen", r"\Flagged", "$label2"}})
    assert at_server(penfold, "u3", board) == {"first": {r"\Seen"}, "second": {r"\Flagged", "$label2"}}
    assert (u3.counts(board), u4.counts(board)) == ((2, 1), (2, 1))


def told(account: ImapAccount, folder: str) -> list[str]:
    """What the server has said of a folder unasked, or as data."""
    return [line for line in account.transcript() if line.startswith(f"{folder} S: *")]


def shown(account: ImapAccount, folder: str) -> dict[str, tuple[bool, bool, frozenset[str]]]:
    """Whether the messages are read and starred, and their tags."""
    return {line.subject: (line.read, line.starred, line.tags) for line in account.messages(folder).values()}


def test_who_has_full_access_does_in_a_mailbox_what_its_owner_would(add_account: AddAccount, penfold: Penfold) -> None:
    """T-12.7: reads and files in a colleague's mailbox, who finds it so."""
    inbox, archive = "Other Users/u6/INBOX", "Other Users/u6/Archive"
    penfold.administer("mailbox", "permission", "add", "u6", "--full-access", "u5")
    deliver(penfold.lmtp, "u6@example.com", message("to be filed"), message("to be read"))
    u5 = add_account("u5")
    with u5.subscribing() as dialog:
        assert {f"Other Users/u6/{name}" for name in OWN} <= set(dialog.rows())
        dialog.tick(inbox)
    becomes(foreign(u5), {"Other Users", "Other Users/u6", inbox})
    with u5.subscribing() as dialog:
        dialog.tick(archive)
    becomes(foreign(u5), {"Other Users", "Other Users/u6", inbox, archive})
    u5.open(inbox)
    u5.wait_for_message(inbox, "to be read")
    u5.read(inbox, "to be read")
    u5.move(inbox, "to be filed", to=archive)
    becomes(lambda: at_server(penfold, "u6"), {"to be read": {r"\Seen"}})
    assert at_server(penfold, "u6", "Archive") == {"to be filed": set()}
    u5.open(archive)
    u5.wait_for_message(archive, "to be filed")


def test_a_shared_mailbox_is_worked_through_by_who_has_access(add_account: AddAccount, penfold: Penfold) -> None:
    """T-12.7: mail to its address shows without a poll, and is moved to one's own mailbox, its flags with it."""
    inbox = "Other Users/info/INBOX"
    penfold.administer("mailbox", "add", "info", "--shared")
    penfold.administer("mailbox", "permission", "add", "info", "--full-access", "u7")
    u7, u8 = add_account("u7"), add_account("u8")
    with u8.subscribing() as dialog:
        assert not [path for path in dialog.rows() if path.startswith("Other Users")], "u8 has no access"
    with u7.subscribing() as dialog:
        dialog.tick(inbox)
    becomes(foreign(u7), {"Other Users", "Other Users/info", inbox})
    u7.open(inbox)
    u7.wait_for_idle(inbox)
    deliver(penfold.lmtp, "info@example.com", message("question"))
    u7.wait_for_message(inbox, "question")
    u7.star(inbox, "question")
    becomes(lambda: at_server(penfold, "u7", inbox), {"question": {r"\Flagged"}})
    u7.move(inbox, "question", to="INBOX")
    becomes(lambda: at_server(penfold, "u7"), {"question": {r"\Flagged"}})
    assert at_server(penfold, "u7", inbox) == {}


def test_the_store_is_sound_after_all_that(penfold: Penfold) -> None:
    assert not findings(penfold.directory)
