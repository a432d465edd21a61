"""Annotations of folders and of the server (RFC 5464), in LIST too (RFC 9590)."""

import pytest

from core import annotations
from core.limits import ANNOTATION_OCTETS
from core.rights import ANYONE, ROLES, Grant, mask
from protocols.imap.handlers import do_metadata
from protocols.imap.work import Read
from tests.support.imap import PUBLIC, Client, TestServer, account


def got(client: Client, command: str) -> list[bytes]:
    """The lines of GETMETADATA without what is the same in each."""
    return [line.removeprefix(b"* METADATA ") for line in client.fetched(f"GETMETADATA {command}")]


@pytest.fixture
def client(server: TestServer) -> Client:
    return server.client()


@pytest.fixture
def filled(client: Client) -> Client:
    """INBOX has filters."""
    client.ok(
        "SETMETADATA INBOX (/private/comment NIL /private/filters/values/small {12+}\r\nSMALLER 5000"
        ' /private/filters/values/boss "FROM \\"boss@example.com\\"" /private/filters/values/boss/since "2020"'
        ' /private/filters/values-old "x")'
    )
    return client


# ---------------------------------------------------------------------------------------------- getting and setting


def test_it_is_announced_after_signing_in(server: TestServer) -> None:
    """METADATA means METADATA-SERVER too: RFC 5464 1."""
    told = server.client().ok("CAPABILITY").split()
    assert {b"METADATA", b"LIST-METADATA"} <= {*told}
    assert b"METADATA" not in server.client(None).ok("CAPABILITY").split()
    server.client(None).bad('GETMETADATA "" /shared/comment')


def test_what_is_set_is_got(client: Client) -> None:
    """RFC 5464 4.2, 4.3."""
    assert client.ok('SETMETADATA INBOX (/private/comment "My own comment" /shared/comment "Shared")') == (
        b"a2 OK SETMETADATA completed\r\n"
    )
    assert got(client, "INBOX /private/comment") == [b'"INBOX" (/private/comment "My own comment")']
    assert got(client, "inbox (/shared/comment /private/comment)") == [
        b'"INBOX" (/shared/comment "Shared" /private/comment "My own comment")'
    ]
    client.ok("SETMETADATA INBOX (/private/comment NIL)")
    assert got(client, "INBOX (/shared/comment /private/comment)") == [
        b'"INBOX" (/shared/comment "Shared" /private/comment NIL)'
    ]
    client.ok("SETMETADATA INBOX (/private/comment NIL)")


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (b'""', b'""'),
        (b'"NIL"', b'"NIL"'),
        (b'"a\\"b\\\\c"', b'"a\\"b\\\\c"'),
        (b"{10+}\r\ntwo\r\nlines", b"{10}\r\ntwo\r\nlines"),
        (b"~{3+}\r\n\0\xff\n", b"~{3}\r\n\0\xff\n"),
        (b"~{4+}\r\ntext", b'"text"'),
        ("{4+}\r\näö".encode(), "{4}\r\näö".encode()),
        (b"{1001+}\r\n" + b"x" * 1001, b"{1001}\r\n" + b"x" * 1001),
    ],
)
def test_values_come_back_octet_by_octet(client: Client, value: bytes, told: bytes) -> None:
    client.ok(b"SETMETADATA INBOX (/private/a %b)" % value)
    assert client.ok("GETMETADATA INBOX /private/a").startswith(b'* METADATA "INBOX" (/private/a %b)\r\n' % told)


def test_who_reads_utf8_gets_it_in_quotes(client: Client) -> None:
    client.ok("ENABLE IMAP4rev2")
    client.ok('CREATE "Entwürfe"'.encode())
    client.ok('SETMETADATA "Entwürfe" (/private/comment "äö")'.encode())
    answer = client.ok('GETMETADATA "Entwürfe" /private/comment'.encode())
    assert answer.startswith('* METADATA "Entwürfe" (/private/comment "äö")\r\n'.encode())


