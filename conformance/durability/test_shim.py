"""The shim sees what the kernel sees: strace counts the same calls, on the same files, at the same time.

That the octets are the same, too, is shown where the recording is replayed.
"""

import os
import re
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from conformance.durability.load import USERS, Load, crew
from conformance.durability.recording import Kind, events
from conformance.durability.scene import Server
from conformance.durability.shim import Shim
from conformance.support.packages import require
from conformance.support.servers import remove, scratch

STEPS = 8
CALLS = {
    **dict.fromkeys(("write", "writev", "pwrite64", "pwritev", "pwritev2"), "write"),
    **dict.fromkeys(("fsync", "fdatasync"), "sync"),
    **dict.fromkeys(("sendto", "sendmsg", "sendmmsg"), "send"),
    "ftruncate": "truncate",
    # Nothing in Penfold does this to its files today; the shim would not see it.
    **dict.fromkeys(("fallocate", "copy_file_range", "sendfile", "splice", "sync_file_range", "msync"), "unseen"),
}
KINDS = {Kind.WRITE: "write", Kind.SYNC_DONE: "sync", Kind.TRUNCATE: "truncate"}
LINE = re.compile(r"\d+ +(\w+)\(\d+<([^>]*)>")


class Traced(Server):
    """strace hands on no signal."""

    def stop(self) -> None:
        assert self._process is not None, "it is running"
        os.kill(self.pid, signal.SIGTERM)
        assert self._process.wait(30) == 0
        self._forget()
        self.check_log()


def traced(output: Path, root: Path) -> Iterator[tuple[str, str]]:
    """(kind of call, file below the root; empty for a socket)."""
    for line in output.read_text(errors="replace").splitlines():
        if found := LINE.match(line):
            call, target = found.groups()
            if target.startswith(f"{root}/") or target == str(root):
                yield CALLS[call], target
            elif target.startswith("socket:"):
                yield "send", ""


def recorded(log: Path) -> Iterator[tuple[str, str]]:
    for event in events(log):
        if event.kind in KINDS:
            yield KINDS[event.kind], event.path
        elif event.kind is Kind.SENDS:
            yield "send", ""


def test_strace_counts_the_same_calls() -> None:
    require("strace")
    directory = scratch("strace")
    root, output = directory / "penfold", directory / "strace"
    shim = Shim(directory, root)
    strace = ("strace", "-f", "-y", "-qq", "-o", str(output), "-e", f"trace={','.join(CALLS)}")
    server = Traced(root, users=USERS, environment=shim.environment, workers=2, under=strace)
    try:
        server.start()
        Load(crew(6), server, STEPS).start().join()
        server.stop()
        there, seen = Counter(traced(output, root)), Counter(recorded(shim.log))
        assert there == seen
        assert {kind for kind, _ in seen} == {"write", "sync", "truncate", "send"}
        print(f"\n{seen.total()} calls, by strace as by the shim")
    finally:
        server.end()
        remove(directory)
