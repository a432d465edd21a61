"""`penfold demo`, as a newcomer starts it."""

import imaplib
import os
import smtplib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.server import demo
from adapters.server.installation import Installation
from tests.adapters.installed import Installed, Running, running
from tests.support.ports import free_ports

PORTS = (24, 25, 143, 993)


def free_base() -> int:
    """A base above which all of a demo's ports are free."""
    while True:
        base = free_ports(1)[0] - PORTS[0]
        try:
            for port in PORTS:
                socket.create_server(("127.0.0.1", base + port)).close()
        except (OSError, OverflowError):
            continue
        return base


@pytest.fixture
def base() -> int:
    return free_base()


@pytest.fixture
def server(tmp_path: Path, base: int) -> Iterator[Running]:
    words = ("--dir", str(tmp_path / "demo"), "--port-base", str(base), "--users", "2", "--password", "open sesame")
    with running("demo", *words) as server:
        yield server


def until_ready(server: Running) -> list[str]:
    lines = []
    for line in server.says():
        lines.append(line)
        if line == "ready":
            return lines
    raise AssertionError(server.process.communicate())


def test_the_demo_says_where_it_is_and_then_that_it_is_ready(server: Running, tmp_path: Path, base: int) -> None:
    *directions, ready = until_ready(server)
    assert ready == "ready"
    assert "\n".join(directions) == demo.directions(base, 2, "open sesame")
    assert (tmp_path / "demo" / "run" / "penfold.pid").read_text() == f"{server.process.pid}\n"
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.load_verify_locations(tmp_path / "demo" / "tls" / "certificate.pem")
    for user in ("u1", "u2@example.com"):
        with imaplib.IMAP4_SSL("127.0.0.1", base + 993, ssl_context=trusting) as client:
            client.login(user, "open sesame")
            assert client.select() == ("OK", [b"3"])
    with smtplib.SMTP("127.0.0.1", base + 25) as mail:
        mail.sendmail("a@example.org", ["u1@example.com"], "Subject: hello\r\n\r\nText\r\n")
    assert Installed(tmp_path / "demo").json("mailbox", "show", "u1")["messages"] == 4
    server.told_to_stop()
    assert server.ended() == 0
    assert server.log == ""


def test_a_demo_can_be_administered_without_a_settings_file(server: Running, tmp_path: Path, base: int) -> None:
    until_ready(server)
    house = Installed(tmp_path / "demo")
    shown = {row["name"]: row for row in house.json("show", "--effective")}
    assert shown["imap.listen"]["value"] == f'["127.0.0.1:{base + 143}"]'
    assert {row["after_restart"] for row in shown.values()} == {None}


def test_a_demo_that_cannot_have_its_port_says_so(server: Running, tmp_path: Path, base: int) -> None:
    with socket.create_server(("127.0.0.1", base + 143)):
        assert server.ended() == 3
        assert "something else listens there" in server.log


def test_a_second_time_only_what_is_missing_is_made(tmp_path: Path) -> None:
    settings = demo.settings(tmp_path, 10000)
    demo.prepare(settings, users=1, password="pass", sample=False)
    demo.prepare(settings, users=3, password="pass", sample=True)
    demo.prepare(settings, users=2, password="other", sample=True)  # which holds for those that it is told of
    house = Installation(settings)
    try:
        assert [recipient.alias for recipient in house.organization.recipients()] == ["u1", "u2", "u3"]
        for alias, messages in (("u1", 0), ("u2", 3), ("u3", 3)):
            recipient = house.recipient(alias)
            with house.databases[recipient.database_id].read() as tx:
                assert tx.mailbox(recipient.mailbox_id).used_count == messages
            assert house.directory.verify(alias, b"pass" if alias == "u3" else b"other")
            assert house.directory.login(alias) == recipient
    finally:
        house.close()
    assert os.listdir(tmp_path / "databases" / "first") == []


def test_users_may_come_and_go_in_a_demo(tmp_path: Path) -> None:
    settings = demo.settings(tmp_path, 10000)
    demo.prepare(settings, users=3, password="pass", sample=False)
    house = Installation(settings)
    house.add_mailbox("ada", house.passwords.make(b"secret"))
    house.remove_mailbox("u1")
    house.close()
    demo.prepare(settings, users=3, password="pass", sample=False)
    house = Installation(settings)
    try:
        assert [recipient.alias for recipient in house.recipients()] == ["ada", "u1", "u2", "u3"]
        assert house.directory.verify("u1", b"pass")
        assert house.directory.verify("ada", b"secret")
    finally:
        house.close()


@pytest.mark.parametrize("base", [0, 64542])
def test_the_directions_fit_into_a_terminal(base: int) -> None:
    assert max(map(len, demo.directions(base, 1000, "correct horse 0815").splitlines())) < 80