def test_entry_names_have_no_case_and_are_told_as_they_were_asked_for(client: Client) -> None:
    client.ok('SETMETADATA INBOX (/Private/Filters/One "1")')
    assert got(client, "INBOX /private/FILTERS/one") == [b'"INBOX" (/private/FILTERS/one "1")']
    assert got(client, "(DEPTH 1) INBOX /PRIVATE/filters") == [b'"INBOX" (/PRIVATE/filters/one "1")']
    assert got(client, "INBOX (/private/Filters/One /private/filters/one)") == [b'"INBOX" (/private/Filters/One "1")']


def test_a_name_that_is_no_atom_is_told_as_a_string(client: Client) -> None:
    client.ok('SETMETADATA INBOX ("/private/a \\"b\\"" "1")')
    assert got(client, 'INBOX "/private/a \\"b\\""') == [b'"INBOX" ("/private/a \\"b\\"" "1")']


def test_folders_that_are_not_there_have_none(client: Client) -> None:
    client.no("GETMETADATA nowhere /private/comment", "NONEXISTENT")
    client.no('SETMETADATA nowhere (/private/comment "x")', "NONEXISTENT")


def test_the_selected_folder_stays_as_it_was(client: Client) -> None:
    """An annotation is no message: nothing is told but what was asked for."""
    client.ok("SELECT INBOX")
    assert client.ok('SETMETADATA INBOX (/shared/comment "x")').startswith(b"a3 OK")
    assert client.fetched("NOOP") == []


def test_no_changes_of_others_are_told(server: TestServer, client: Client) -> None:
    """RFC 5464 4.1: only to those who have enabled it, and that is not to be had."""
    assert b"METADATA" not in client.ok("ENABLE METADATA METADATA-SERVER")
    client.ok("SELECT INBOX")
    server.client().ok('SETMETADATA INBOX (/shared/comment "x")')
    assert client.fetched("NOOP") == []


# ---------------------------------------------------------------------------------------------- DEPTH and MAXSIZE


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("INBOX (DEPTH 0) /private/filters/values", b'"INBOX" (/private/filters/values NIL)'),
        (
            "INBOX (DEPTH 1) (/private/filters/values)",
            b'"INBOX" (/private/filters/values/boss "FROM \\"boss@example.com\\""'
            b' /private/filters/values/small "SMALLER 5000")',
        ),
        (
            "(DEPTH infinity) INBOX /private/filters/values",
            b'"INBOX" (/private/filters/values/boss "FROM \\"boss@example.com\\""'
            b' /private/filters/values/boss/since "2020" /private/filters/values/small "SMALLER 5000")',
        ),
        (
            "(DEPTH 1) INBOX /private/filters/values/boss",
            b'"INBOX" (/private/filters/values/boss "FROM \\"boss@example.com\\""'
            b' /private/filters/values/boss/since "2020")',
        ),
        (
            "(DEPTH 1) INBOX (/private/filters/values/boss/since /private/filters/values/boss)",
            b'"INBOX" (/private/filters/values/boss/since "2020"'
            b' /private/filters/values/boss "FROM \\"boss@example.com\\"")',
        ),
    ],
)
def test_depth_says_how_far_below(filled: Client, arguments: str, told: bytes) -> None:
    """RFC 5464 4.2.2: what has no value is passed over then."""
    assert got(filled, arguments) == [told]


def test_depth_finds_all_there_is_or_nothing(filled: Client) -> None:
    assert got(filled, "(DEPTH infinity) INBOX (/private /shared)")[0].count(b" /private/") == 3
    assert got(filled, "(DEPTH 1) INBOX (/private /shared)") == []
    assert got(filled, "(DEPTH infinity) Drafts /shared") == []


