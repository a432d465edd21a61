r"""RFC 4314 in sessions: who may do what in whose folders, and that nothing else is to be seen of them."""

import pytest

from core.errors import NoPermission, Unavailable
from core.rights import ANYONE, LETTERS, Grant, mask
from protocols.imap.finding import searching
from protocols.imap.grammar.rights import _KNOWN
from protocols.imap.handlers import do_messages
from protocols.imap.work import Read
from tests.support.imap import MESSAGE, Client, TestServer, account, untagged

U3 = account(3).user


@pytest.fixture
def three(server: TestServer) -> TestServer:
    """As `server`, with a third user."""
    server.add_user(3)
    return server


def give(letters: str, to: int = 2, **more: bool) -> Grant:
    return Grant(account(to).user, mask(letters), **more)


def shared(server: TestServer, letters: str, path: str = "INBOX") -> Client:
    """u2, to whom u1 has given rights in a folder."""
    server.share(path, give(letters))
    return server.client("u2")


# ---------------------------------------------------------------------------------------------- the commands


def test_the_grammar_knows_the_rights_that_the_store_has() -> None:
    assert frozenset(LETTERS) == _KNOWN


def test_a_list_is_made_shown_and_changed(server: TestServer) -> None:
    """RFC 4314 3.1-3.3, 2.1.1: "c" and "d" stand for what RFC 2086 knew."""
    boss = server.client()
    assert untagged(boss.ok("GETACL INBOX")) == [b'* ACL "INBOX" u1 lrswipkxteacd']
    boss.ok("SETACL INBOX u2 lrd")
    assert untagged(boss.ok("GETACL INBOX")) == [b'* ACL "INBOX" u1 lrswipkxteacd u2 lrted']
    boss.ok("SETACL INBOX u2 +w")
    boss.ok("SETACL INBOX u2 -te")
    boss.ok("SETACL INBOX anyone l")
    boss.ok("SETACL INBOX -u2 w")
    assert untagged(boss.ok("GETACL INBOX")) == [b'* ACL "INBOX" u1 lrswipkxteacd anyone l u2 lrw -u2 w']
    boss.ok("DELETEACL INBOX u2")
    boss.ok("DELETEACL INBOX u2")
    assert untagged(boss.ok("GETACL INBOX")) == [b'* ACL "INBOX" u1 lrswipkxteacd anyone l -u2 w']
    boss.ok('SETACL INBOX anyone ""')
    boss.ok("DELETEACL INBOX -u2")
    assert untagged(boss.ok("GETACL INBOX")) == [b'* ACL "INBOX" u1 lrswipkxteacd']


def test_the_owner_may_do_everything_always(server: TestServer) -> None:
    """RFC 4314 2: an implementation may force rights to be always granted."""
    boss = server.client()
    boss.no("SETACL INBOX u1 lr", "CANNOT")
    boss.no("DELETEACL INBOX u1", "CANNOT")
    boss.ok("SETACL INBOX -anyone lrswipkxtea")
    assert untagged(boss.ok("MYRIGHTS INBOX")) == [b'* MYRIGHTS "INBOX" lrswipkxteacd']
    assert untagged(boss.ok("LISTRIGHTS INBOX u1")) == [b'* LISTRIGHTS "INBOX" u1 lrswipkxteacd']
    assert untagged(boss.ok("LISTRIGHTS INBOX u2")) == [b'* LISTRIGHTS "INBOX" u2 "" l r s w i p k x t e a c d']


def test_malformed_rights_and_identifiers_are_bad_and_unknown_people_refused(server: TestServer) -> None:
    """RFC 4314 3, 3.1: an unrecognized right is never ignored."""
    boss = server.client()
    for command in (
        "SETACL INBOX u2 lrQ",
        "SETACL INBOX u2 lrq",
        "SETACL INBOX u2 +0",
        "SETACL INBOX u2 l+r",
        "SETACL INBOX u2",
        'SETACL INBOX "" l',
        "SETACL INBOX - l",
        "DELETEACL INBOX",
        "GETACL",
        "MYRIGHTS INBOX u2",
        "LISTRIGHTS INBOX",
    ):
        boss.bad(command)
    boss.no("SETACL INBOX u9 l", "CANNOT")
    boss.no("LISTRIGHTS INBOX u9", "CANNOT")
    boss.no("SETACL nowhere u2 l", "NONEXISTENT")


