"""A penfold on this machine: an installation in a test's directory, the command, and servers in processes."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from adapters.server.cli import app
from tests.support.ports import free_ports

PATIENCE = 30  # seconds until a test is thought to hang
PASSWORD = "correct horse 0815"  # so odd that it cannot be in a log by chance


class Installed:
    """An installation and the command on it.  The command runs in this process, unless a terminal is needed."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.file = directory / "penfold.toml"
        names = ("imap", "imaps", "smtp", "lmtp", "metrics")
        self.workers = 1
        self.ports = dict(zip(names, free_ports(len(names)), strict=True))

    def run(self, *words: str, input: str = "", code: int = 0) -> Result:  # noqa: A002 - typer's name
        """A command that must end with this exit code."""
        result = CliRunner().invoke(app, [*words, "--dir", str(self.directory)], input=input)
        assert result.exit_code == code, (result.exit_code, result.output, result.exception)
        return result

    def json(self, *words: str, input: str = "", code: int = 0) -> Any:  # noqa: A002 - see above
        return json.loads(self.run(*words, "--json", input=input, code=code).stdout)

    def refused(self, *words: str, input: str = "", code: int = 1) -> str:  # noqa: A002 - see above
        """The one line that a command says when it fails."""
        result = self.run(*words, input=input, code=code)
        assert result.stdout == ""
        assert result.stderr.startswith("penfold: ")
        assert result.stderr.count("\n") == 1, result.stderr
        return result.stderr.removeprefix("penfold: ").rstrip("\n")

    def add(self, alias: str, *options: str) -> Any:
        return self.json("mailbox", "add", alias, "--password-stdin", *options, input=PASSWORD + "\n")

    def trail(self) -> list[dict[str, Any]]:
        """The records of administration.log."""
        return [json.loads(line) for line in (self.directory / "administration.log").read_text().splitlines()]

    def init(self) -> "Installed":
        self.run("init", "--domain", "example.com")
        return self

    def listen_locally(self, *, workers: int = 1) -> None:
        """Settings for a server of so many processes on free ports of this machine."""
        self.workers = workers
        at = {name: f'["127.0.0.1:{port}"]' for name, port in self.ports.items()}
        self.file.write_text(
            f'server.data_dir = "{self.directory}"\nserver.workers = {workers}\n'
            f"imap.listen = {at['imap']}\nimap.listen_tls = {at['imaps']}\n"
            f"smtp.listen = {at['smtp']}\nlmtp.listen = {at['lmtp']}\nmetrics.listen = {at['metrics']}\n"
            "auth.plaintext_logins = true\n"
        )


class Running:
    """A penfold server in a process of its own; what it logs is read as it comes."""

    def __init__(self, *words: str, env: dict[str, str] | None = None) -> None:
        self.process = subprocess.Popen(  # a list of words, no shell
            [sys.executable, "-m", "adapters.server.cli", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **(env or {})},
            text=True,
        )
        self.log = ""

    def logs(self, event: str) -> dict[str, Any]:
        """Waits for an event in the log."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.log += line
            with contextlib.suppress(ValueError):
                entry: dict[str, Any] = json.loads(line)
                if entry.get("event") == event:
                    return entry
        raise AssertionError(f"the server ended without {event}: {self.log}")

    def says(self) -> Iterator[str]:
        """The lines that it prints."""
        assert self.process.stdout is not None
        yield from (line.rstrip("\n") for line in self.process.stdout)

    def told_to_stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def ended(self) -> int:
        """The exit code; what it had still to say is in `log`."""
        _, errors = self.process.communicate(timeout=PATIENCE)
        self.log += errors
        return self.process.returncode


@contextlib.contextmanager
def running(*words: str, env: dict[str, str] | None = None) -> Iterator[Running]:
    """A server that is gone when the test is."""
    server = Running(*words, env=env)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.process.kill()
        server.process.communicate()


@contextlib.contextmanager
def serving(house: Installed, *, env: dict[str, str] | None = None) -> Iterator[Running]:
    """`penfold serve`, ready."""
    with running("serve", "--config", str(house.file), env=env) as server:
        server.logs("server.ready")
        yield server


class Imap:
    """A client that says lines and hears lines."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self._file = self._socket.makefile("rb")
        self.greeting = self.line()

    def line(self) -> str:
        """The next line; empty at the end."""
        return self._file.readline().decode().rstrip("\r\n")

    def send(self, octets: bytes) -> None:
        self._socket.sendall(octets)

    def says(self, command: str) -> list[str]:
        """What comes up to the tagged answer, which is the last."""
        self.send(f"t {command}\r\n".encode())
        heard = [self.line()]
        while heard[-1] and not heard[-1].startswith("t "):
            heard.append(self.line())
        return heard

    def ok(self, command: str) -> list[str]:
        heard = self.says(command)
        assert heard[-1].startswith("t OK"), heard
        return heard

    def rest(self) -> list[str]:
        """Everything until the server closes the connection."""
        return [line.decode().rstrip("\r\n") for line in self._file]

    def close(self) -> None:
        self._file.close()
        self._socket.close()


@contextlib.contextmanager
def imap(house: Installed, user: str | None = None, password: str = PASSWORD) -> Iterator[Imap]:
    """A connection, signed in if a user is named."""
    client = Imap(house.ports["imap"])
    try:
        if user is not None:
            client.ok(f'LOGIN {user} "{password}"')
        yield client
    finally:
        client.close()
