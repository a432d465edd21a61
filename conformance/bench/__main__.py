"""`make bench`: mailbench against a fresh Penfold and a fresh Dovecot, and its table as docs/benchmarks.md."""

import argparse
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PENFOLD, DOVECOT = 21000, 24000  # port bases, below those that the system gives to clients
READY_SECONDS = 120

# Metric -> (goal as a ratio to Dovecot, whether less is better).  None: no goal yet.
GOALS: dict[str, tuple[float | None, bool]] = {
    "lmtp_deliver_1": (None, False),
    "lmtp_deliver_16": (2.0, False),
    "lmtp_fanout": (5.0, False),
    "imap_login_select": (2.0, False),
    "imap_fetch_headers_cold": (3.0, False),
    "imap_fetch_headers_warm": (1.0, False),
    "imap_fetch_bodies_1": (0.7, False),
    "imap_fetch_bodies_16": (0.7, False),
    "imap_search_header_cold": (None, True),
    "imap_search_header_warm": (None, True),
    "imap_search_text_cold": (None, True),
    "imap_search_text_warm": (None, True),
    "imap_search_body_cold": (None, True),
    "imap_search_body_warm": (None, True),
    "beside_fetch_idle_p50": (None, True),
    "beside_fetch_idle_p95": (None, True),
    "beside_fetch_p50": (None, True),
    "beside_fetch_p95": (None, True),
    "beside_fetch_ratio": (None, True),
    "beside_searches": (None, False),
    "imap_sort_date": (1.0, True),
    "imap_sort_subject": (1.0, True),
    "imap_thread_references": (1.0, True),
    "imap_select_huge": (None, True),
    "imap_qresync_unchanged": (None, True),
    "imap_qresync_1000": (1.0, True),
    "imap_store_single_16": (0.5, False),
    "imap_store_bulk": (None, False),
    "imap_append": (1.5, False),
    "imap_copy": (None, True),
    "imap_move": (None, True),
    "imap_expunge": (None, True),
    "imap_list_status": (1.5, True),
    "idle_notify_p50": (None, True),
    "idle_notify_p99": (None, True),
    "idle_notify_from_data_p50": (None, True),
    "select_cold": (None, True),
    "select_warm": (None, True),
    "select_memory": (None, True),
    "select_memory_readers": (None, True),
    "idle_memory": (None, True),
    "idle_memory_base": (None, True),
    "mixed": (1.2, False),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the work: a smoke test, not a measurement")
    parser.add_argument("--rounds", default="3")
    parser.add_argument("--only", default="")
    parser.add_argument("--workers", default=str(os.cpu_count()), help="of Penfold; one for each core if not given")
    parser.add_argument("--write", type=Path, default=ROOT / "docs" / "benchmarks.md")
    args = parser.parse_args()
    # Not /tmp: it may be memory, and then a sync costs nothing.
    scratch = Path(tempfile.mkdtemp(prefix=".bench-", dir=ROOT))
    scratch.chmod(0o755)
    try:
        results = measure(scratch, args)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if not args.only:
        args.write.write_text(table(results, quick=args.quick, workers=args.workers))
    return 0


def measure(scratch: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Runs both servers and the load; mailbench's JSON."""
    home = Path(tempfile.mkdtemp(prefix="dovecot-bench-", dir="/var/tmp"))  # its user must be able to get there
    home.chmod(0o755)
    dovecot = HERE / "peers" / "dovecot.sh"
    subprocess.run(["sh", dovecot, "start", home, str(DOVECOT)], check=True)
    penfold = start_penfold(scratch, args.workers)
    report = scratch / "report.json"
    command = [sys.executable, "-m", "conformance.bench.mailbench", "--rounds", args.rounds]
    command += ["--json", report, "--probe-dir", scratch]
    command += [
        "--imap",
        f"127.0.0.1:{PENFOLD + 143}",
        "--lmtp",
        f"127.0.0.1:{PENFOLD + 24}",
        "--pid",
        str(penfold.pid),
    ]
    command += ["--vs-imap", f"127.0.0.1:{DOVECOT + 143}", "--vs-lmtp", f"127.0.0.1:{DOVECOT + 24}"]
    command += ["--vs-pid", (home / "run" / "master.pid").read_text().strip()]
    command += ["--quick"] if args.quick else []
    command += ["--only", args.only] if args.only else []
    try:
        subprocess.run(command, check=True, cwd=ROOT)
        return dict(json.loads(report.read_text()))
    finally:
        penfold.send_signal(signal.SIGTERM)
        penfold.wait(30)
        subprocess.run(["sh", dovecot, "stop", home], check=False)
        time.sleep(1)
        shutil.rmtree(home, ignore_errors=True)


def start_penfold(scratch: Path, workers: str) -> subprocess.Popen[str]:
    """A demo of 1,000 users without mail, once it is ready."""
    script = ROOT / ".venv" / "bin" / "penfold"
    options = ["--dir", scratch / "penfold", "--port-base", str(PENFOLD), "--users", "1000", "--password", "pass"]
    options += ["--no-sample", "--workers", workers]
    server = subprocess.Popen([script, "demo", *options], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None, "it was asked for"
    until = time.monotonic() + READY_SECONDS
    for line in server.stdout:
        if line.strip() == "ready":
            return server
        if time.monotonic() > until:
            break
    raise SystemExit("Penfold did not start")


def table(results: dict[str, Any], *, quick: bool, workers: str) -> str:
    """The page: machine, versions, a row for each metric."""
    about = results["about"]
    dovecot = subprocess.run(["dovecot", "--version"], capture_output=True, text=True, check=True).stdout.split()[0]
    lines = [
        "# Benchmarks",
        "",
        f"Penfold ({workers} worker processes) beside Debian's Dovecot in the same run, rounds in turn; medians.",
        "Made by `make bench`; only ratios of one run mean anything, and differences under 15 % are nothing.",
        "Every answer is checked: a wrong one fails the workload. What each row does is in",
        "[mailbench.py](../conformance/bench/mailbench.py). Dovecot syncs what it acknowledges by its default",
        "(`mail_fsync=optimized`, flags not synced); Penfold syncs every change before it answers.",
        "",
        f"{about['date']}, {about['cpus']} CPUs, {platform.machine()}, Linux {os.uname().release}, "
        f"Python {about['python']}, Dovecot {dovecot}, fsync of 8 KB {about['machine']['fsync_ms']} ms"
        + (", **quick run: a smoke test, not a measurement**" if quick else ""),
        "",
        "| workload | unit | Penfold | Dovecot | ratio | goal | |",
        "|---|---|---|---|---|---|---|",
    ]
    return "\n".join(lines + [row(name, values) for name, values in results["results"].items()]) + "\n"


def row(name: str, values: dict[str, Any]) -> str:
    goal, less_is_better = GOALS.get(name, (None, False))
    ours, theirs = (values["median"].get(target) for target in "AB")
    ratio = values.get("ratio")
    if ratio is None:
        trouble = "; ".join(f"{target}: {text}" for target, text in values["trouble"].items())
        return f"| {name} | {values['unit']} | {number(ours)} | {number(theirs)} | | | {trouble} |"
    met = goal is None or (ratio <= goal if less_is_better else ratio >= goal)
    wanted = "" if goal is None else f"{'≤' if less_is_better else '≥'} {goal}"
    verdict = "" if goal is None else ("met" if met else "**missed**")
    return f"| {name} | {values['unit']} | {number(ours)} | {number(theirs)} | {ratio:.2f} | {wanted} | {verdict} |"


def number(value: float | None) -> str:
    return "n/a" if value is None else f"{value:,.4g}"


if __name__ == "__main__":
    sys.exit(main())