def test_rights_are_added_up_and_then_taken_away(three: TestServer) -> None:
    """RFC 4314 2: users, groups and anyone; negative rights count whatever else says so."""
    three.groups = {"u2": (account(700).user,)}
    three.share("INBOX", give("lr"), Grant(account(700).user, mask("swt")), Grant(ANYONE, mask("li")))
    three.share("INBOX", give("t", is_denied=True), Grant(U3, mask("i"), is_denied=True))
    assert untagged(three.client("u2").ok('MYRIGHTS "Other Users/u1/INBOX"')) == [
        b'* MYRIGHTS "Other Users/u1/INBOX" lrswi'
    ]
    assert untagged(three.client("u3").ok('MYRIGHTS "Other Users/u1/INBOX"')) == [
        b'* MYRIGHTS "Other Users/u1/INBOX" l'
    ]


def test_who_administers_a_folder_need_not_own_it(three: TestServer) -> None:
    helper = shared(three, "lra")
    helper.ok('SETACL "Other Users/u1/INBOX" u3 lr')
    assert b"u3 lr" in helper.ok('GETACL "Other Users/u1/INBOX"')
    assert b' "Other Users/u1/INBOX"' in three.client("u3").ok('LIST "" *')
    other = three.client("u3")
    for command in ("GETACL {}", "SETACL {} u3 lra", "DELETEACL {} u2", "LISTRIGHTS {} u3"):
        other.no(command.format('"Other Users/u1/INBOX"'), "NOPERM")


def test_a_new_folder_has_the_list_of_the_one_above(server: TestServer) -> None:
    """RFC 4314 4, T-2.5: inherited when it is made, and not changed with it later."""
    boss = server.client()
    boss.ok("CREATE a")
    boss.ok("SETACL a u2 lrk")
    boss.ok("CREATE a/b/c")
    assert all(b"u2 lrk" in boss.ok(f"GETACL {name}") for name in ("a/b", "a/b/c"))
    boss.ok("SETACL a u2 l")
    assert b"u2 lrk" in boss.ok("GETACL a/b")
    helper = server.client("u2")
    helper.ok('CREATE "Other Users/u1/a/b/d"')
    assert b"u2 lrk" in boss.ok("GETACL a/b/d")
    helper.no('CREATE "Other Users/u1/a/e"', "NOPERM")


def test_a_renamed_folder_keeps_its_list_and_a_deleted_one_leaves_none(server: TestServer) -> None:
    """RFC 4314 4."""
    boss = server.client()
    boss.ok("CREATE a")
    boss.ok("CREATE a/b")
    boss.ok("SETACL a u2 lr")
    boss.ok("RENAME a z")
    assert b"u2 lr" in boss.ok("GETACL z")
    boss.ok("DELETE z")  # stays as a place above z/b
    boss.ok("CREATE z")
    assert b"u2" not in boss.ok("GETACL z")


# ---------------------------------------------------------------------------------------------- what is to be seen


def test_folders_of_others_are_listed_as_far_as_they_may_be_known_of(server: TestServer) -> None:
    """RFC 4314 4: as if the others did not exist; RFC 2342."""
    boss = server.client()
    for name in ("a", "a/b", "c"):
        boss.ok(f"CREATE {name}")
    server.share("a/b", give("l"))
    server.share("c", give("r"))  # without "l" it may be opened by who knows its name
    helper = server.client("u2")
    assert untagged(helper.ok('LIST "" "Other Users/*"')) == [
        b'* LIST (\\Noselect \\HasChildren) "/" "Other Users/u1"',
        b'* LIST (\\Noselect \\HasChildren) "/" "Other Users/u1/a"',
        b'* LIST (\\HasNoChildren) "/" "Other Users/u1/a/b"',
    ]
    assert b'"/" "Other Users"\r\n' in helper.ok('LIST "" %')
    assert b"Other Users" not in boss.ok('LIST "" *')
    helper.ok('SELECT "Other Users/u1/c"')


