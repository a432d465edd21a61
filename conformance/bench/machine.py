"""Where and of what something was measured: versions, the machine, and what it does at the moment."""

import datetime
import os
import platform
import ssl
import subprocess
from pathlib import Path

import apsw

from conformance.bench.mailbench import calibrate
from conformance.bench.results import About
from conformance.support.servers import ROOT


def about(disk: Path, *, workers: int | None, rounds: int, quick: bool) -> About:
    """As it is now; `disk`: a directory on the disk that the servers write to."""
    found = calibrate(str(disk))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return About(
        date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        workers=workers,
        rounds=rounds,
        quick=quick,
        versions={
            "Penfold": f"{_said(str(ROOT / '.venv' / 'bin' / 'penfold'), 'version')}{_commit()}",
            "Python": platform.python_version(),
            "SQLite": apsw.sqlite_lib_version(),
            "OpenSSL": ssl.OPENSSL_VERSION.split()[1],
            "Dovecot": _said("dovecot", "--version").partition(" ")[0],
            "Linux": platform.release(),
        },
        machine={
            "cores": str(os.cpu_count()),
            "processor": f"{_processor()} ({platform.machine()})",
            "memory": f"{memory / 2**30:.0f} GiB",
            "fsync of 8 KB": f"{found['fsync_ms']} ms",
            "a million turns of a Python loop": f"{found['python_loop_ms']} ms",
            "load before": f"{found['load_1min']:.2f}",
        },
    )


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()


def _commit() -> str:
    """The commit in brackets, where this is a clone."""
    command = ["git", "-C", ROOT, "describe", "--always", "--dirty", "--exclude=*"]
    found = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    return f" ({found.stdout.strip()})" if found.returncode == 0 else ""


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
