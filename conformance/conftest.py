"""Servers and a Thunderbird that the suites share, and how long each file takes."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from conformance.support.servers import PASSWORD, Dovecot, Penfold, remove, scratch
from conformance.thunderbird.driver import Thunderbird
from conformance.thunderbird.mail import ImapAccount
from conformance.thunderbird.transcript import refusals

_seconds: dict[str, float] = {}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Adds up what each file takes, servers included."""
    file = report.nodeid.partition("::")[0]
    _seconds[file] = _seconds.get(file, 0.0) + report.duration


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line per file."""
    terminalreporter.section("wall time")
    for file, seconds in _seconds.items():
        terminalreporter.line(f"{seconds:7.1f} s  {file}")


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    """Scratch that the daemons of others may enter."""
    found = scratch("conformance")
    yield found
    remove(found)


@pytest.fixture(scope="module")
def penfold(directory: Path) -> Iterator[Penfold]:
    """A fresh `penfold demo` for this file."""
    server = Penfold(directory / "penfold", users=20).start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def dovecot(directory: Path) -> Iterator[Dovecot]:
    """A fresh Dovecot for this file."""
    (directory / "dovecot").mkdir(mode=0o755)
    server = Dovecot(directory / "dovecot").start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def thunderbird(penfold: Penfold, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Thunderbird]:
    """One for all tests of this file; each has an account of its own in it."""
    with Thunderbird(tmp_path_factory.mktemp("thunderbird") / "home") as found:
        found.trust(penfold.certificate, penfold.imaps)
        yield found


@pytest.fixture
def add_account(thunderbird: Thunderbird, penfold: Penfold) -> Iterator[Callable[[str], ImapAccount]]:
    """Gives Thunderbird a user's account, over TLS; the server must refuse nothing that Thunderbird asks."""
    accounts = []

    def add(user: str) -> ImapAccount:
        accounts.append(thunderbird.add_imap_account(user, PASSWORD, penfold.imaps, security="SSL"))
        return accounts[-1]

    yield add
    for account in accounts:
        said = account.transcript()
        assert any(re.search(r" S: \d+ OK", line) for line in said), "the transcript is that of this user"
        assert not list(refusals(said)), "\n".join(said)