@pytest.mark.parametrize(
    "command",
    [
        'SELECT "{0}"',
        'EXAMINE "{0}"',
        'STATUS "{0}" (MESSAGES)',
        'DELETE "{0}"',
        'RENAME "{0}" Drafts/x',
        'RENAME Drafts "{0}"',
        'RENAME "{0}" "{0}x"',
        'CREATE "{0}/x"',
        'GETACL "{0}"',
        'SETACL "{0}" u2 lra',
        'DELETEACL "{0}" u2',
        'LISTRIGHTS "{0}" u2',
        'MYRIGHTS "{0}"',
        'APPEND "{0}" {{3+}}\r\nabc',
        'COPY 1 "{0}"',
        'MOVE 1 "{0}"',
        'REPLACE 1 "{0}" {{3+}}\r\nabc',
    ],
)
def test_what_may_not_be_known_of_looks_as_if_it_were_not_there(server: TestServer, command: str) -> None:
    """T-2.1, RFC 4314 6: of a folder, of a mailbox with nothing to be seen in it, of public folders: the same words."""
    server.client().ok("CREATE secret")
    server.make_public("secret")
    server.make_public("open", give("lrswipkxtea"))
    server.client("u2").append("INBOX", MESSAGE)
    answers = set()
    for name in (
        "Other Users/u1/secret",
        "Other Users/u1/nothing",
        "Other Users/u9/secret",
        "Other Users/u2/INBOX",
        "Public Folders/secret",
        "Public Folders/nothing",
    ):
        client = server.client("u2", select="INBOX")
        answer = client.says(command.format(name))
        answers.add(answer.split(b" ", 1)[1].replace(name.encode(), b"NAME"))
        assert b" NO [" in answer
    assert len(answers) == 1, answers


def test_invisible_folders_are_in_no_answer(server: TestServer) -> None:
    """T-2.1."""
    server.make_public("secret")
    server.make_public("open", Grant(ANYONE, mask("l")))
    client = server.client("u2")
    client.ok('SUBSCRIBE "Public Folders/secret"')
    lists = client.ok('LIST "" *') + client.ok('LIST "" "Public Folders/%" RETURN (STATUS (MESSAGES) MYRIGHTS)')
    assert b"secret" not in lists
    assert b'"Public Folders/open"' in lists
    assert b"* STATUS" not in lists  # "r" is wanted for that
    assert b'(\\NonExistent \\Subscribed \\HasNoChildren) "/" "Public Folders/secret"' in client.ok(
        'LIST (SUBSCRIBED) "" *'
    )


def test_lists_tell_of_rights_if_asked(server: TestServer) -> None:
    """RFC 8440 3."""
    server.make_public("a/b", give("lrs"))
    client = server.client("u2")
    answer = client.ok('LIST "" ("INBOX" "Public Folders/*") RETURN (MYRIGHTS)')
    assert untagged(answer) == [
        b'* LIST (\\HasNoChildren) "/" "INBOX"',
        b'* MYRIGHTS "INBOX" lrswipkxteacd',
        b'* LIST (\\Noselect \\NonExistent \\HasChildren) "/" "Public Folders/a"',
        b'* LIST (\\HasNoChildren) "/" "Public Folders/a/b"',
        b'* MYRIGHTS "Public Folders/a/b" lrs',
    ]


def test_special_uses_of_others_are_not_ones_own(server: TestServer) -> None:
    """RFC 6154 2: a client that found two folders for sent mail could use the wrong one."""
    server.share("Sent", give("lr"))
    assert server.client("u2").ok('LIST (SPECIAL-USE) "" *').count(b"\\Sent") == 1
    assert b"\\Sent" not in server.client("u2").ok('LIST "" "Other Users/*"')


# ---------------------------------------------------------------------------------------------- what may be done


