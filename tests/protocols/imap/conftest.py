"""A server with a real store for conversations."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.integrity.audit import audit
from protocols.imap.saying import german, languages, responses
from protocols.imap.saying.languages import I_DEFAULT, Language
from tests.support.imap import TestServer

_NAME = re.compile(r"[A-Z0-9 -]+")  # of a command, or a number: the same in all languages
_MADE_UP = {  # by tests
    "A fault of ours",
    "No",
    "Not mounted",
    "The database is not mounted",
    "The disk is full",
    "gone",
    "one",
    "stopping",
}


def is_said_in_german(text: str, within: int = languages.WITHIN) -> bool:
    """Whether protocols/imap/saying/german.py has a text, with all that stands in it, as deep as sessions look."""
    if text in german.TEXTS or _NAME.fullmatch(text):
        return True
    found = next(filter(None, (pattern.fullmatch(text) for pattern, _ in languages._templates("de"))), None)
    return found is not None and within > 0 and all(is_said_in_german(part, within - 1) for part in found.groups())


@pytest.fixture(autouse=True)
def _every_text_is_said_in_german_too(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """RFC 5255 3.2: all that a session says for people, whatever the test is about, but for what tests make up."""
    if "server" not in request.fixturenames:
        return
    human = responses.human

    def checked(text: str, language: Language = I_DEFAULT) -> bytes:
        assert text in _MADE_UP or is_said_in_german(text), (
            f"protocols/imap/saying/german.py does not have {text!r}, nor _MADE_UP here"
        )
        return human(text, language)

    monkeypatch.setattr(responses, "human", checked)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[TestServer]:
    """Users u1 and u2; the store is audited when the test is done."""
    server = TestServer(tmp_path)
    try:
        yield server
        assert server.faults == []
        with server.database.read() as tx:
            assert list(audit(tx)) == []
    finally:
        server.close()
