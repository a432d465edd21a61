"""A supervisor and its workers as real processes: what becomes of clients when one dies, and of bad beginnings."""

import contextlib
import ctypes
import os
import pickle
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from adapters.server.certificates import ensure_certificate
from adapters.server.workers import channel
from adapters.server.workers.channel import Failed, Start
from adapters.server.workers.supervisor import chosen
from adapters.stores.sqlite import SqliteConnection
from tests.adapters.installed import PASSWORD, PATIENCE, Imap, Installed, Running, imap, running, serving

MESSAGE = b"Subject: hello\r\n\r\ntext\r\n"
PIDFD_GETFD = 438  # pidfd_getfd(2), the same on all machines that have it
OWNER, OTHER = 0, 1  # who writes to the first database, and who does not


@pytest.fixture
def house(tmp_path: Path) -> Installed:
    house = Installed(tmp_path / "mail").init()
    house.listen_locally(workers=2)
    house.add("ada")
    return house


@pytest.fixture(params=[1, 2], ids=["alone", "two-workers"])
def either(request: pytest.FixtureRequest, house: Installed) -> Installed:
    """With one process, and with several."""
    house.listen_locally(workers=request.param)
    return house


def workers(server: Running) -> dict[int, int]:
    """The process of each worker."""
    found = {}
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError, IndexError):
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            words = (folder / "cmdline").read_text().split("\0")
            if parent == server.process.pid:
                found[int(words[5])] = int(folder.name)
    return found


def is_there(process: int) -> bool:
    with contextlib.suppress(OSError):
        return "\0" in Path(f"/proc/{process}/cmdline").read_text()
    return False


def until_gone(*processes: int) -> None:
    until = time.monotonic() + PATIENCE
    while any(map(is_there, processes)):
        assert time.monotonic() < until, "they do not end"
        time.sleep(0.02)


@contextlib.contextmanager
def one_at_each(house: Installed) -> Iterator[tuple[Imap, Imap]]:
    """A client at the worker that writes, and one at the other."""
    with imap(house, "ada") as first, imap(house, "ada") as second:
        placed = {row["number"] % 2: row["worker"] for row in house.json("sessions", "list")}
        assert placed == {1: OWNER, 0: OTHER}, "connections are given in turn"
        yield first, second


def append(client: Imap) -> str:
    client.send(b"t APPEND INBOX {%d+}\r\n" % len(MESSAGE) + MESSAGE + b"\r\n")
    while not (line := client.line()).startswith("t "):
        assert line, "the server hung up"
    return line


def append_at_last(client: Imap) -> None:
    """Until it is taken; before that it is refused as for a moment."""
    until = time.monotonic() + PATIENCE
    while not (answer := append(client)).startswith("t OK"):
        assert answer.startswith("t NO [UNAVAILABLE]"), answer
        assert time.monotonic() < until


@pytest.mark.parametrize("died", [OWNER, OTHER])
def test_a_worker_that_dies_is_replaced_and_sessions_elsewhere_go_on(house: Installed, died: int) -> None:
    with serving(house) as server, one_at_each(house) as clients:
        unlucky, lucky = (clients[died], clients[1 - died])
        for client in clients:
            client.ok("SELECT INBOX")
            assert append(client).startswith("t OK")
        process = workers(server)[died]
        os.kill(process, signal.SIGKILL)
        assert unlucky.rest() == []
        append_at_last(lucky)
        entry = server.logs("worker.died")
        assert (entry["died"], entry["pid"], entry["code"]) == (died, process, -signal.SIGKILL)
        with imap(house, "ada") as first, imap(house, "ada") as second:
            for client in (first, second):
                client.ok("SELECT INBOX")
                append_at_last(client)
            assert "* 5 EXISTS" in lucky.ok("NOOP")
        server.told_to_stop()
        assert server.ended() == 0
    assert house.json("mailbox", "show", "ada")["messages"] == 5
    assert house.json("check", "--deep")["sound"]


def test_who_comes_while_no_worker_is_there_waits_for_one(house: Installed) -> None:
    with serving(house) as server:
        for process in workers(server).values():
            os.kill(process, signal.SIGKILL)
        for _ in range(2):
            server.logs("worker.died")
        with imap(house, "ada") as client:
            append_at_last(client)