def test_each_right_is_for_its_commands(server: TestServer) -> None:
    """RFC 4314 4."""
    server.deliver(MESSAGE)
    server.client().ok("CREATE INBOX/x")
    name = '"Other Users/u1/INBOX"'
    client = shared(server, "l")
    for command in (f"SELECT {name}", f"STATUS {name} (MESSAGES)", f"DELETE {name}", f'RENAME {name} {name[:-1]}/y"'):
        client.no(command, "NOPERM")
    client.no(f"APPEND {name} {{3+}}\r\nabc", "NOPERM")
    client.no(f'CREATE "{name[1:-1]}/z"', "NOPERM")
    server.share("INBOX", give("lk"))
    client.ok(f'CREATE "{name[1:-1]}/z"')
    server.share("INBOX", give("i"))
    client.ok(f"APPEND {name} {{3+}}\r\nabc")
    server.share("INBOX/x", give("lx"))
    client.ok(f'DELETE "{name[1:-1]}/x"')
    server.share("INBOX", give("lrx"))
    client.no(f"DELETE {name}", "CANNOT")
    client.ok(f"SELECT {name}")
    client.no("EXPUNGE", "NOPERM")
    client.no("STORE 1 +FLAGS (\\Seen)", "NOPERM")
    client.no("MOVE 1 INBOX", "NOPERM")
    client.ok("COPY 1 INBOX")


@pytest.mark.parametrize(
    ("letters", "code", "permanent"),
    [
        ("lr", b"READ-ONLY", b"()"),
        ("lrs", b"READ-ONLY", b"(\\Seen)"),
        ("lri", b"READ-WRITE", b"()"),
        ("lre", b"READ-WRITE", b"()"),
        ("lrt", b"READ-WRITE", b"(\\Deleted)"),
        ("lrsw", b"READ-WRITE", b"(\\Seen \\Answered \\Flagged \\Draft $a \\*)"),
        ("lrswt", b"READ-WRITE", b"(\\Seen \\Answered \\Flagged \\Deleted \\Draft $a \\*)"),
    ],
)
def test_select_tells_what_may_be_changed(server: TestServer, letters: str, code: bytes, permanent: bytes) -> None:
    """RFC 4314 5.1.1, 5.2."""
    server.client().append("INBOX", MESSAGE, "($a)")
    answer = shared(server, letters).ok('SELECT "Other Users/u1/INBOX"')
    assert b"[PERMANENTFLAGS %b]" % permanent in answer
    assert b" OK [%b]" % code in answer


def test_flags_that_may_not_be_set_are_passed_over_if_any_may(server: TestServer) -> None:
    """RFC 4314 4, STORE, APPEND and COPY."""
    server.client().append("INBOX", MESSAGE, "(\\Flagged)")
    client = shared(server, "lrti")
    client.ok("ENABLE IMAP4rev2")
    client.ok('SELECT "Other Users/u1/INBOX"')
    assert b"FLAGS (\\Flagged \\Deleted)" in client.ok("STORE 1 +FLAGS (\\Deleted \\Answered $new)")
    client.no("STORE 1 +FLAGS (\\Answered)", "NOPERM")
    client.no("STORE 1 -FLAGS (\\Flagged)", "NOPERM")
    assert b"FLAGS (\\Flagged)" in client.ok("STORE 1 FLAGS ()")  # \Deleted goes, nothing else may
    client.append('"Other Users/u1/INBOX"', MESSAGE, "(\\Seen \\Deleted \\Draft $a)")
    assert b"FLAGS (\\Deleted)" in client.ok("FETCH 2 (FLAGS)")
    client.append("INBOX", MESSAGE, "(\\Seen \\Deleted $a)")
    own = server.client("u2", select="INBOX")
    own.ok('COPY 1 "Other Users/u1/INBOX"')
    client.ok("NOOP")
    assert b"FLAGS (\\Deleted)" in client.ok("FETCH 3 (FLAGS)")


def test_closing_without_the_right_to_expunge_closes(server: TestServer) -> None:
    """RFC 4314 4."""
    server.client().append("INBOX", MESSAGE, "(\\Deleted)")
    client = shared(server, "lrt")
    client.ok('SELECT "Other Users/u1/INBOX"')
    client.ok("CLOSE")
    assert b"MESSAGES 1" in server.client().ok("STATUS INBOX (MESSAGES)")


def test_rights_that_are_gone_hold_no_longer_in_an_open_session(server: TestServer) -> None:
    """RFC 4314 5.1.1: rights are checked with each command, and flags that may be kept no longer are told."""
    server.deliver(MESSAGE)
    client = shared(server, "lrswte")
    client.ok('SELECT "Other Users/u1/INBOX"')
    server.share("INBOX", give("lr"))
    assert b"* OK [PERMANENTFLAGS ()]" in client.turn()
    client.no("STORE 1 +FLAGS (\\Flagged)", "NOPERM")
    assert b"body" in client.ok("FETCH 1 (BODY[])")
    assert b"\\Seen" not in client.ok("FETCH 1 (FLAGS)")


