"""mailbench: black-box performance benchmark for any IMAP + LMTP server.

    python -m conformance.bench.mailbench --imap 127.0.0.1:143 --lmtp 127.0.0.1:24 --users u1..u1000
    python -m conformance.bench.mailbench --imap A:143 --lmtp A:24 --vs-imap B:143 --vs-lmtp B:24   # A,B,A,B; ratio A/B
    python -m conformance.bench.mailbench ... --only imap_append,imap_search_text --quick --json out.json

Only the Python 3.11 standard library is used; the load comes from this one process (blocking sockets, one thread per
connection), so every result also shows how much of one core the *client* used ("client CPU"): near 100 % the
number is a floor set by this program, not by the server.

Rules every workload keeps:
  * what is timed is only the protocol exchange; making mails, filling mailboxes and checking answers is outside;
  * the answers are checked (reply codes, counts, sizes, bytes): a wrong answer is a FAILED workload, never a number;
  * each round uses a fresh mailbox/users where the state matters, and rounds alternate between the two targets;
  * a server without a needed capability gets "n/a", with the reason.

Mail corpus (corpus.py): message number i is a pure function of (seed, i), but for a tag of the run in its Message-IDs.
Sizes are lognormal, median 8 KiB, mean about 40 KB, cut at 600 B .. 4 MB: small ones text/plain (one in five UTF-8 base64), middle ones multipart/alternative with HTML in
quoted-printable, large ones multipart/mixed with base64 attachments; four-message threads with References, DKIM-like
and Received headers, and lines that need dot-stuffing.  Search words are planted: 1 message in 100 has a given rare
body word, subject word and body phrase.
"""

import argparse
import datetime
import json
import os
import re
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

import conformance.bench.workloads  # noqa: F401 - they enter themselves into WORKLOADS
from conformance.bench.clients import Imap, Target
from conformance.bench.harness import WORKLOADS, Bench


def report(rows: dict[str, dict], names: list[str]) -> list[str]:
    """Table lines for some metrics; adds to each row its medians and, with two targets, the ratio A/B."""
    lines = []
    for metric, row in rows.items():
        row["median"] = {
            n: statistics.median(v) if (v := row["values"][n]) and n not in row["trouble"] else None for n in names
        }
        text = f"{metric:27} {row['unit']:9}"
        for n in names:
            v = row["values"][n]
            if n in row["trouble"] or not v:  # one bad round spoils the workload
                text += f" {row['trouble'].get(n, 'no value')[:160]}"
            else:
                text += f" {row['median'][n]:>10.4g} [{min(v):.4g}..{max(v):.4g}] cpu{100 * (row['client_cpu'][n] or 0):3.0f}%"
        if len(names) == 2 and all(row["median"].values()):
            row["ratio"] = statistics.median(x / y for x, y in zip(*(row["values"][n] for n in names)) if y)
            quicker = row["ratio"] if row["unit"].endswith("/s") else 1 / row["ratio"]
            text += (
                f"  A/B = {row['ratio']:.3f} ({'A' if quicker >= 1 else 'B'} better x{max(quicker, 1 / quicker):.2f})"
            )
        lines.append(text)
    return lines


def calibrate(directory: str) -> dict:
    """What this machine does at the moment, so that numbers of different days can be judged: fsync of an 8 KB append
    (median of 30, on the disk of --probe-dir) and a fixed pure-Python loop."""
    times = []
    with tempfile.TemporaryFile(dir=directory, buffering=0) as f:
        for _ in range(30):
            f.write(b"x" * 8192)
            t0 = time.perf_counter()
            os.fsync(f.fileno())
            times.append(time.perf_counter() - t0)
    t0 = time.perf_counter()
    sum(k * k for k in range(1_000_000))
    return {
        "fsync_ms": round(statistics.median(times) * 1000, 2),
        "python_loop_ms": round((time.perf_counter() - t0) * 1000, 1),
        "load_1min": os.getloadavg()[0],
    }


