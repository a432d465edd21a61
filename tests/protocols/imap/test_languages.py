"""What is said for people, in their language: LANGUAGE (RFC 5255 3).

That all of it is said in German too is checked by conftest.py, in every test of a session.
"""

import re
from pathlib import Path

import pytest

from protocols.imap import commands as c
from protocols.imap import limits
from protocols.imap.grammar import BadSyntax, parse
from protocols.imap.saying import german, languages, responses
from protocols.imap.saying.languages import I_DEFAULT, LANGUAGES, Language, spoken
from tests.support.imap import Client, TestServer, room, second

ROOT = Path(__file__).parents[3]
GERMAN = LANGUAGES[2]
STATUS = re.compile(rb"^(?:\S+ (?:OK|NO|BAD|BYE)|\+) (?:\[.*?\] )?(.*)\r$", re.MULTILINE)


def texts(heard: bytes) -> list[str]:
    """What is for people in what was heard."""
    return [text.decode() for text in STATUS.findall(heard)]


# ---------------------------------------------------------------------------------------------- the grammar


@pytest.mark.parametrize(
    ("octets", "ranges"),
    [
        (b"a LANGUAGE", ()),
        (b"a language de", ("de",)),
        (b'a LANGUAGE FR-CA "EN-CA" {7+}\r\ndefault', ("fr-ca", "en-ca", "default")),
        (b'a LANGUAGE i-default "*"', ("i-default", "*")),
        (b"a LANGUAGE zh-Hant-x-1-12345678", ("zh-hant-x-1-12345678",)),
    ],
)
def test_language_has_language_ranges(octets: bytes, ranges: tuple[str, ...]) -> None:
    """RFC 5255 3.5, RFC 4647 2.1."""
    octets, _, literal = octets.partition(b"{7+}\r\n")
    assert parse(octets + (b"\0" if literal else b""), (literal,)) == c.Language(b"a", ranges)


@pytest.mark.parametrize(
    "arguments",
    [
        *(b" (de)", b" de,en", b' ""', b" de-", b" -de", b" 1de", b" de_AT", b" abcdefghi", b" de--at", b' "\xc3\xa9"'),
        *(b" de  en", b' "*-de"', b" *", b" a" + b"-a" * limits.LANGUAGE, b" de" * (limits.LANGUAGES + 1)),
    ],
)
def test_what_is_no_language_range_is_bad(arguments: bytes) -> None:
    with pytest.raises(BadSyntax):
        parse(b"a LANGUAGE" + arguments + b" en")


# ---------------------------------------------------------------------------------------------- which is spoken


@pytest.mark.parametrize(
    ("ranges", "tag"),
    [
        ("de", "de"),
        ("de-at", "de"),
        ("de-de-1996", "de"),
        ("de-x-y", "de"),
        ("fr-ca en-ca", "en"),
        ("fr de en", "de"),
        ("i-default", "i-default"),
        ("default de", "i-default"),
        ("*", "i-default"),
        ("fr", None),
        ("mul i deu", None),
    ],
)
def test_the_first_range_that_means_a_language_decides(ranges: str, tag: str | None) -> None:
    """RFC 5255 3.2, RFC 4647 3.4."""
    found = spoken(ranges.split())
    assert (found and found.tag) == tag


def test_it_is_announced_and_understood_in_all_states(server: TestServer) -> None:
    """RFC 5255 3.1."""
    client = server.client(None)
    assert b" LANGUAGE" in client.greeting
    assert b"* LANGUAGE (i-default en de)\r\n" in client.ok("LANGUAGE")
    client.ok("LOGIN u1 pass")
    assert b" LANGUAGE " in client.ok("CAPABILITY")
    client.ok("LANGUAGE")
    client.ok("SELECT INBOX")
    client.ok("LANGUAGE")


def test_it_changes_with_the_response(server: TestServer) -> None:
    """RFC 5255 3.2, 3.3: one tag in it is the one that is spoken from then on."""
    client = server.client()
    assert client.says("LANGUAGE de-CH") == b"* LANGUAGE (de)\r\na2 OK LANGUAGE ist erledigt\r\n"
    assert client.says("LANGUAGE FR") == b"a3 NO Diese Sprache wird hier nicht gesprochen\r\n"
    assert client.says("LANGUAGE FR EN") == b"* LANGUAGE (en)\r\na4 OK LANGUAGE completed\r\n"
    assert client.says("LANGUAGE MUL") == b"a5 NO That language is not spoken here\r\n"
    client.ok("LANGUAGE DE")
    assert client.says('LANGUAGE "default"') == b"* LANGUAGE (i-default)\r\na7 OK LANGUAGE completed\r\n"


def test_texts_are_utf_8(server: TestServer) -> None:
    """RFC 5255 3.2, 3.5."""
    client = server.client(None)
    client.ok("LANGUAGE de")
    assert client.says("SELECT INBOX") == b"a2 BAD Melden Sie sich erst an\r\n"
    client.ok("LOGIN u1 pass")
    assert client.says("FETCH 1 FLAGS") == "a4 BAD Öffnen Sie erst einen Ordner\r\n".encode()
    assert client.says("SEARCH RETURN (NONSENSE) ALL") == "a5 BAD Unbekannt: Rückgabeoption der Suche\r\n".encode()