def test_what_a_client_selected_is_looked_at_again_when_its_owner_is_back(house: Installed) -> None:
    """IDLE at the other worker goes on, and tells of what comes behind the new beginning."""
    with serving(house) as server, one_at_each(house) as (_, idling):
        idling.ok("SELECT INBOX")
        idling.send(b"t IDLE\r\n")
        assert idling.line().startswith("+ ")
        os.kill(workers(server)[OWNER], signal.SIGKILL)
        server.logs("worker.died")
        with imap(house, "ada") as client:
            append_at_last(client)
        assert idling.line() == "* 1 EXISTS"


def test_workers_end_when_their_supervisor_is_killed(house: Installed) -> None:
    with serving(house) as server, imap(house, "ada") as client:
        processes = workers(server)
        assert len(processes) == 2
        server.process.kill()
        assert client.rest()[-1].startswith("* BYE")
        until_gone(*processes.values())
    with serving(house), imap(house, "ada"):
        pass


def test_limits_are_those_of_the_server(house: Installed) -> None:
    """D.12: connections of one account, whichever worker has them."""
    house.file.write_text(house.file.read_text() + "connections.per_user = 3\n")
    with serving(house), contextlib.ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(imap(house, "ada"))
        for _ in range(2):
            stranger = stack.enter_context(imap(house))
            assert stranger.says(f'LOGIN ada "{PASSWORD}"')[-1].startswith("t NO [LIMIT]")


@dataclass
class Hand:
    """A worker that is given connections."""

    worker: int
    share: float
    counts: Counter[str] = field(default_factory=Counter)


def given(hands: list[Hand], counted: str, count: int) -> list[int]:
    """How many each of them has after so many connections."""
    for _ in range(count):
        chosen(hands, counted).counts[counted] += 1
    return [hand.counts[counted] for hand in hands]


def test_clients_are_spread_evenly_and_mail_by_who_has_time_for_it() -> None:
    hands = [Hand(0, 1.0), Hand(1, 0.0)]
    assert given(hands, "clients", 10) == [5, 5]
    assert given(hands, "mail", 15) == [5, 10]
    assert given([Hand(0, 0.5), Hand(1, 0.5)], "mail", 10) == [5, 5]
    assert given([Hand(0, 1.0), Hand(1, 0.0), Hand(2, 0.0), Hand(3, 0.0)], "mail", 14) == [2, 4, 4, 4]


def test_who_is_not_counted_is_given_to_the_first() -> None:
    hands = [Hand(1, 0.0), Hand(0, 1.0)]
    hands[1].counts["clients"] = 7
    assert chosen(hands, "").worker == 0


# ---------------------------------------------------------------------------------------------- settings again


def renewed(house: Installed, server: Running) -> None:
    """All workers have the new settings."""
    for _ in range(house.workers):
        server.logs("settings.renewed")


def greeting_of(house: Installed) -> str:
    with imap(house, "ada") as client:
        return client.ok("CAPABILITY")[0]


def test_settings_are_read_again_and_hold_for_who_comes_then(either: Installed) -> None:
    with serving(either) as server, imap(either, "ada") as before:
        either.file.write_text(either.file.read_text() + 'imap.hide_capabilities = ["NOTIFY"]\nlog.level = "error"\n')
        server.process.send_signal(signal.SIGHUP)
        assert server.logs("settings.wait-for-restart")["names"] == ["log.level"]
        renewed(either, server)
        assert " NOTIFY" in before.ok("CAPABILITY")[0]
        assert " NOTIFY" not in greeting_of(either)
        waiting = [row["name"] for row in either.json("show", "--effective") if row["after_restart"] is not None]
        assert waiting == ["log.level"]


def test_settings_that_cannot_be_read_change_nothing(either: Installed) -> None:
    with serving(either) as server, imap(either, "ada") as before:
        either.file.write_text(either.file.read_text() + "imap.nonsense = 1\n")
        server.process.send_signal(signal.SIGHUP)
        assert "imap.nonsense" in server.logs("settings.refused")["reason"]
        before.ok("NOOP")
        with imap(either, "ada"):
            pass


def certificate_shown(house: Installed) -> str:
    return ssl.get_server_certificate(("127.0.0.1", house.ports["imaps"]))


def test_a_renewed_certificate_is_shown_to_who_comes_then(either: Installed) -> None:
    folder = either.directory / "new"
    files = folder / "certificate.pem", folder / "key.pem"
    with serving(either) as server, imap(either, "ada") as before:
        first = certificate_shown(either)
        ensure_certificate(*files, "mail.example.com")
        either.file.write_text(either.file.read_text() + f'tls.certificate = "{files[0]}"\ntls.key = "{files[1]}"\n')
        server.process.send_signal(signal.SIGHUP)
        renewed(either, server)
        shown = {certificate_shown(either) for _ in range(4)}
        assert shown == {files[0].read_text()}
        assert first not in shown
        before.ok("NOOP")
        files[1].write_text("no key")
        server.process.send_signal(signal.SIGHUP)
        server.logs("settings.refused")
        assert certificate_shown(either) == files[0].read_text()