def endpoint(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def user_range(text: str) -> list[str]:
    m = re.fullmatch(r"(.*?)(\d+)\.\.\1(\d+)", text)
    if not m:
        raise argparse.ArgumentTypeError("write users as u1..u1000")
    return [f"{m[1]}{k}" for k in range(int(m[2]), int(m[3]) + 1)]


def main() -> int:
    ap = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0],
        epilog="Workloads: " + ", ".join(WORKLOADS),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    ap.add_argument("--imap", type=endpoint, required=True, metavar="HOST:PORT")
    ap.add_argument("--lmtp", type=endpoint, metavar="HOST:PORT")
    ap.add_argument("--pid", type=int, help="server's main process, for idle_memory")
    ap.add_argument("--vs-imap", type=endpoint, metavar="HOST:PORT", help="second target (B): A, B, B, A, ...")
    ap.add_argument("--vs-lmtp", type=endpoint, metavar="HOST:PORT")
    ap.add_argument("--vs-pid", type=int)
    ap.add_argument(
        "--users",
        type=user_range,
        default=user_range("u1..u1000"),
        help="u1..u1000; every workload has its own slice of the first 950",
    )
    ap.add_argument("--password", default="pass")
    ap.add_argument("--domain", default="example.com", help="for recipient addresses")
    ap.add_argument("--login-domain", action="store_true", help="log in as user@domain")
    ap.add_argument("--only", default="", help="comma-separated workloads")
    ap.add_argument("--rounds", type=int, default=3)
    ap.add_argument("--messages", type=int, help="size of the large mailbox (10000; 1000 with --quick)")
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--quick", action="store_true", help="about a tenth of the work: a smoke test, not a measurement")
    ap.add_argument(
        "--probe-dir", default=tempfile.gettempdir(), help="where to measure fsync (the disk of the server)"
    )
    ap.add_argument("--json", type=Path)
    args = ap.parse_args()
    chosen = [w for w in args.only.split(",") if w] or list(WORKLOADS)
    if unknown := set(chosen) - set(WORKLOADS):
        ap.error(f"unknown workloads {sorted(unknown)}; there are {', '.join(WORKLOADS)}")
    if len(args.users) < 950:
        ap.error("--users must name at least 950 users")
    chosen.sort(key=lambda w: ("idle_memory", "select_memory", w).index(w))  # these first: they want a fresh server
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    sys.setswitchinterval(0.0005)  # many short-running threads
    common = (args.password, args.domain, args.login_domain, args.users)
    targets = [Target("A", args.imap, args.lmtp, args.pid, *common)]
    if args.vs_imap:
        targets.append(Target("B", args.vs_imap, args.vs_lmtp, args.vs_pid, *common))
    bench, names, everything = Bench(args, targets), [t.name for t in targets], {}
    about = {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "cpus": os.cpu_count(),
        "python": sys.version.split()[0],
        "seed": args.seed,
        "quick": args.quick,
        "rounds": args.rounds,
        "messages": bench.big_size,
        "machine": calibrate(args.probe_dir),
        "targets": {},
    }
    print("machine:", about["machine"])
    for t in targets:
        c = Imap(t)
        about["targets"][t.name] = {
            "imap": t.imap,
            "lmtp": t.lmtp,
            "greeting": c.greeting.decode(errors="replace"),
            "capabilities": sorted(t.capabilities()),
        }
        print(f"{t.name}: {t.imap} {c.greeting.decode(errors='replace')[:100]}")
        c.close()
    failed = False
    for name in chosen:
        rows = bench.run(name)
        print("\n".join(report(rows, names)), flush=True)
        everything |= rows
        failed |= any(reason.startswith("FAILED") for row in rows.values() for reason in row["trouble"].values())
    for t in targets:  # leave nothing behind
        for user, key in ((0, "big"), (340, "source")):
            if key in t.boxes:
                c = Imap(t, t.user(user))
                c.cmd(f"DELETE {t.boxes[key]}")
                c.quit()
        if "list" in t.boxes:
            c = Imap(t, t.user(341))
            for k in range(200):
                c.cmd(f"DELETE {t.boxes['list']}{k:03d}")
            c.quit()
    if args.json:
        args.json.write_text(json.dumps({"about": about, "results": everything}, indent=1))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
