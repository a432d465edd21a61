"""The folder tree."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.imap.handlers import do_folders
from protocols.imap.naming.patterns import matcher
from protocols.imap.work import Compute, Read, Work
from tests.support.imap import Client, TestServer


def listed(client: Client, command: str) -> list[bytes]:
    """The lines of LIST without what is the same in each."""
    return [line.removeprefix(b"* LIST ").replace(b' "/" ', b" ") for line in client.fetched(command)]


def test_list_tells_special_uses_and_children(server: TestServer) -> None:
    """RFC 6154, RFC 3348."""
    client = server.client()
    client.ok("CREATE Sent/2024")
    assert listed(client, 'LIST "" *') == [
        b'(\\HasNoChildren) "INBOX"',
        b'(\\HasNoChildren \\Drafts) "Drafts"',
        b'(\\HasChildren \\Sent) "Sent"',
        b'(\\HasNoChildren) "Sent/2024"',
        b'(\\HasNoChildren \\Trash) "Trash"',
    ]
    assert listed(client, 'LIST (SPECIAL-USE) "" "*"') == [
        b'(\\HasNoChildren \\Drafts) "Drafts"',
        b'(\\HasChildren \\Sent) "Sent"',
        b'(\\HasNoChildren \\Trash) "Trash"',
    ]


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ('"" %', ["INBOX", "Drafts", "Sent", "Trash", "a"]),
        ('"" a/%', ["a/b"]),
        ('"" a/*', ["a/b", "a/b/c"]),
        ('"" a*', ["a", "a/b", "a/b/c"]),
        ("a/ %", ["a/b"]),
        ('"a/" "b/%"', ["a/b/c"]),
        ('"" inbox', ["INBOX"]),
        ('"" %/%', ["a/b"]),
        ('"" *%', ["INBOX", "Drafts", "Sent", "Trash", "a", "a/b", "a/b/c"]),
        ('"" *b*c', ["a/b/c"]),
        ('"" %r%f%t%', ["Drafts"]),
        ('"" (Sent Drafts a/*)', ["Drafts", "Sent", "a/b", "a/b/c"]),
        ('"" nothing', []),
        ('() "" ""', []),
    ],
)
def test_patterns(server: TestServer, arguments: str, names: list[str]) -> None:
    """RFC 9051 6.3.9."""
    client = server.client()
    client.ok("CREATE a/b/c")
    found = [line.split(b'"')[1].decode() for line in listed(client, f"LIST {arguments}")]
    assert found == names


def test_an_empty_pattern_asks_for_the_separator(server: TestServer) -> None:
    """RFC 9051 6.3.9: the only LIST that names no folder."""
    assert listed(server.client(), 'LIST "" ""') == [b'(\\Noselect) ""']


NAMES = st.text("ab/", min_size=0, max_size=12)


@given(pattern=st.text("ab/%*", max_size=10), name=NAMES)
def test_any_pattern_matches_as_its_definition_says(pattern: str, name: str) -> None:
    def holds(at: int, of: int) -> bool:
        if at == len(pattern):
            return of == len(name)
        if pattern[at] in "*%":
            stop = len(name) if pattern[at] == "*" else (name + "/").find("/", of)
            return any(holds(at + 1, rest) for rest in range(of, stop + 1))
        return of < len(name) and pattern[at] == name[of] and holds(at + 1, of + 1)

    assert matcher("", (pattern,))(name) == holds(0, 0)


def test_a_pattern_with_many_wildcards_costs_no_more_than_its_length() -> None:
    """With a backtracking matcher this would not end."""
    assert not matcher("", ("*a" * 200 + "b",))("a" * 2000)


def test_a_dotless_i_does_not_make_an_inbox() -> None:
    assert not matcher("", ("\u0131nbox",))("INBOX")


def test_subscribed_names_need_not_exist(server: TestServer) -> None:
    """RFC 5258 3.1, 3.4."""
    client = server.client()
    client.ok("SUBSCRIBE gone/far")
    assert listed(client, 'LIST (SUBSCRIBED) "" *')[-1] == b'(\\NonExistent \\Subscribed \\HasNoChildren) "gone/far"'
    assert listed(client, 'LIST "" Sent RETURN (SUBSCRIBED)') == [b'(\\Subscribed \\HasNoChildren \\Sent) "Sent"']
    client.ok("UNSUBSCRIBE gone/far")
    assert len(listed(client, 'LIST (SUBSCRIBED) "" *')) == 4


def test_recursivematch_tells_of_what_is_below_and_not_listed(server: TestServer) -> None:
    """RFC 5258 5, example 9."""
    client = server.client()
    for name in ("INBOX", "Drafts", "Sent", "Trash"):
        client.ok(f"UNSUBSCRIBE {name}")
    for name in ("foo2", "foo2/bar1", "foo2/bar2", "baz2", "baz2/bar2", "baz2/bar22", "baz2/bar222", "eps2"):
        client.ok(f"CREATE {name}")
    client.ok("CREATE eps2/mamba")
    deep = ("foo2/bar1", "foo2/bar2", "baz2/bar2", "baz2/bar22", "baz2/bar222", "eps2/mamba", "qux2/bar2")
    for name in ("eps2", *deep):
        client.ok(f"SUBSCRIBE {name}")
    assert sorted(listed(client, 'LIST (RECURSIVEMATCH SUBSCRIBED) "" "*2"')) == sorted(
        [
            b'(\\HasChildren) "foo2" ("CHILDINFO" ("SUBSCRIBED"))',
            b'(\\Subscribed \\HasNoChildren) "foo2/bar2"',
            b'(\\Subscribed \\HasNoChildren) "baz2/bar2"',
            b'(\\Subscribed \\HasNoChildren) "baz2/bar22"',
            b'(\\Subscribed \\HasNoChildren) "baz2/bar222"',
            b'(\\Subscribed \\HasChildren) "eps2" ("CHILDINFO" ("SUBSCRIBED"))',
            b'(\\NonExistent \\Subscribed \\HasNoChildren) "qux2/bar2"',
        ]
    )
    # Example 8: a parent that does not exist is listed for the sake of what is subscribed below it.
    assert b'(\\NonExistent \\HasNoChildren) "qux2" ("CHILDINFO" ("SUBSCRIBED"))' in listed(
        client, 'LIST (SUBSCRIBED RECURSIVEMATCH) "" %'
    )
    client.bad('LIST (RECURSIVEMATCH) "" %')


def test_a_name_that_is_told_for_those_below_it_has_no_status(server: TestServer) -> None:
    """RFC 5819 3, the second example."""
    client = server.client()
    for name in ("INBOX", "Drafts", "Sent", "Trash"):
        client.ok(f"UNSUBSCRIBE {name}")
    client.ok("CREATE foo/bar")
    client.ok("SUBSCRIBE foo/bar")
    assert client.fetched('LIST (SUBSCRIBED RECURSIVEMATCH) "" % RETURN (STATUS (MESSAGES))') == [
        b'* LIST (\\HasChildren) "/" "foo" ("CHILDINFO" ("SUBSCRIBED"))'
    ]
    client.ok("SUBSCRIBE foo")
    assert client.fetched('LIST (SUBSCRIBED RECURSIVEMATCH) "" % RETURN (STATUS (MESSAGES))')[1:] == [
        b'* STATUS "foo" (MESSAGES 0)'
    ]


def test_status_follows_each_name(server: TestServer) -> None:
    """RFC 5819 2."""
    client = server.client()
    client.append("Sent", b"Subject: x\r\n\r\nxyz")
    client.ok("CREATE place/below")
    client.ok("DELETE place")
    lines = client.fetched('LIST "" * RETURN (STATUS (MESSAGES UNSEEN SIZE DELETED RECENT APPENDLIMIT))')
    assert lines[4:6] == [
        b'* LIST (\\HasNoChildren \\Sent) "/" "Sent"',
        b'* STATUS "Sent" (MESSAGES 1 UNSEEN 1 SIZE 17 DELETED 0 RECENT 1 APPENDLIMIT 10000000)',
    ]
    assert lines[8] == b'* LIST (\\Noselect \\NonExistent \\HasChildren) "/" "place"'
    assert lines[9].startswith(b'* LIST (\\HasNoChildren) "/" "place/below"')


def test_status_of_what_cannot_be_selected_is_refused(server: TestServer) -> None:
    client = server.client()
    client.no("STATUS nowhere (MESSAGES)", "NONEXISTENT")
    assert client.ok("STATUS inbox (UIDNEXT UIDVALIDITY)").startswith(
        b'* STATUS "INBOX" (UIDNEXT 1 UIDVALIDITY 1700000000)\r\n'
    )


def test_many_folders_are_looked_through_elsewhere(server: TestServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(do_folders, "MANY_FOLDERS", 3)
    client = server.client()
    work: Work | None = client.begin('LIST "" *')
    while isinstance(work, Read):
        client.session.finish(client._do(work))
        work = client.session.next_work()
    assert isinstance(work, Compute)
    assert client.finish(work).count(b"* LIST") == 4


def test_a_long_list_is_sent_in_pieces(server: TestServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(do_folders, "PIECE_NAMES", 3)
    client = server.client()
    assert client.ok('LIST "" *').count(b"* LIST") == 4
    assert client.paused == [0.0]


def test_lsub_tells_of_what_is_above_a_subscribed_name(server: TestServer) -> None:
    r"""RFC 3501 6.3.9: "%" and \Noselect."""
    client = server.client()
    for name in ("INBOX", "Drafts", "Sent", "Trash"):
        client.ok(f"UNSUBSCRIBE {name}")
    client.ok("SUBSCRIBE a/b/c")
    client.ok("SUBSCRIBE Sent")
    assert client.fetched('LSUB "" %') == [b'* LSUB () "/" "Sent"', b'* LSUB (\\Noselect) "/" "a"']
    assert client.fetched('LSUB "" *') == [b'* LSUB () "/" "Sent"', b'* LSUB (\\Noselect) "/" "a/b/c"']
    client.ok("SUBSCRIBE a")
    client.ok("CREATE a")
    assert client.fetched('LSUB "" %') == [b'* LSUB () "/" "Sent"', b'* LSUB () "/" "a"']


def test_create_and_its_refusals(server: TestServer) -> None:
    """RFC 9051 6.3.4; RFC 5530."""
    client = server.client()
    client.ok("CREATE new/")
    client.no("CREATE new", "ALREADYEXISTS")
    client.no("CREATE INBOX", "ALREADYEXISTS")
    client.no('CREATE ""', "CANNOT")
    client.no("CREATE a//b", "CANNOT")


def test_a_folder_is_created_for_a_use(server: TestServer) -> None:
    """RFC 6154 3."""
    client = server.client()
    client.ok("CREATE old/mail (USE (\\archive))")
    client.ok("CREATE spam (USE (\\Junk))")
    client.ok("CREATE plain (USE ())")
    assert listed(client, 'LIST (SPECIAL-USE) "" "*"') == [
        b'(\\HasNoChildren \\Drafts) "Drafts"',
        b'(\\HasNoChildren \\Sent) "Sent"',
        b'(\\HasNoChildren \\Trash) "Trash"',
        b'(\\HasNoChildren \\Archive) "old/mail"',
        b'(\\HasNoChildren \\Junk) "spam"',
    ]


@pytest.mark.parametrize("use", ["\\Sent", "\\All", "\\Flagged", "\\Important", "\\Junk \\Archive"])
def test_a_use_that_cannot_be_given_makes_no_folder(server: TestServer, use: str) -> None:
    """RFC 6154 3: taken, a view, unknown, or more than one."""
    client = server.client()
    client.no(f"CREATE a/b (USE ({use}))", "USEATTR")
    assert client.fetched('LIST "" a*') == []


def test_a_use_is_free_again_once_its_folder_is_gone(server: TestServer) -> None:
    client = server.client()
    client.no("CREATE Outgoing (USE (\\Sent))", "USEATTR")
    client.ok("RENAME Sent Done")
    client.no("CREATE Sent (USE (\\Sent))", "USEATTR")
    client.ok("DELETE Done")
    client.ok("CREATE Outgoing (USE (\\Sent))")


def test_delete_and_its_refusals(server: TestServer) -> None:
    """RFC 9051 6.3.5."""
    client = server.client()
    client.ok("CREATE a/b")
    client.no("DELETE INBOX", "CANNOT")
    client.no("DELETE nowhere", "NONEXISTENT")
    client.ok("DELETE a")
    assert listed(client, 'LIST "" a*') == [b'(\\Noselect \\HasChildren) "a"', b'(\\HasNoChildren) "a/b"']
    client.no("DELETE a", "CANNOT")
    client.no("SELECT a", "NONEXISTENT")
    client.ok("ENABLE IMAP4rev2")
    assert listed(client, 'LIST "" a') == [b'(\\Noselect \\NonExistent \\HasChildren) "a"']


def test_who_is_in_a_folder_that_is_deleted_is_sent_away(server: TestServer) -> None:
    """RFC 2180 3.3."""
    server.client().ok("CREATE a")
    client, other, idler = server.client(select="a"), server.client(select="a"), server.client(select="a")
    idler.says("IDLE")
    assert client.ok("DELETE a").startswith(b"a3 OK DELETE completed\r\n* BYE [UNAVAILABLE]")
    assert client.session.is_closing
    assert idler.heard().startswith(b"* BYE [UNAVAILABLE]")
    assert other.heard() == b""
    assert other.says("NOOP").startswith(b"a3 OK Completed\r\n* BYE")


def test_rename_keeps_the_messages_and_whoever_is_inside(server: TestServer) -> None:
    """RFC 9051 6.3.6."""
    client = server.client()
    client.ok("CREATE a/b")
    client.append("a/b", b"x")
    inside = server.client(select="a/b")
    client.ok("RENAME a c/d/")
    assert listed(client, 'LIST "" c*')[-1] == b'(\\HasNoChildren) "c/d/b"'
    assert b"FETCH" in inside.ok("FETCH 1 FLAGS")
    client.no("RENAME nowhere x", "NONEXISTENT")
    client.no("RENAME c Sent", "ALREADYEXISTS")
    client.no("RENAME c c/e", "CANNOT")


def test_renaming_inbox_leaves_it_empty(server: TestServer) -> None:
    """RFC 9051 6.3.6."""
    client = server.client()
    client.append("INBOX", b"x")
    client.ok("RENAME INBOX old")
    assert b"(MESSAGES 1)" in client.ok("STATUS old (MESSAGES)")
    assert b"(MESSAGES 0)" in client.ok("STATUS INBOX (MESSAGES)")


def test_names_are_dressed_for_the_session(server: TestServer) -> None:
    """RFC 3501 5.1.3, RFC 9051 5.1."""
    client = server.client()
    client.ok("CREATE &AOk-t&AOk-")
    assert listed(client, 'LIST "" *t&AOk-') == [b'(\\HasNoChildren) "&AOk-t&AOk-"']
    client.ok("ENABLE IMAP4rev2")
    assert listed(client, 'LIST "" "*té"') == ['(\\HasNoChildren) "été"'.encode()]
    answer = client.ok('CREATE "e\u0301te\u0301s"')
    assert answer.startswith('* LIST () "/" "étés" ("OLDNAME" ("e\u0301te\u0301s"))\r\n'.encode())


def test_a_name_is_found_however_it_is_composed(server: TestServer) -> None:
    client = server.client()
    client.ok("ENABLE IMAP4rev2")
    client.ok('CREATE "été"')
    assert listed(client, 'LIST "" "e\u0301t*"') == ['(\\HasNoChildren) "été"'.encode()]
