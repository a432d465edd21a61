"""A small document with one row of each kind; nothing in it was measured."""

from collections.abc import Mapping, Sequence

from conformance.bench.goals import CURVES, FLAT, TABLE
from conformance.bench.results import OURS, THEIRS, About, Better, Curve, Document, Goal, Row, Table, row

ABOUT = About(
    date="2026-12-01T06:00:00+00:00",
    workers=2,
    rounds=3,
    quick=False,
    versions={"Penfold": "0.1.0", "Dovecot": "2.3.19.1"},
    machine={"cores": "2", "fsync of 8 KB": "0.25 ms"},
)


def pair(
    metric: str,
    ours: Sequence[float],
    theirs: Sequence[float],
    *,
    unit: str = "msg/s",
    better: Better = "more",
    goal: Goal | None = None,
    size: int | None = None,
    trouble: Mapping[str, str] | None = None,
) -> Row:
    """A row of both servers."""
    return row(metric, unit, better, {OURS: ours, THEIRS: theirs}, goal=goal, size=size, trouble=trouble)


def ratio(bound: float) -> Goal:
    return Goal(bound=bound, of="ratio")


def folder(deliver: Sequence[float] = (1.0, 1.1, 1.2), select: Sequence[float] = (2.0, 20.0, 400.0)) -> Curve:
    """Ours alone, at three sizes; each size in three rounds that differ by a tenth."""
    rows = [
        row(
            metric,
            "ms",
            "less",
            {OURS: (cost * 0.95, cost, cost * 1.05)},
            goal=CURVES["folder"][metric].goal,
            size=size,
        )
        for metric, costs in (("deliver", deliver), ("select_cold", select))
        for size, cost in zip((100, 10_000, 1_000_000), costs, strict=True)
    ]
    return Curve(axis="folder", about=ABOUT, rows=tuple(rows), flat={"deliver": FLAT["folder"]["deliver"]})


TABLE_ROWS = (
    pair("lmtp_deliver_16", (1000.0, 1100.0, 1200.0), (500.0, 500.0, 500.0), goal=TABLE["lmtp_deliver_16"].goal),
    pair("imap_copy", (10.0, 11.0, 12.0), (40.0, 40.0, 40.0), unit="ms", better="less"),
    pair("imap_append", (1000.0, 1000.0, 1000.0), (900.0, 1000.0, 950.0), goal=TABLE["imap_append"].goal),
    pair("idle_notify_p50", (0.04, 0.04, 0.05), (500.0, 500.0, 501.0), unit="ms", better="less"),
    pair("idle_memory_base", (176.0,), (10.5,), unit="MiB", better="less"),
    pair(
        "select_memory_readers", (1.2, 1.2, 1.2), (), unit="KiB/conn", better="less", trouble={THEIRS: "n/a (no ACL)"}
    ),
)


def document(*rows: Row, curves: Sequence[Curve] | None = None) -> Document:
    """With these rows in the table, or with those above."""
    found = (folder(),) if curves is None else tuple(curves)
    return Document(table=Table(about=ABOUT, rows=rows or TABLE_ROWS), curves=found)