def test_codes_and_names_are_the_same_in_all_languages(server: TestServer) -> None:
    """RFC 5255 1: only texts for people; and no namespace has a name of its own (3.4)."""
    client, german = server.client(), server.client()
    german.ok("LANGUAGE de")
    assert client.fetched("NAMESPACE") == german.fetched("NAMESPACE")
    german.no("SELECT nowhere", "NONEXISTENT")
    assert b"TRANSLATION" not in german.ok("LANGUAGE de")


def test_signing_out_brings_i_default_back(server: TestServer) -> None:
    """RFC 8437 3."""
    client = server.client()
    client.ok("LANGUAGE de")
    assert client.says("UNAUTHENTICATE") == b"a3 OK Who are you now?\r\n"


def test_each_session_speaks_its_own(server: TestServer) -> None:
    server.client().ok("LANGUAGE de")
    assert server.client().says("NOOP") == b"a2 OK Completed\r\n"


# ---------------------------------------------------------------------------------------------- all that is said


def a_conversation(client: Client, other: Client) -> bytes:
    """Much of what a session can say."""
    heard = client.says("NOOP")
    other.append("INBOX", b"Subject: x\r\n\r\nx\r\n")
    for line in (
        "ENABLE CONDSTORE QRESYNC UIDONLY",
        "SELECT INBOX",
        "SELECT INBOX",
        "UID FETCH 1:* FLAGS",
        "FETCH 1 FLAGS",
        "UID STORE 1 FLAGS (\\Seen $new)",
        "UID SEARCH RETURN (UPDATE) TEXT x",
        "UID SORT RETURN (UPDATE) (DATE) UTF-8 ALL",
        "UID MOVE 1 Sent",
        "UID REPLACE 2 INBOX {1}",
        "x",
        "NOTIFY SET (SELECTED (MessageNew MessageExpunge))",
        "IDLE",
        "DONE",
        "CREATE INBOX",
        "CREATE a {1}",
        "SETACL INBOX nobody l",
        "COMPRESS GZIP",
        "COMPRESS DEFLATE",
        "UNAUTHENTICATE",
        "NONSENSE",
    ):
        heard += client.send(line.encode() + b"\r\n") if line in ("x", "DONE") else client.says(line)
    return heard


def test_nothing_is_said_in_english_to_who_speaks_german(server: TestServer) -> None:
    """RFC 5255 3.2: "human-readable responses in the first supported language specified"."""
    client, other = room(server, 3), second(server)
    client.ok("LANGUAGE de")
    said = texts(a_conversation(client, other)) + texts(client.says("LOGOUT"))
    assert len(said) > 40
    known = [re.compile(".*".join(map(re.escape, text.split("{}")))) for text in german.TEXTS.values() if text != "{}"]
    # UNAUTHENTICATE has brought i-default back before its own OK.
    until = said.index("Who are you now?")
    assert [text for text in said[:until] if not any(each.fullmatch(text) for each in known)] == []


def test_what_ends_a_session_is_said_in_its_language(server: TestServer) -> None:
    client = server.client()
    client.ok("LANGUAGE de")
    client.session.bye("The server is being stopped", responses.UNAVAILABLE)
    assert client.heard() == b"* BYE [UNAVAILABLE] Der Server wird angehalten\r\n"


def test_every_text_that_has_a_translation_is_said_somewhere() -> None:
    sources = "".join(
        path.read_text()
        for room in ("core", "protocols", "adapters")
        for path in (ROOT / room).rglob("*.py")
        if path.name != "german.py"
    )
    parts = [part for text in german.TEXTS for part in text.split("{}") if part.strip()]
    assert [part for part in parts if part not in sources] == []


def test_translations_have_as_much_in_them_as_the_texts() -> None:
    assert [text for text, other in german.TEXTS.items() if text.count("{}") != other.count("{}")] == []


# ---------------------------------------------------------------------------------------------- texts


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Completed", "Erledigt"),
        ("UID FETCH completed", "UID FETCH ist erledigt"),
        (
            "UID STORE completed, but for what had changed",
            "UID STORE ist erledigt, außer bei dem, was sich geändert hatte",
        ),
        ("Expected a mailbox name", "Erwartet: ein Ordnername"),
        (
            "Expected a space or the end of the list of flags",
            "Erwartet: ein Leerzeichen oder das Ende der Liste (Markierungen)",
        ),
        ("No search criteria: Unknown search key", "Keine Suchkriterien: Unbekannt: Suchschlüssel"),
        ("Folders may not be nested deeper than 32", "Ordner dürfen nicht tiefer als 32 Ebenen verschachtelt sein"),
        ("Too many failures", "Zu viele Fehlversuche"),
        ("Something quite new", "Something quite new"),
    ],
)
def test_texts_are_put_together_of_texts(text: str, said: str) -> None:
    assert GERMAN.says(text) == said
    assert I_DEFAULT.says(text) == text


@pytest.mark.parametrize(
    ("text", "octets"),
    [("[ALERT] ü", "(ALERT] ü"), ("a\r\nb\x7f\x85\u2028", "a??b???"), ("", "."), ("\ud800", "?")],
)
def test_texts_of_any_language_are_harmless(text: str, octets: str) -> None:
    """RFC 5255 3.5: no control characters, and nothing like a response code."""
    assert responses.human(text, GERMAN) == octets.encode()


def test_a_language_without_texts_is_english() -> None:
    assert Language("en").is_english
    assert responses.human("ü", Language("en")) == b"?"
    assert languages.LANGUAGES[0] is I_DEFAULT