def test_larger_values_are_left_out_and_the_largest_is_told(filled: Client) -> None:
    """RFC 5464 4.2.1."""
    values = (
        "(/private/filters/values/small /private/filters/values/boss /private/filters/values/boss/since /private/x)"
    )
    answer = filled.ok(f"GETMETADATA (MAXSIZE 12) INBOX {values}")
    assert (
        b'(/private/filters/values/small "SMALLER 5000" /private/filters/values/boss/since "2020" /private/x NIL)'
        in (answer)
    )
    assert b"OK [METADATA LONGENTRIES 23] " in answer
    answer = filled.ok("GETMETADATA (DEPTH infinity MAXSIZE 0) INBOX /private/filters/values")
    assert b"* METADATA" not in answer
    assert b"OK [METADATA LONGENTRIES 23] " in answer
    assert b"LONGENTRIES" not in filled.ok(f"GETMETADATA (MAXSIZE 23) INBOX {values}")


def test_much_is_told_in_several_lines(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 5464 4.4."""
    monkeypatch.setattr(do_metadata, "PIECE_OCTETS", 10)
    client.ok('SETMETADATA INBOX (/private/a "123456" /private/b "123456" /private/c "123456" /private/d NIL)')
    assert got(client, "(DEPTH 1) INBOX /private") == [
        b'"INBOX" (/private/a "123456" /private/b "123456")',
        b'"INBOX" (/private/c "123456")',
    ]
    assert client.paused == [0.0]


def test_little_is_read_at_once_and_much_elsewhere(filled: Client) -> None:
    """RFC 5464 7: what others have stored must not hold up anybody."""
    for arguments, heavy in (
        ("INBOX /private/comment", False),
        ("INBOX (" + " ".join(f"/private/{n}" for n in range(9)) + ")", True),
        ("(DEPTH infinity) INBOX /private", True),
    ):
        work = filled.begin(f"GETMETADATA {arguments}")
        assert isinstance(work, Read)
        assert work.heavy is heavy
        filled.finish(work)


# ---------------------------------------------------------------------------------------------- refusals


def test_a_value_too_large_is_refused_with_the_limit(client: Client) -> None:
    """RFC 5464 4.3, and nothing of that command is set."""
    largest = b"~{%d+}\r\n%b" % (ANNOTATION_OCTETS, bytes(ANNOTATION_OCTETS))
    client.ok(b"SETMETADATA INBOX (/private/a %b)" % largest)
    too_large = b"{%d+}\r\n%b" % (ANNOTATION_OCTETS + 1, b"x" * (ANNOTATION_OCTETS + 1))
    client.no(b'SETMETADATA INBOX (/private/a "x" /private/b "x" /shared/a %b)' % too_large, "METADATA MAXSIZE 32768")
    client.no(b'SETMETADATA INBOX (/private/a "x" /shared/a {70000}', "METADATA MAXSIZE 32768")
    assert client.ok("GETMETADATA INBOX (/private/a)").startswith(b'* METADATA "INBOX" (/private/a ~{32768}\r\n\0\0')
    assert got(client, "INBOX /private/b") == [b'"INBOX" (/private/b NIL)']


def test_too_many_are_refused(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 5464 4.3."""
    monkeypatch.setattr(annotations, "ANNOTATIONS_PER_FOLDER", 2)
    client.ok('SETMETADATA INBOX (/private/a "1" /private/b "2")')
    client.no('SETMETADATA INBOX (/private/a "3" /private/c "3")', "METADATA TOOMANY")
    assert got(client, "(DEPTH 1) INBOX /private") == [b'"INBOX" (/private/a "1" /private/b "2")']


def test_what_the_server_sets_is_read_and_not_set(server: TestServer, client: Client) -> None:
    client.no('SETMETADATA INBOX (/shared/vendor/Penfold/role "x" /private/comment "x")', "CANNOT")
    assert got(client, "INBOX (/private/comment /shared/vendor/penfold/role)") == [
        b'"INBOX" (/private/comment NIL /shared/vendor/penfold/role NIL)'
    ]


# ---------------------------------------------------------------------------------------------- the server


def test_each_user_keeps_notes_on_the_server(server: TestServer, client: Client) -> None:
    """RFC 5464 3.2.1.1, on a name with no folder."""
    client.ok('SETMETADATA "" (/private/vendor/x/y "mine")')
    assert got(client, '"" /private/vendor/x/y') == [b'"" (/private/vendor/x/y "mine")']
    assert got(server.client(), '(DEPTH infinity) "" /private') == [b'"" (/private/vendor/x/y "mine")']
    assert got(server.client("u2"), '"" /private/vendor/x/y') == [b'"" (/private/vendor/x/y NIL)']
    assert got(client, "INBOX /private/vendor/x/y") == [b'"INBOX" (/private/vendor/x/y NIL)']


def test_what_the_administrator_says_of_the_server_is_told_to_all(server: TestServer, client: Client) -> None:
    assert got(client, '"" (/shared/comment /shared/admin)') == [b'"" (/shared/comment NIL /shared/admin NIL)']
    server.annotations = {"/shared/admin": b"mailto:help@example.com", "/shared/comment": b"Closed on Sunday"}
    assert got(client, '"" (/shared/comment /shared/admin)') == [
        b'"" (/shared/comment "Closed on Sunday" /shared/admin "mailto:help@example.com")'
    ]
    assert got(server.client("u2"), '(DEPTH 1) "" /shared') == [
        b'"" (/shared/admin "mailto:help@example.com" /shared/comment "Closed on Sunday")'
    ]
    assert got(client, "(DEPTH 1) INBOX /shared") == []
    for entry in ("/shared/admin", "/shared/comment", "/shared/vendor/x/y"):
        client.no(f'SETMETADATA "" ({entry} "x")', "CANNOT")


# ---------------------------------------------------------------------------------------------- others' folders


def grant(letters: str, trustee: int = 1) -> Grant:
    return Grant(account(trustee).user, mask(letters))


def test_a_shared_folder_has_one_shared_comment_and_a_private_one_for_each(server: TestServer, client: Client) -> None:
    """RFC 5464 3.2."""
    other = server.client("u2")
    other.ok('SETMETADATA Sent (/private/comment "theirs" /shared/comment "theirs")')
    server.share("Sent", grant("lrw"), user=2)
    name = '"Other Users/u2/Sent"'
    assert got(client, f"{name} (/private/comment /shared/comment)") == [
        b'"Other Users/u2/Sent" (/private/comment NIL /shared/comment "theirs")'
    ]
    client.ok(f'SETMETADATA {name} (/private/comment "mine" /shared/comment "ours")')
    assert got(client, f"{name} (/private/comment)") == [b'"Other Users/u2/Sent" (/private/comment "mine")']
    assert got(other, "Sent (/private/comment /shared/comment)") == [
        b'"Sent" (/private/comment "theirs" /shared/comment "ours")'
    ]


def test_rights_decide(server: TestServer, client: Client) -> None:
    """RFC 5464 3.3."""
    name = '"Other Users/u2/Sent"'
    for letters, get, private, shared in (
        ("", "NONEXISTENT", "NONEXISTENT", "NONEXISTENT"),
        ("rw", "NONEXISTENT", "NONEXISTENT", "NONEXISTENT"),
        ("lxa", "NOPERM", "NOPERM", "NOPERM"),
        ("lp", None, None, "NOPERM"),
        ("lrs", None, None, "NOPERM"),
        ("lw", None, None, None),
    ):
        server.share("Sent", grant(letters), user=2)
        for command, code in (
            (f"GETMETADATA {name} (/shared/comment /private/comment)", get),
            (f'SETMETADATA {name} (/private/comment "x")', private),
            (f'SETMETADATA {name} (/shared/comment "x")', shared),
        ):
            if code:
                client.no(command, code)
            else:
                client.ok(command)


def test_public_folders_have_them_too(server: TestServer, client: Client) -> None:
    server.make_public("News", Grant(ANYONE, mask("lrs")), grant("lrsw", 2))
    name = '"Public Folders/News"'
    server.client("u2").ok(f'SETMETADATA {name} (/shared/comment "for all")')
    client.ok(f'SETMETADATA {name} (/private/comment "mine")')
    role = b'/shared/vendor/penfold/role "Reviewer"'
    assert got(client, f"(DEPTH infinity) {name} (/shared /private)") == [
        b'"Public Folders/News" (/shared/comment "for all" %b /private/comment "mine")' % role
    ]
    client.no(f'SETMETADATA {name} (/shared/comment "x")', "NOPERM")
    with server.database.read() as tx:
        assert tx.annotation_usage(PUBLIC, account(1).user)[0] == 1


def test_with_full_access_private_ones_are_still_ones_own(server: TestServer, client: Client) -> None:
    server.owned_by["u1"] = ("u2",)
    server.client("u2").ok('SETMETADATA Sent (/private/comment "theirs")')
    client.ok('SETMETADATA "Other Users/u2/Sent" (/shared/comment "ours")')
    assert got(client, '"Other Users/u2/Sent" (/private/comment /shared/comment)') == [
        b'"Other Users/u2/Sent" (/private/comment NIL /shared/comment "ours")'
    ]


# ---------------------------------------------------------------------------------------------- special use


def test_the_special_use_is_an_annotation(client: Client) -> None:
    """RFC 6154 4."""
    assert got(client, "Drafts /private/specialuse") == [b'"Drafts" (/private/specialuse "\\\\Drafts")']
    assert got(client, "INBOX /private/specialuse") == [b'"INBOX" (/private/specialuse NIL)']
    assert got(client, "(DEPTH 1) Sent /private") == [b'"Sent" (/private/specialuse "\\\\Sent")']


def test_a_folder_can_be_given_a_use_that_is_free(client: Client) -> None:
    """RFC 6154 5.4, but that no other folder loses its own by it."""
    client.ok("CREATE SavedDrafts")
    client.no('SETMETADATA SavedDrafts (/private/specialuse "\\\\Drafts")', "USEATTR")
    client.ok("SETMETADATA Drafts (/private/specialuse NIL)")
    client.ok('SETMETADATA SavedDrafts (/private/specialuse "\\\\Drafts")')
    assert [line.split(b'"')[3] for line in client.fetched('LIST (SPECIAL-USE) "" *')] == [
        b"SavedDrafts",
        b"Sent",
        b"Trash",
    ]
    for value in ('"\\\\All"', '"\\\\Junk \\\\Archive"', '""', '"Junk"'):
        client.no(f'SETMETADATA INBOX (/private/comment "x" /private/specialuse {value})', "USEATTR")
    assert got(client, "INBOX /private/comment") == [b'"INBOX" (/private/comment NIL)']


def test_others_folders_have_no_use_for_oneself(server: TestServer, client: Client) -> None:
    server.owned_by["u1"] = ("u2",)
    name = '"Other Users/u2/Sent"'
    assert got(client, f"{name} /private/specialuse") == [b'"Other Users/u2/Sent" (/private/specialuse NIL)']
    client.no(f"SETMETADATA {name} (/private/specialuse NIL)", "USEATTR")
    assert b'(\\HasNoChildren \\Sent) "/" "Sent"' in server.client("u2").ok('LIST "" *')
    client.ok('SETMETADATA "" (/private/specialuse "x")')


# ---------------------------------------------------------------------------------------------- LIST


def test_list_tells_annotations_behind_each_name(server: TestServer, client: Client) -> None:
    """RFC 9590 3."""
    client.ok('SETMETADATA Sent (/shared/vendor/x/color "#b71c1c" /private/comment "x")')
    client.ok("CREATE gone/below")
    client.ok("DELETE gone")
    client.ok("SUBSCRIBE nowhere")
    assert client.fetched(
        'LIST "" (INBOX Sent gone) RETURN (METADATA ("/shared/vendor/x/color" /private/comment))'
    ) == [
        b'* LIST (\\HasNoChildren) "/" "INBOX"',
        b'* METADATA "INBOX" (/shared/vendor/x/color NIL /private/comment NIL)',
        b'* LIST (\\HasNoChildren \\Sent) "/" "Sent"',
        b'* METADATA "Sent" (/shared/vendor/x/color "#b71c1c" /private/comment "x")',
        b'* LIST (\\Noselect \\NonExistent \\HasChildren) "/" "gone"',
        b'* METADATA "gone" (/shared/vendor/x/color NIL /private/comment NIL)',
    ]
    assert client.fetched('LIST (SUBSCRIBED) "" nowhere RETURN (METADATA /private/comment)') == [
        b'* LIST (\\NonExistent \\Subscribed \\HasNoChildren) "/" "nowhere"'
    ]


def test_list_goes_by_depth_and_size(client: Client) -> None:
    client.ok('SETMETADATA Sent (/private/a/b "12345678" /private/a/c "1" /private/a/c/d "2")')
    answer = client.ok('LIST "" Sent RETURN (STATUS (MESSAGES) METADATA (DEPTH 1 MAXSIZE 3) (/private/a))')
    assert answer.split(b"\r\n")[1:3] == [b'* STATUS "Sent" (MESSAGES 0)', b'* METADATA "Sent" (/private/a/c "1")']
    assert b"OK [METADATA LONGENTRIES 8] LIST completed" in answer
    client.ok('SETMETADATA Trash (/private/a/b "1234")')
    answer = client.ok('LIST "" (Sent Trash) RETURN (METADATA (MAXSIZE 3) /private/a/b)')
    assert b"OK [METADATA LONGENTRIES 8] LIST completed" in answer
    assert client.fetched('LIST "" INBOX RETURN (METADATA (DEPTH infinity) /private)') == [
        b'* LIST (\\HasNoChildren) "/" "INBOX"'
    ]


def test_a_name_that_is_listed_for_those_below_it_has_none(client: Client) -> None:
    """RFC 9590 3: none of what the selection options do not select."""
    client.ok("CREATE foo/bar")
    for name in ("INBOX", "Drafts", "Sent", "Trash"):
        client.ok(f"UNSUBSCRIBE {name}")
    client.ok("SUBSCRIBE foo/bar")
    lines = client.fetched('LIST (SUBSCRIBED RECURSIVEMATCH) "" % RETURN (METADATA /private/comment)')
    assert lines == [b'* LIST (\\HasChildren) "/" "foo" ("CHILDINFO" ("SUBSCRIBED"))']


def test_list_tells_of_others_folders_what_getmetadata_would(server: TestServer, client: Client) -> None:
    server.client("u2").ok('SETMETADATA Sent (/shared/comment "x" /private/comment "theirs")')
    server.share("Sent", grant("lr"), user=2)
    server.share("Drafts", grant("la"), user=2)
    wanted = "METADATA (/shared/comment /private/comment /private/specialuse)"
    assert client.fetched(f'LIST "" "Other Users/*" RETURN ({wanted})')[-3:] == [
        b'* LIST (\\HasNoChildren) "/" "Other Users/u2/Drafts"',
        b'* LIST (\\HasNoChildren) "/" "Other Users/u2/Sent"',
        b'* METADATA "Other Users/u2/Sent" (/shared/comment "x" /private/comment NIL /private/specialuse NIL)',
    ]


def test_the_role_says_what_rights_cannot(server: TestServer) -> None:
    """T-2.4: that somebody may change and delete only what he has put there himself, which no letter says."""
    author, editor = ROLES["Author"], ROLES["Editor"]
    server.make_public("a", Grant(account(2).user, author.rights, own_only=author.own_only))
    server.make_public("e", Grant(account(2).user, editor.rights))
    client = server.client("u2")
    told = {
        name: client.ok(f'GETMETADATA "Public Folders/{name}" /shared/vendor/penfold/role').split(b"\r\n")[0]
        for name in ("a", "e")
    }
    assert told["a"].endswith(b'(/shared/vendor/penfold/role "Author")')
    assert told["e"].endswith(b'(/shared/vendor/penfold/role "Editor")')
    assert b"role NIL" in client.ok("GETMETADATA INBOX /shared/vendor/penfold/role")
    client.no('SETMETADATA INBOX (/shared/vendor/penfold/role "Owner")', "CANNOT")
