"""A server in a process of its own, with clients and an administrator on real sockets."""

import json
import os
import socket
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.adapters.installed import PASSWORD, PATIENCE, Installed, imap, running, serving

MESSAGE = b"From: a@example.org\r\nSubject: hello\r\n\r\n" + b"text\r\n" * 1000


@pytest.fixture(params=[1, 2], ids=["alone", "two-workers"])
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Installed:
    """With a mailbox, and settings that a server can be started with."""
    house = Installed(tmp_path / "mail").init()
    house.listen_locally(workers=request.param)
    house.add("ada")
    return house


def get(house: Installed, page: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{house.ports['metrics']}{page}", timeout=PATIENCE) as answer:
        body: bytes = answer.read()
    return body.decode()


def test_a_stop_lets_the_command_that_runs_come_to_its_end(house: Installed) -> None:
    """An APPEND in the middle of its message is taken, then BYE; who waits in IDLE hears BYE at once."""
    with serving(house) as server, imap(house, "ada") as writing, imap(house, "ada") as idling:
        idling.ok("SELECT INBOX")
        idling.send(b"t IDLE\r\n")
        assert idling.line().startswith("+ ")
        writing.send(b"t APPEND INBOX {%d+}\r\n" % len(MESSAGE) + MESSAGE[:1000])
        # The server has read so far once it answers somebody who came later.
        with imap(house) as later:
            later.ok("NOOP")
            server.told_to_stop()
            assert later.rest()[-1].startswith("* BYE")
        assert idling.rest()[-1].startswith("* BYE")
        writing.send(MESSAGE[1000:] + b"\r\n")
        heard = writing.rest()
        assert heard[-2].startswith("t OK [APPENDUID"), heard
        assert heard[-1].startswith("* BYE"), heard
        assert server.ended() == 0
        assert "server.stopped" in server.log
    assert house.json("mailbox", "show", "ada")["messages"] == 1
    assert house.json("check", "--deep")["sound"]
    assert list((house.directory / "run").iterdir()) == []


def test_metrics_and_readiness_are_told_over_http(house: Installed) -> None:
    """T-11.4."""
    with serving(house), imap(house, "ada"):
        assert get(house, "/ready") == "ready\n"
        metrics = get(house, "/metrics")
        assert 'penfold_imap_connections{worker="0"} 1.0' in metrics
        assert 'penfold_commands_waiting{worker="0"} 0.0' in metrics
        assert "process_resident_memory_bytes" in metrics
        with pytest.raises(urllib.error.HTTPError, match="404"):
            get(house, "/else")


def test_clients_can_ask_what_the_settings_say_to_all_users(house: Installed) -> None:
    """RFC 5464 3.2.1.1, RFC 5466 3.2."""
    with serving(house), imap(house, "ada") as client:
        assert client.ok('GETMETADATA "" (/shared/admin)')[0] == '* METADATA "" (/shared/admin NIL)'
        client.ok('SETMETADATA INBOX (/private/comment "kept")')
        client.ok("SELECT INBOX")
        assert client.says("SEARCH FILTER old")[-1].startswith("t NO [UNDEFINED-FILTER old]")
    about = 'server.admin = "mailto:help@example.com"\nserver.comment = "Closed on Sunday"\n'
    about += 'imap.filters = [{name = "Old", search = "BEFORE 1-Feb-1994", description = "before we came"}]\n'
    house.file.write_text(house.file.read_text() + about)
    with serving(house), imap(house, "ada") as client:
        assert client.ok('GETMETADATA (DEPTH 1) "" /shared')[0] == (
            '* METADATA "" (/shared/admin "mailto:help@example.com" /shared/comment "Closed on Sunday")'
        )
        assert client.ok("GETMETADATA INBOX /private/comment")[0] == '* METADATA "INBOX" (/private/comment "kept")'
        assert client.ok('GETMETADATA (DEPTH infinity) "" /shared/filters')[0] == (
            '* METADATA "" (/shared/filters/descriptions/old "before we came"'
            ' /shared/filters/values/old "BEFORE 1-Feb-1994")'
        )
        client.ok("SELECT INBOX")
        assert client.ok("SEARCH FILTER old")[0] == "* SEARCH"


def test_no_log_has_a_password(house: Installed) -> None:
    house.file.write_text(house.file.read_text() + 'log.level = "debug"\n')
    with serving(house) as server:
        with imap(house, "ada") as client:
            assert client.says(f'LOGIN ada "{PASSWORD}"')[-1].startswith("t BAD")
        with imap(house) as client:
            assert client.says(f'LOGIN ada "not {PASSWORD}"')[-1].startswith("t NO")
            client.says(f'LOGIN ada "{PASSWORD}" {PASSWORD}')
        house.add("bob")
        house.run("mailbox", "set", "bob", "--password-stdin", input=f"new {PASSWORD}\n")
        house.refused("mailbox", "add", "bob", "--password-stdin", input=f"other {PASSWORD}\n")
        server.told_to_stop()
        assert server.ended() == 0
    assert '"do": "mailbox.add"' in server.log
    assert PASSWORD not in server.log
    assert PASSWORD not in (house.directory / "administration.log").read_text()


def test_an_administrator_reaches_a_running_server(house: Installed) -> None:
    """What is changed holds at once."""
    with serving(house):
        house.add("bob")
        with imap(house, "bob", PASSWORD) as client:
            house.run("mailbox", "set", "bob", "--quota", "3MB")
            house.run("mailbox", "set", "bob", "--quota", "1KB")
            client.send(b"t APPEND INBOX {%d+}\r\n" % len(MESSAGE) + MESSAGE + b"\r\n")
            assert client.line().startswith("t NO [OVERQUOTA]")
        assert house.json("mailbox", "list")[1]["alias"] == "bob"
        assert house.json("check", "--deep")["sound"]
        assert [record["via"] for record in house.trail()][-2:] == ["control", "control"]
        assert house.json("init", "--domain", "example.com")["made"] == []
        house.json("database", "add", "second")
        house.add("eve", "--database", "second")
        with imap(house, "eve") as client:
            client.ok("SELECT INBOX")
        assert "already there" in house.refused("database", "add", "second")


def test_sessions_are_listed_and_ended(house: Installed) -> None:
    with serving(house):
        assert house.json("sessions", "list") == []
        with imap(house, "ada") as first, imap(house, "ada") as second, imap(house) as stranger:
            first.ok('ID ("name" "mutt\\\\" "version" "2.2")')
            first.ok("SELECT Drafts")
            one, two, three = house.json("sessions", "list")
            assert (one["user"], one["folder"], one["tls"], one["peer"]) == ("ada", "Drafts", False, "127.0.0.1")
            assert one["client"] == {"name": "mutt\\", "version": "2.2"}
            assert (two["user"], two["folder"], two["client"], three["user"]) == ("ada", None, {}, None)
            assert "mutt\\ 2.2" in house.run("sessions", "list").stdout
            assert house.json("sessions", "kick", str(one["number"])) == {"sessions_ended": 1}
            assert first.rest() == ["* BYE An administrator ended this session"]
            assert house.run("sessions", "kick", "--user", "ada@example.com").stdout == "1 session was ended\n"
            assert second.rest() == ["* BYE An administrator ended this session"]
            stranger.ok("NOOP")
            assert "`penfold sessions list` shows" in house.refused("sessions", "kick", "77")
            assert house.json("sessions", "kick", "--user", "ada") == {"sessions_ended": 0}


@pytest.mark.parametrize(
    "words",
    [("mailbox", "disable", "ada"), ("mailbox", "set", "ada", "--generate"), ("mailbox", "rm", "ada", "--yes")],
)
def test_who_may_not_sign_in_any_more_is_sent_away(house: Installed, words: tuple[str, ...]) -> None:
    """T-1.4."""
    with serving(house), imap(house, "ada") as idling, imap(house, "ada") as silent, imap(house) as stranger:
        idling.ok("SELECT INBOX")
        idling.send(b"t IDLE\r\n")
        assert idling.line().startswith("+ ")
        assert house.json(*words)["sessions_ended"] == 2
        assert idling.rest()[-1].startswith("* BYE")
        assert silent.rest()[-1].startswith("* BYE")
        assert stranger.says(f'LOGIN ada "{PASSWORD}"')[-1].startswith("t NO [AUTHENTICATIONFAILED]")


def test_settings_that_wait_for_a_restart_are_marked(house: Installed) -> None:
    """T-11.2."""
    with serving(house):
        house.file.write_text(house.file.read_text() + "connections.total = 7000\n")
        (waiting,) = (row for row in house.json("show", "--effective") if row["after_restart"] is not None)
        assert waiting["name"] == "connections.total"
        assert (waiting["value"], waiting["source"], waiting["after_restart"]) == ("20000", "default", "7000")
        assert "AFTER A RESTART" in house.run("show").stdout


def test_a_second_server_is_refused_in_one_line(house: Installed) -> None:
    with serving(house), running("serve", "--config", str(house.file)) as second:
        assert second.ended() == 3
        assert "organization.db is in use by another process" in second.log
        assert "Traceback" not in second.log


def test_a_port_that_is_taken_is_told_in_one_line(house: Installed) -> None:
    with (
        socket.create_server(("127.0.0.1", house.ports["smtp"])),
        running("serve", "--config", str(house.file)) as late,
    ):
        assert late.ended() == 3
        assert "something else listens there" in late.log
        assert "Traceback" not in late.log
    with (
        socket.create_server(("127.0.0.1", house.ports["metrics"])),
        running("serve", "--config", str(house.file)) as late,
    ):
        assert late.ended() == 3
        assert f"127.0.0.1:{house.ports['metrics']}: Address already in use: " in late.log
        assert "Traceback" not in late.log


def test_a_certificate_that_cannot_be_used_is_told_in_one_line(house: Installed) -> None:
    house.file.write_text(house.file.read_text() + 'tls = {certificate = "c.pem", key = "k.pem"}\n')
    with running("serve", "--config", str(house.file)) as server:
        assert server.ended() == 3
        assert f"{house.directory}/c.pem cannot be read: No such file" in server.log
    for name in ("c.pem", "k.pem"):
        (house.directory / name).write_text("no certificate")
    with running("serve", "--config", str(house.file)) as server:
        assert server.ended() == 3
        assert "tls.certificate and tls.key cannot be used" in server.log


def test_systemd_hears_when_the_server_is_ready(house: Installed, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        address = f"\0penfold-test-{os.getpid()}"
        manager.bind(address)
        manager.settimeout(PATIENCE)
        with serving(house, env={"NOTIFY_SOCKET": "@" + address[1:]}):
            assert manager.recv(100) == b"READY=1"


def test_a_stop_before_the_start_is_complete_ends_it_too(house: Installed) -> None:
    with running("serve", "--config", str(house.file)) as server:
        while not (house.directory / "organization.lock").exists() and server.process.poll() is None:
            pass
        server.told_to_stop()
        assert server.ended() in (0, -15)  # before Python has put its handler in place, the signal is the system's
        assert "Traceback" not in server.log
    assert house.json("check")["sound"]


def asked_by_a_stranger(path: Path) -> bytes:
    """What somebody of another account hears on the control socket."""
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        try:
            os.setuid(65534)
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(path))
                connection.sendall(b'{"id": 1, "do": "mailbox.list"}\n')
                os.write(writing, connection.makefile("rb").read())
        except OSError as fault:
            os.write(writing, repr(fault).encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with open(reading, "rb") as heard:
        return heard.read()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_another_account_cannot_administer(house: Installed) -> None:
    with serving(house):
        path = house.directory / "run" / "control.sock"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        for folder in path.parents[:-1]:
            folder.chmod(folder.stat().st_mode | 0o011)
        assert b"PermissionError" in asked_by_a_stranger(path)
        path.chmod(0o666)
        assert b"This is for the server's own account and root" in asked_by_a_stranger(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_root_works_as_the_owner_of_the_data(house: Installed) -> None:
    for path in (house.directory, *house.directory.rglob("*")):
        os.chown(path, 65534, 65534)
    for folder in (house.directory.parent, *house.directory.parents[1:-1]):
        folder.chmod(folder.stat().st_mode | 0o011)
    command = [sys.executable, "-m", "adapters.server.cli", "mailbox", "add", "bob", "--generate", "--json"]
    added = subprocess.run(
        [*command, "--config", str(house.file)], capture_output=True, text=True, check=True, timeout=PATIENCE
    )
    assert json.loads(added.stdout)["alias"] == "bob"
    assert {path.stat().st_uid for path in house.directory.rglob("*")} == {65534}
    with running("serve", "--config", str(house.file)) as server:
        assert server.ended() == 3
        assert "serve as its owner" in server.log
