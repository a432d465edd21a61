"""Servers that the suites share, and how long each file takes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.support.servers import Dovecot, Penfold, remove, scratch

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
    server = Penfold(directory / "penfold", users=9).start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def dovecot(directory: Path) -> Iterator[Dovecot]:
    """A fresh Dovecot for this file."""
    (directory / "dovecot").mkdir(mode=0o755)
    server = Dovecot(directory / "dovecot").start()
    yield server
    server.stop()
