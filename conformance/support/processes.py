"""Programs of other people, run with a time limit, and ports that nobody uses."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from conformance.support.packages import require

COMMAND_SECONDS = 30.0
HOST = "127.0.0.1"
T = TypeVar("T")


@dataclass(frozen=True)
class Finished:
    """What a program left."""

    code: int
    output: str  # and errors


def run(
    *command: str | Path,
    timeout: float = COMMAND_SECONDS,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Finished:
    """Runs a client to its end; one that hangs is an assertion with what it said so far."""
    words = [str(word) for word in command]
    require(words[0])
    environment = {**os.environ, "LC_ALL": "C.UTF-8", **(env or {})}
    # Files, not pipes: a daemon that the program leaves behind would hold a pipe open.
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as given:
        given.write(stdin)
        given.seek(0)
        process = subprocess.Popen(
            words, stdin=given, stdout=said, stderr=subprocess.STDOUT, env=environment, cwd=cwd, start_new_session=True
        )
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            code = None
        said.seek(0)
        output = said.read().decode(errors="replace")
    assert code is not None, f"{words} took more than {timeout} s; it said:\n{output}"
    return Finished(code, output)


def succeed(*command: str | Path, timeout: float = COMMAND_SECONDS, **options: object) -> str:
    """Like run, for what must end well; its output."""
    done = run(*command, timeout=timeout, **options)  # type: ignore[arg-type]
    assert done.code == 0, f"{[str(word) for word in command]} ended with {done.code}:\n{done.output}"
    return done.output


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


_next_base = [20000 + os.getpid() % 40 * 250]


def free_base(*offsets: int) -> int:
    """A port base above which all these ports are free."""
    for _ in range(200):
        base = _next_base[0]
        _next_base[0] += 10
        if all(is_free(base + offset) for offset in offsets):
            return base
    raise AssertionError("no free ports")


def eventually(condition: Callable[[], object], *, seconds: float = 10.0, every: float = 0.05, what: str = "") -> None:
    """Waits until something holds."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"not within {seconds} s: {what or condition}"
        time.sleep(every)


def becomes(look: Callable[[], T], wanted: T, *, seconds: float = 30.0) -> None:
    """Waits until that is what one sees."""
    until = time.monotonic() + seconds
    while (seen := look()) != wanted and time.monotonic() < until:
        time.sleep(0.05)
    assert seen == wanted, f"{seen!r} is not {wanted!r}"


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


def stop(process: subprocess.Popen[bytes], *, seconds: float = 20.0) -> int:
    """Asks a child to end, and insists after a while."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"{process.args!r} did not end within {seconds} s of SIGTERM") from None
    return process.returncode


def remove(directory: Path) -> None:
    shutil.rmtree(directory, ignore_errors=True)
