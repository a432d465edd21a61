"""`make bench` and `make bench-growth`: measures, and writes the JSON, the page and the plots.  It compares, too."""

import argparse
import os
import resource
import signal
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from conformance.bench import compare, servers
from conformance.bench.curves import connections, folder, mailboxes, workers
from conformance.bench.curves.measuring import Plan, corpus
from conformance.bench.goals import FLAT, TABLE
from conformance.bench.machine import about
from conformance.bench.publishing import publish
from conformance.bench.results import Curve, Document, Row, Table, UnknownDocument, load
from conformance.bench.workbench import MailbenchFailed, measure
from conformance.support.servers import ROOT

DOCUMENT = ROOT / "docs" / "benchmarks.json"


class Course(NamedTuple):
    """How an axis is measured, at which sizes, and up to which of them beside Dovecot."""

    rows: Callable[[Plan], Iterator[list[Row]]]  # of one size after the other
    sizes: Sequence[int]
    quick: Sequence[int]
    peer_up_to: int


COURSES: Mapping[str, Course] = {
    "folder": Course(folder.rows, [100, 1000, 10_000, 100_000, 1_000_000], [100, 400], 1_000_000),
    "mailboxes": Course(mailboxes.rows, [10, 100, 1000, 10_000], [10, 40], 10_000),
    "connections": Course(connections.plain, [1, 10, 100, 1000, 10_000], [1, 20], 1000),
    "tls": Course(connections.encrypted, [1, 10, 100, 1000, 5000, 10_000], [1, 20], 0),
    "workers": Course(workers.rows, [1, 2, 3, 4], [1, 2], 64),
}


def main() -> int:
    """0: done; 1: a workload failed, or something is worse; 2: no document, or two that have nothing in common."""
    parser = argparse.ArgumentParser(prog="python -m conformance.bench", description=__doc__)
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--growth", action="store_true", help="measure the curves; if not given, the table")
    mode.add_argument("--compare", nargs=2, type=Path, metavar=("OLD", "NEW"), help="two documents")
    mode.add_argument("--render", action="store_true", help="make the page and the plots anew")
    parser.add_argument("--json", type=Path, help="the document, with its page and plots beside; docs/benchmarks.json")
    parser.add_argument("--quick", action="store_true", help="a tenth of the work: a smoke test, not a measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="of Penfold; one for each core")
    parser.add_argument("--only", default="", help="these workloads of the table, separated by commas")
    parser.add_argument("--axes", default=",".join(COURSES), help="these curves, separated by commas")
    parser.add_argument("--sizes", nargs="*", type=sizes, default=[], metavar="AXIS=N,N", help="other sizes of a curve")
    parser.add_argument("--alone", action="store_true", help="curves without Dovecot")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # ends the servers on the way out
    chosen = [axis for axis in args.axes.split(",") if axis]
    if unknown := {*chosen, *(axis for axis, _ in args.sizes)} - set(COURSES):
        parser.error(f"unknown axes {sorted(unknown)}; there are {', '.join(COURSES)}")
    try:
        if args.compare:
            return compare.tell(*map(load, args.compare))
        path = args.json or DOCUMENT
        if args.render:
            publish(path, load(path))
            return 0
        # What is not the whole of it does not take the place of what is.
        keeps = args.json or not (args.quick or args.only or args.sizes or args.alone)
        return growth(args, chosen, path if keeps else None) if args.growth else table(args, path if keeps else None)
    except UnknownDocument as fault:
        print(fault, file=sys.stderr)
        return 2
    except (servers.DidNotStart, MailbenchFailed) as fault:
        print(fault, file=sys.stderr)
        return 1


def sizes(text: str) -> tuple[str, list[int]]:
    """Such as folder=100,10000; raises ValueError."""
    axis, _, numbers = text.partition("=")
    return axis, sorted(int(number) for number in numbers.split(","))


def table(args: argparse.Namespace, path: Path | None) -> int:
    """Measures the table; `path`: the document that it goes into, if any."""
    document = known(path)
    with servers.penfold(workers=args.workers, users=servers.USERS) as ours, servers.dovecot() as theirs:
        told = about(ROOT, workers=args.workers, rounds=args.rounds, quick=args.quick)
        ours.start()
        rows = measure(ours, theirs, wanted=TABLE, rounds=args.rounds, quick=args.quick, only=args.only)
    if path is not None:
        publish(path, msgspec.structs.replace(document, table=Table(about=told, rows=tuple(rows))))
    return verdict(rows)


def growth(args: argparse.Namespace, chosen: Sequence[str], path: Path | None) -> int:
    """Measures curves; what has been measured is kept, whatever becomes of the next one."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # of the servers too, which inherit it
    wanted, failed = dict(args.sizes), 0
    for axis in chosen:
        course = COURSES[axis]
        along = wanted.get(axis) or (course.quick if args.quick else course.sizes)
        peer_up_to = 0 if args.alone else course.peer_up_to
        plan = Plan(along, peer_up_to, args.rounds, args.workers, args.quick, corpus(uuid.uuid4().hex[:6]))
        told = about(ROOT, workers=None if axis == "workers" else args.workers, rounds=args.rounds, quick=args.quick)
        try:
            rows = tuple(row for found in course.rows(plan) for row in found)
        except (servers.DidNotStart, MailbenchFailed) as fault:
            print(f"{axis}: {fault}", file=sys.stderr)
            failed = 1
            continue
        curve = Curve(axis=axis, about=told, rows=rows, flat=FLAT.get(axis, {}))
        if path is not None:
            publish(path, known(path).with_curve(curve))
        failed |= verdict(rows)
    return failed


def known(path: Path | None) -> Document:
    return load(path) if path is not None and path.exists() else Document()


def verdict(rows: Sequence[Row]) -> int:
    """1 if one of them failed, whoever's it is."""
    return int(any(text.startswith("FAILED") for row in rows for text in row.trouble.values()))


if __name__ == "__main__":
    sys.exit(main())