@pytest.mark.parametrize("command", [b"", b"i IDLE\r\n"])
@pytest.mark.parametrize("take", ["SETACL INBOX u2 l", "DELETEACL INBOX u2", "SETACL INBOX -u2 r"])
def test_who_may_read_no_longer_is_out_at_once(server: TestServer, take: str, command: bytes) -> None:
    """RFC 4314 5.1.1: an untagged BYE; nothing more of the folder is told."""
    server.deliver(MESSAGE)
    client = shared(server, "lrs")
    client.ok('SELECT "Other Users/u1/INBOX"')
    client.send(command)
    client.turn()
    server.client().ok(take)
    server.deliver(MESSAGE)
    assert client.turn() == b"* BYE [NOPERM] The selected folder may not be read any more\r\n"
    assert client.session.is_closing


def test_what_is_said_next_comes_behind_the_look_at_rights(server: TestServer) -> None:
    """Also of who has been told unasked of something already, and then takes nothing for a while."""
    server.deliver(MESSAGE)
    client = shared(server, "lrs")
    client.ok("NOTIFY SET (SELECTED (MessageNew MessageExpunge FlagChange)) (PERSONAL (MailboxName))")
    client.ok('SELECT "Other Users/u1/INBOX"')
    client.session._has_caught_up = True
    client.session.wake = lambda: None
    server.share("INBOX", give(""))
    answer = client.says("FETCH 1 BODY.PEEK[]")
    assert answer == b"* BYE [NOPERM] The selected folder may not be read any more\r\n"


