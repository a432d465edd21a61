"""mailbench, run in a process of its own against servers that are there, and what it gave as rows."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from conformance.bench.clients import Target
from conformance.bench.goals import MORE, Metric
from conformance.bench.results import OURS, THEIRS, Row, row
from conformance.bench.servers import USERS, Server
from conformance.support.servers import ROOT

NAMES = {"A": OURS, "B": THEIRS}  # as mailbench calls them

LONGEST_SECONDS = 2 * 3600  # some eight times what three rounds take


class MailbenchFailed(Exception):
    """It ended without results."""


def measure(
    ours: Server,
    theirs: Server | None,
    *,
    wanted: Mapping[str, Metric],
    rounds: int,
    quick: bool,
    only: str = "",
    size: int | None = None,
) -> list[Row]:
    """Its metrics, those that failed too; `wanted`: which way is better, and the goals.  Raises MailbenchFailed."""
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=ROOT) as directory:
        path = Path(directory) / "mailbench.json"
        command = [sys.executable, "-m", "conformance.bench.mailbench", "--rounds", str(rounds)]
        command += ["--json", str(path), "--probe-dir", directory, *_addressed("", ours.target(USERS))]
        command += _addressed("vs-", theirs.target(USERS)) if theirs is not None else []
        command += ["--quick"] if quick else []
        command += ["--only", only] if only else []
        try:
            ended = subprocess.run(command, check=False, cwd=ROOT, timeout=LONGEST_SECONDS)
        except subprocess.TimeoutExpired as fault:
            raise MailbenchFailed(f"mailbench took more than {LONGEST_SECONDS} s") from fault
        if not path.exists():
            raise MailbenchFailed(f"mailbench ended with {ended.returncode} and without results")
        results = json.loads(path.read_text())["results"]
    return [_row(metric, found, wanted.get(metric, MORE), size) for metric, found in results.items()]


def _addressed(prefix: str, target: Target) -> list[str]:
    assert target.lmtp is not None, "both servers have it"
    return [
        *(f"--{prefix}imap", "{}:{}".format(*target.imap)),
        *(f"--{prefix}lmtp", "{}:{}".format(*target.lmtp)),
        *(f"--{prefix}pid", str(target.pid)),
    ]


def _row(metric: str, found: dict, wanted: Metric, size: int | None) -> Row:
    return row(
        metric,
        found["unit"],
        wanted.better,
        {NAMES[target]: values for target, values in found["values"].items()},
        goal=wanted.goal_at(size or 0),
        trouble={NAMES[target]: text for target, text in found["trouble"].items()},
        client_cpu={NAMES[target]: used for target, used in found["client_cpu"].items() if used is not None},
        size=size,
    )