# ---------------------------------------------------------------------------------------------- bad beginnings


def test_a_worker_of_another_version_says_so_and_ends(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "adapters.server.workers", str(theirs.fileno()), "0"],
            pass_fds=[theirs.fileno()],
        )
        channel.tell(ours, Start("0.0.0", 0, 2, pickle.dumps(None), b"secret"))
        failed = channel.received(ours)
        assert process.wait(PATIENCE) == 1
    assert isinstance(failed, Failed)
    assert "the server that runs is 0.0.0: restart it" in failed.text


def newer(house: Installed) -> None:
    connection = SqliteConnection(house.directory / "databases" / "first.db", writer=True)
    connection.script("UPDATE schema_version SET version = 99")
    connection.close()


def missing(house: Installed) -> None:
    (house.directory / "databases" / "first.db").unlink()


def anothers(house: Installed) -> None:
    other = Installed(house.directory.parent / "other").init()
    (other.directory / "databases" / "first.db").replace(house.directory / "databases" / "first.db")


def no_database(house: Installed) -> None:
    (house.directory / "databases" / "first.db").write_bytes(b"something else" * 1000)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (newer, "This mailbox database has schema 99"),
        (missing, "first.db is missing, with all the mail that was in it"),
        (anothers, "first.db belongs to another organization: put this one's file in its place"),
        (no_database, "first.db is damaged (file is not a database): stop the server and run `penfold check --repair`"),
    ],
)
def test_what_a_worker_cannot_open_is_told_in_one_line_and_nothing_is_left(
    house: Installed, spoil: object, told: str
) -> None:
    assert callable(spoil)
    spoil(house)
    with running("serve", "--config", str(house.file)) as server:
        assert server.ended() == 3
        assert told in server.log
        assert server.log.count("\n") == 1
        assert "Traceback" not in server.log
    assert not (house.directory / "run").exists() or list((house.directory / "run").iterdir()) == []


def test_a_worker_that_dies_while_others_are_started_is_replaced(house: Installed) -> None:
    """The first is ready by then, and the doors are not open yet."""
    house.listen_locally(workers=4)
    with running("serve", "--config", str(house.file)) as server:
        until = time.monotonic() + PATIENCE
        while not any(has_begun(house, process) for worker, process in workers(server).items() if worker != OWNER):
            assert time.monotonic() < until
            time.sleep(0.005)
        os.kill(workers(server)[OWNER], signal.SIGKILL)
        server.logs("server.ready")
        with imap(house, "ada") as client:
            append_at_last(client)


def has_begun(house: Installed, process: int) -> bool:
    """Whether a worker has been told to open what it needs."""
    with contextlib.suppress(OSError):
        held = {os.readlink(link) for link in Path(f"/proc/{process}/fd").iterdir()}
        return str(house.directory / "organization.db") in held
    return False


def test_a_stream_that_breaks_while_both_workers_live_is_made_again(house: Installed) -> None:
    with serving(house) as server, one_at_each(house) as (_, other):
        assert append(other).startswith("t OK")
        break_streams(workers(server)[OTHER])
        append_at_last(other)
        assert len(workers(server)) == 2
        server.told_to_stop()
        assert server.ended() == 0
        assert "worker.died" not in server.log


def break_streams(process: int) -> None:
    """Shuts all Unix streams of a process down, from outside (pidfd_getfd(2))."""
    libc = ctypes.CDLL(None, use_errno=True)
    pidfd = os.pidfd_open(process)
    for link in Path(f"/proc/{process}/fd").iterdir():
        descriptor = libc.syscall(PIDFD_GETFD, pidfd, int(link.name), 0)
        if descriptor < 0:
            continue
        try:
            taken = socket.socket(fileno=descriptor)
        except OSError:
            os.close(descriptor)
            continue
        with taken:
            if (taken.family, taken.type) == (socket.AF_UNIX, socket.SOCK_STREAM) and not taken.getsockname():
                with contextlib.suppress(OSError):
                    taken.shutdown(socket.SHUT_RDWR)
    os.close(pidfd)
