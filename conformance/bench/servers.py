"""The servers that are measured, each in processes of its own: made, started, ended, killed."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Protocol

from conformance.bench.clients import Target
from conformance.bench.results import OURS, THEIRS
from conformance.support.processes import HOST, free_base, succeed
from conformance.support.servers import PASSWORD, ROOT

DOMAIN: Final = "example.com"
READY_SECONDS: Final = 120.0  # a server that takes longer has not started
USERS: Final = 1000  # that mailbench knows

SETTINGS: Final = """\
# As `penfold demo` has it, for `penfold serve`.
[server]
data_dir = "{directory}"
[imap]
listen = ["127.0.0.1:{imap}"]
listen_tls = ["127.0.0.1:{imaps}"]
max_message_size = "256MB"
[smtp]
listen = ["127.0.0.1:{smtp}"]
max_message_size = "256MB"
[lmtp]
listen = ["127.0.0.1:{lmtp}"]
[auth]
plaintext_logins = true
[connections]
per_user = 5000
[log]
level = "warning"
[metrics]
listen = []
"""


class DidNotStart(Exception):
    """No greeting came; says what the server said instead."""


class Server(Protocol):
    """What is asked of a server that is measured."""

    name: str

    @property
    def pid(self) -> int: ...  # of the process that is the parent of all others
    def provide(self, users: int) -> None: ...  # makes u1 ... where there are fewer; while it is not running
    def start(self) -> float: ...  # seconds until a client has the greeting; raises DidNotStart
    def stop(self) -> None: ...  # in order
    def end(self) -> None: ...  # in the hardest way that it is made for; nothing of it runs any more
    def target(self, users: int) -> Target: ...


class Penfold:
    """An installation that `penfold demo` makes and `penfold serve` serves."""

    name = OURS

    def __init__(self, scratch: Path, *, workers: int) -> None:
        self._root = scratch / "penfold"
        self._config = scratch / "penfold.toml"
        self._log = scratch / "penfold.log"
        self._base = free_base(24, 25, 143, 993)
        self._workers = workers
        self._process: subprocess.Popen[bytes] | None = None
        ports = {"imap": 143, "imaps": 993, "smtp": 25, "lmtp": 24}
        listening = {name: self._base + port for name, port in ports.items()}
        self._config.write_text(SETTINGS.format(directory=self._root, **listening))

    @property
    def pid(self) -> int:
        assert self._process is not None, "it is running"
        return self._process.pid

    @property
    def certificate(self) -> Path:
        return self._root / "tls" / "certificate.pem"

    def provide(self, users: int) -> None:
        options = ["--dir", self._root, "--port-base", self._base, "--users", users, "--password", PASSWORD]
        self._launch("demo", *options, "--no-sample", "--workers", 1)
        self.stop()

    def start(self) -> float:
        return self._launch("serve", "--config", self._config, "--workers", self._workers)

    def stop(self) -> None:
        self._leave(signal.SIGTERM)

    def end(self) -> None:
        self._leave(signal.SIGKILL)

    def target(self, users: int, *, port: int = 143) -> Target:
        names = [f"u{number}" for number in range(1, users + 1)]
        lmtp = (HOST, self._base + 24)
        return Target(OURS, (HOST, self._base + port), lmtp, self.pid, PASSWORD, DOMAIN, False, names)

    def _launch(self, *words: object) -> float:
        assert self._process is None, "it is not running"
        command = [str(ROOT / ".venv" / "bin" / "penfold"), *map(str, words)]
        with self._log.open("ab") as log:
            began = time.perf_counter()
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        try:
            return greeted(self._base + 143, self._process) - began
        except DidNotStart as fault:
            self.end()
            raise DidNotStart(f"{fault}\n{self._log.read_text(errors='replace')[-2000:]}") from fault

    def _leave(self, how: signal.Signals) -> None:
        """Tells the supervisor, or kills all that it has started: they are in one session."""
        if self._process is None:
            return
        if how == signal.SIGTERM:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(60)
        with contextlib.suppress(ProcessLookupError):  # it had no others, and has ended
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None


class Dovecot:
    """A private Dovecot, as peers/dovecot.sh sets it up."""

    name = THEIRS
    SCRIPT: Final = Path(__file__).parent / "peers" / "dovecot.sh"

    def __init__(self) -> None:
        # Its user must be able to get there; and it is a disk, which /tmp need not be.
        self._home = Path(tempfile.mkdtemp(prefix="dovecot-bench-", dir="/var/tmp"))
        self._home.chmod(0o755)
        self._base = free_base(24, 143)
        self._is_running = False

    def set_up(self) -> None:
        """Makes its configuration, and a first start."""
        self._is_running = True
        succeed("sh", self.SCRIPT, "start", self._home, str(self._base))
        greeted(self._base + 143)

    @property
    def pid(self) -> int:
        return int((self._home / "run" / "master.pid").read_text())

    def provide(self, users: int) -> None:
        lines = [f"u{number}:{{PLAIN}}{PASSWORD}\n" for number in range(1, users + 1)]
        (self._home / "users").write_text("".join(lines))

    def start(self) -> float:
        assert not self._is_running, "it is not running"
        began = time.perf_counter()
        subprocess.run(["dovecot", "-c", self._home / "dovecot.conf"], check=True, timeout=READY_SECONDS)
        self._is_running = True
        return greeted(self._base + 143) - began

    def stop(self) -> None:
        if not self._is_running:
            return
        master = self.pid
        os.kill(master, signal.SIGTERM)
        until = time.monotonic() + 60
        while Path(f"/proc/{master}").exists():
            if time.monotonic() > until:
                raise DidNotStart(f"Dovecot's master process {master} does not end")
            time.sleep(0.02)
        self._is_running = False

    end = stop  # its master process ends the others, which a SIGKILL of it would leave behind

    def target(self, users: int) -> Target:
        names = [f"u{number}" for number in range(1, users + 1)]
        lmtp = (HOST, self._base + 24)
        return Target(THEIRS, (HOST, self._base + 143), lmtp, self.pid, PASSWORD, DOMAIN, False, names)

    def remove(self) -> None:
        """Ends it, if it ever began, and takes away all that it had."""
        if (self._home / "run" / "master.pid").exists():
            self.stop()
        shutil.rmtree(self._home, ignore_errors=True)


def greeted(port: int, process: subprocess.Popen[bytes] | None = None) -> float:
    """Waits for a server's greeting; the time (perf_counter) when it was there.  Raises DidNotStart."""
    until = time.perf_counter() + READY_SECONDS
    while time.perf_counter() < until:
        if process is not None and process.poll() is not None:
            raise DidNotStart(f"the server ended with {process.returncode}")
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), 5) as probe:
            if probe.recv(4) == b"* OK":
                return time.perf_counter()
        time.sleep(0.002)
    raise DidNotStart(f"no greeting at port {port} within {READY_SECONDS} s")


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A directory on the disk of the project: /tmp may be memory, and then a sync costs nothing."""
    directory = Path(tempfile.mkdtemp(prefix=".bench-", dir=ROOT))
    directory.chmod(0o755)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextlib.contextmanager
def penfold(*, workers: int, users: int) -> Iterator[Penfold]:
    """A fresh one with so many users, which is not running yet."""
    with scratch() as directory:
        server = Penfold(directory, workers=workers)
        try:
            server.provide(users)
            yield server
            server.stop()
        finally:
            server.end()


@contextlib.contextmanager
def dovecot() -> Iterator[Dovecot]:
    """A fresh one, which is running."""
    server = Dovecot()
    try:
        server.set_up()
        yield server
    finally:
        server.remove()