@pytest.mark.parametrize("command", ["FETCH 1:* BODY.PEEK[]", "UID SEARCH TEXT body", "FETCH 1:* (UID RFC822.SIZE)"])
def test_a_command_that_goes_on_reads_no_further(
    server: TestServer, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """RFC 4314 5.1.1: however long it takes, and whatever else comes meanwhile."""
    monkeypatch.setattr(do_messages, "PIECE_MESSAGES", 1)
    monkeypatch.setattr(searching, "PIECE_MESSAGES", dict.fromkeys(searching.PIECE_MESSAGES, 1))
    for _ in range(3):
        server.deliver(MESSAGE)
    client = shared(server, "lrs")
    client.ok('SELECT "Other Users/u1/INBOX"')
    work = client.begin(command)
    client.session.finish(client._do(work))
    server.share("INBOX", give(""))
    server.deliver(MESSAGE)
    told = client.turn()
    assert told.count(b"FETCH (") <= 1
    assert b"EXISTS" not in told
    assert b" NO [NONEXISTENT]" in told
    assert told.endswith(b"* BYE [NOPERM] The selected folder may not be read any more\r\n")


def test_rights_that_cannot_be_looked_at_are_not_gone(server: TestServer) -> None:
    server.deliver(MESSAGE)
    client = shared(server, "lr")
    client.ok('SELECT "Other Users/u1/INBOX"')
    server.share("INBOX", give("lrs"))
    assert isinstance(client.session.next_work(), Read)
    client.session.fail(Unavailable("Not mounted"))
    assert client.turn() == b"* BYE [UNAVAILABLE] The selected folder cannot be read at the moment\r\n"


def test_rights_of_somebody_else_that_change_are_nothing_to_a_reader(three: TestServer) -> None:
    client = shared(three, "lrs")
    client.ok('SELECT "Other Users/u1/INBOX"')
    three.share("INBOX", give("lr", to=3))
    three.share("INBOX", give("", to=3))
    assert client.turn() == b""
    client.ok("NOOP")


def test_rights_that_are_taken_away_while_the_folder_is_read_count(server: TestServer) -> None:
    server.deliver(MESSAGE)
    client = shared(server, "lrs")
    client.session.finish(client._do(client.begin('SELECT "Other Users/u1/INBOX"')))
    reading = client.session.next_work()
    assert reading is not None
    server.share("INBOX", give(""))
    assert b"NO [NONEXISTENT]" in client.finish(reading)
    assert server.views.watched == 0


def test_rights_that_come_later_hold_in_an_open_session(server: TestServer) -> None:
    """RFC 4314 5.1.1; of a group that the user has come into, too."""
    server.client().append("INBOX", MESSAGE, "(\\Deleted)")
    client = shared(server, "lrt")
    client.ok('SELECT "Other Users/u1/INBOX"')
    client.no("EXPUNGE", "NOPERM")
    server.share("INBOX", Grant(account(700).user, mask("e")))
    server.groups = {"u2": (account(700).user,)}
    client.ok("EXPUNGE")
    assert b"MESSAGES 0" in server.client().ok("STATUS INBOX (MESSAGES)")


@pytest.mark.parametrize("letters", ["rs", "rsw"])
def test_a_folder_that_may_only_be_opened_by_name_is_used_as_any(server: TestServer, letters: str) -> None:
    server.deliver(MESSAGE)
    client = shared(server, letters)
    client.ok('SELECT "Other Users/u1/INBOX"')
    assert b"ALL 1" in client.ok("ESEARCH IN (selected) RETURN (ALL) ALL")
    assert b"body" in client.ok("FETCH 1 (BODY[])")
    client.ok("STORE 1 -FLAGS (\\Seen)")


def test_uids_are_not_told_to_who_may_not_open_the_folder(server: TestServer) -> None:
    """RFC 9051 6.3.12, RFC 4315 3."""
    client = shared(server, "li")
    name = '"Other Users/u1/INBOX"'
    client.append("INBOX", MESSAGE)
    client.ok("SELECT INBOX")
    told = client.append(name, MESSAGE) + client.ok(f"COPY 1 {name}") + client.ok(f"MOVE 1 {name}")
    assert b"UID" not in told
    assert b"MESSAGES 3" in server.client().ok("STATUS INBOX (MESSAGES)")


def test_moving_needs_the_right_to_read(server: TestServer) -> None:
    """RFC 6851 4.2."""
    server.deliver(MESSAGE)
    client = shared(server, "lrte")
    client.ok('SELECT "Other Users/u1/INBOX"')
    work = client.begin("MOVE 1 INBOX")
    server.share("INBOX", give("lte"))
    with pytest.raises(NoPermission):
        client.finish(work)


def test_a_place_is_made_a_folder_again_with_the_list_of_the_one_above(server: TestServer) -> None:
    boss = server.client()
    boss.ok("CREATE a/b/c")
    for name in ("a", "a/b", "a/b/c"):
        server.share(name, give("lrkx"))
    client = server.client("u2")
    client.ok('DELETE "Other Users/u1/a/b"')
    client.ok('CREATE "Other Users/u1/a/b/d"')
    assert b"u2 lrkx" in boss.ok("GETACL a/b/d")
    client.ok('CREATE "Other Users/u1/a/b"')
    assert b"u2 lrkx" in boss.ok("GETACL a/b")


def test_own_messages_only_outlives_changes_of_the_line(server: TestServer) -> None:
    """T-2.4: taking one right away must not give another."""
    server.make_public("board", give("lrswitep", own_only=True), give("lria", to=1))
    boss = server.client()
    boss.append('"Public Folders/board"', MESSAGE)
    boss.ok('SETACL "Public Folders/board" u2 -p')
    boss.ok('SETACL "Public Folders/board" u2 +k')
    server.client("u2", select='"Public Folders/board"').no("STORE 1 +FLAGS (\\Deleted)", "NOPERM")


def test_inbox_is_inbox_however_it_is_spelt(server: TestServer) -> None:
    """RFC 9051 5.1.1, in another's mailbox too."""
    server.deliver(MESSAGE)
    client = shared(server, "lr")
    client.ok('SELECT "Other Users/u1/inbox"')
    assert b'"Other Users/u1/INBOX"' in client.ok('LIST "" "Other Users/u1/Inbox"')
    assert b"ALL 1" in client.ok('ESEARCH IN (mailboxes "Other Users/u1/inbox") RETURN (ALL) ALL')


def test_an_author_may_delete_his_own_messages_and_no_others(server: TestServer) -> None:
    """T-2.4: the whole STORE is refused, not half of it done."""
    server.make_public("board", give("lrswite", own_only=True), give("lrsiwte", to=1))
    server.client("u1").append('"Public Folders/board"', MESSAGE)
    author = server.client("u2")
    author.append('"Public Folders/board"', MESSAGE)
    author.ok('SELECT "Public Folders/board"')
    author.no("STORE 1:2 +FLAGS (\\Deleted)", "NOPERM")
    assert b"\\Deleted" not in author.ok("FETCH 1:2 (FLAGS)")
    author.no("STORE 1 +FLAGS (\\Flagged)", "NOPERM")
    author.ok("STORE 1 +FLAGS (\\Seen)")
    author.no("MOVE 1 INBOX", "NOPERM")
    author.ok("STORE 2 +FLAGS (\\Deleted \\Flagged)")
    server.client("u1", select='"Public Folders/board"').ok("STORE 1 +FLAGS (\\Deleted)")
    assert untagged(author.ok("EXPUNGE"))[-1] == b"* 2 EXPUNGE"
    assert b"MESSAGES 1" in author.ok('STATUS "Public Folders/board" (MESSAGES)')
    assert untagged(author.ok('MYRIGHTS "Public Folders/board"')) == [b'* MYRIGHTS "Public Folders/board" lrswited']


def test_own_messages_are_told_apart_also_in_slices(server: TestServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """T-2.4: nothing is done of a STORE that goes over more messages than one command of the store takes."""
    monkeypatch.setattr("protocols.imap.handlers.do_messages.ROWS_PER_COMMAND", 2)
    server.make_public("board", give("lrswite", own_only=True), give("lri", to=1))
    author = server.client("u2")
    for _ in range(3):
        author.append('"Public Folders/board"', MESSAGE)
    server.client("u1").append('"Public Folders/board"', MESSAGE)
    author.ok('SELECT "Public Folders/board"')
    author.no("STORE 1:* +FLAGS (\\Deleted)", "NOPERM")
    assert b"\\Deleted" not in author.ok("FETCH 1:* (FLAGS)")


def test_who_is_given_more_by_a_group_is_not_held_to_own_messages(server: TestServer) -> None:
    server.groups = {"u2": (account(700).user,)}
    server.make_public("board", give("lrwte", own_only=True), Grant(account(700).user, mask("lrwt")), give("lri", to=1))
    server.client("u1").append('"Public Folders/board"', MESSAGE)
    author = server.client("u2", select='"Public Folders/board"')
    author.ok("STORE 1 +FLAGS (\\Deleted)")
    assert b"EXPUNGE\r\n" not in author.ok("EXPUNGE").replace(b"OK EXPUNGE", b"")


# ---------------------------------------------------------------------------------------------- full access


def test_with_full_access_one_acts_as_the_owner(server: TestServer) -> None:
    """T-12.7."""
    server.deliver(MESSAGE)
    server.owned_by = {"u2": ("u1",)}
    helper = server.client("u2")
    assert b'(\\HasNoChildren) "/" "Other Users/u1/INBOX"' in helper.ok('LIST "" "Other Users/*"')
    answer = helper.ok('SELECT "Other Users/u1/INBOX"')
    assert b"[READ-WRITE]" in answer
    helper.ok("STORE 1 +FLAGS (\\Seen)")
    assert b"UNSEEN 0" in server.client().ok("STATUS INBOX (UNSEEN)")
    helper.ok('CREATE "Other Users/u1/new"')
    helper.ok('SETACL "Other Users/u1/new" u2 l')
    assert untagged(helper.ok('MYRIGHTS "Other Users/u1/new"')) == [b'* MYRIGHTS "Other Users/u1/new" lrswipkxteacd']
    helper.ok('RENAME "Other Users/u1/new" "Other Users/u1/newer"')
    helper.ok('DELETE "Other Users/u1/newer"')


def test_public_folders_are_made_below_those_that_one_may_make_them_in(server: TestServer) -> None:
    server.make_public("a", give("lrk"))
    client = server.client("u2")
    client.ok('CREATE "Public Folders/a/b"')
    client.no('CREATE "Public Folders/c"', "NONEXISTENT")
    client.no('CREATE "Public Folders/a/c" (USE (\\Sent))', "USEATTR")
