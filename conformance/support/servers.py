"""Servers for the length of a test module: Penfold, and a private Dovecot beside it."""

import contextlib
import os
import signal
import ssl
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from conformance.support.imap import Imap
from conformance.support.packages import require
from conformance.support.processes import HOST, eventually, free_base, is_listening, remove, stop, succeed

ROOT = Path(__file__).parents[2]
PASSWORD = "pass"
START_SECONDS = 60.0


def scratch(name: str) -> Path:
    """A directory that other users may enter: the daemons of others run as such."""
    directory = Path(tempfile.mkdtemp(prefix=f"penfold-{name}."))
    directory.chmod(0o755)
    return directory


class Penfold:
    """A Penfold server of our own, in a process of its own."""

    def __init__(
        self,
        directory: Path,
        *,
        users: int = 3,
        options: Sequence[str] = (),
        environment: Mapping[str, str] = MappingProxyType({}),
        workers: int | None = None,
        under: Sequence[str] = (),
    ) -> None:
        """With options, `conformance.support.serve` makes the settings; without, `penfold demo` does.

        `workers`: how many processes; None: as many as it likes.  `under`: a program that runs it, with its arguments.
        """
        self.directory = directory
        self.base = free_base(24, 25, 143, 993)
        self._users = users
        self._options = tuple(options)
        self._environment = environment
        self._under = tuple(under)
        self.workers = workers  # from the next start on
        self._process: subprocess.Popen[bytes] | None = None
        self.log = directory.parent / f"{directory.name}.log"

    imap = property(lambda self: self.base + 143)
    imaps = property(lambda self: self.base + 993)
    smtp = property(lambda self: self.base + 25)
    lmtp = property(lambda self: self.base + 24)

    @property
    def certificate(self) -> Path:
        return self.directory / "tls" / "certificate.pem"

    @property
    def pid(self) -> int:
        return int((self.directory / "run" / "penfold.pid").read_text())

    def start(self) -> "Penfold":
        """Returns once it is ready."""
        assert self._process is None, "it is running"
        program = (
            [sys.executable, "-m", "conformance.support.serve", *self._options]
            if self._options
            else [str(Path(sys.executable).parent / "penfold"), "demo", "--no-sample"]
        )
        arguments = ["--dir", self.directory, "--port-base", self.base, "--users", self._users, "--password", PASSWORD]
        if self.workers is not None:
            arguments += ["--workers", self.workers]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._under, *program, *(str(argument) for argument in arguments)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=ROOT,
                env={**os.environ, **self._environment},
                start_new_session=True,
            )
        assert self._process.stdout is not None, "it is a pipe"
        for line in self._process.stdout:
            if line.strip() == b"ready":
                return self
        code = self._process.wait()
        self._forget()
        raise AssertionError(f"the server ended with {code}:\n{self.log.read_text()}")

    def stop(self) -> None:
        """SIGTERM, and its log must tell of no fault."""
        if self._process is not None:
            code = stop(self._process)
            self._forget()
            assert code == 0, f"the server ended with {code}:\n{self.log.read_text()[-8000:]}"
        self.check_log()

    def kill(self) -> None:
        """SIGKILL, to all its processes at once."""
        assert self._process is not None, "it is not running"
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._forget()

    def _forget(self) -> None:
        assert self._process is not None, "it was running"
        assert self._process.stdout is not None, "it is a pipe"
        self._process.stdout.close()
        self._process = None

    def check_log(self) -> None:
        """No test may bring the server to a fault of its own, whatever a client sends."""
        said = self.log.read_text(errors="replace")
        assert not any(word in said for word in ("Traceback", "fault")), f"the server's log:\n{said[-8000:]}"

    def administer(self, *words: str) -> str:
        """What `penfold` says to an administrator's words while the server runs."""
        return succeed(Path(sys.executable).parent / "penfold", *words, "--dir", self.directory)

    def tls(self) -> ssl.SSLContext:
        """A client's context that trusts the server's certificate, and nothing else."""
        return ssl.create_default_context(cafile=str(self.certificate))

    def client(self, user: str = "u1", *, tls: bool = False) -> Imap:
        """A session that is signed in."""
        client = Imap(HOST, self.imaps if tls else self.imap, tls=self.tls() if tls else None)
        client.ok(f"LOGIN {user} {PASSWORD}")
        return client

    def memory(self) -> tuple[int, int]:
        """VmRSS and VmHWM of all its processes together, in octets."""
        found: Counter[str] = Counter()
        for process in self._processes():
            for line in (process / "status").read_text().splitlines():
                name, _, value = line.partition(":")
                if name in ("VmRSS", "VmHWM"):
                    found[name] += int(value.split()[0]) * 1024
        return found["VmRSS"], found["VmHWM"]

    def reset_peak(self) -> None:
        """VmHWM begins anew (proc(5), clear_refs)."""
        for process in self._processes():
            (process / "clear_refs").write_text("5")

    def _processes(self) -> list[Path]:
        """The supervisor and its workers."""
        assert self._process is not None, "it is running"
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if int((process / "stat").read_text().rpartition(")")[2].split()[2]) == self._process.pid:
                    found.append(process)
        return found


class Dovecot:
    """Debian's Dovecot with the benchmark's configuration: sdbox, plain passwords, no TLS."""

    SCRIPT = ROOT / "conformance" / "bench" / "peers" / "dovecot.sh"

    def __init__(self, directory: Path, *, more: str = "") -> None:
        """With more configuration than the benchmark's; `DIR` in it is the directory."""
        require("dovecot")
        self.directory = directory
        (directory / "more.conf").write_text(more.replace("DIR", str(directory)))
        self.base = free_base(24, 143)
        self.imap = self.base + 143

    def start(self) -> "Dovecot":
        succeed("sh", self.SCRIPT, "start", self.directory, str(self.base))
        eventually(lambda: is_listening(self.imap), what="Dovecot listens")
        return self

    def stop(self) -> None:
        succeed("sh", self.SCRIPT, "stop", self.directory)
        eventually(lambda: not (self.directory / "run" / "master.pid").exists(), what="Dovecot has ended")

    def client(self, user: str = "u1") -> Imap:
        client = Imap(HOST, self.imap)
        client.ok(f"LOGIN {user} {PASSWORD}")
        return client


__all__ = ["HOST", "PASSWORD", "ROOT", "Dovecot", "Penfold", "remove", "scratch"]
