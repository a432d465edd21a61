"""What was measured, as values and as one JSON document; the page, the plots and comparisons are made from it alone.

The document has a table (each workload once) and curves (some costs, along something that grows).  Each of these says
when, where and of what it was measured, for they are measured at different times.
"""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec import Struct

SCHEMA: Final = 1
OURS, THEIRS = "Penfold", "Dovecot"

# Times below are those of sockets and of the kernel's turns; twice as much of it is no growth.
NOTHING_MS: Final = 0.2

Better = Literal["more", "less"]


class Goal(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a row is to reach: at least `bound` where more is better, at most where less is."""

    bound: float
    of: Literal["ratio", "value"]  # to Dovecot's; or Penfold's own, in the unit of the row


class Row(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One metric, measured once in each round; in a curve, at one size."""

    metric: str
    unit: str
    better: Better
    values: Mapping[str, tuple[float, ...]]  # target -> what each round gave
    median: Mapping[str, float]  # of the targets that gave values in all rounds
    ratios: tuple[float, ...] = ()  # ours to theirs, of each round
    ratio: float | None = None  # their median
    goal: Goal | None = None
    trouble: Mapping[str, str] = {}  # target -> why it gave no values
    client_cpu: Mapping[str, float] = {}  # target -> how much of a core the client used meanwhile
    size: int | None = None  # where on its curve

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None without one.  A goal that could not be measured is missed."""
        if self.goal is None:
            return None
        found = self.ratio if self.goal.of == "ratio" else self.median.get(OURS)
        if found is None:
            return False
        return found >= self.goal.bound if self.better == "more" else found <= self.goal.bound

    @property
    def advantage(self) -> float | None:
        """How many times better than theirs ours is: above 1 better, below 1 worse."""
        return None if self.ratio is None else advantage(self.ratio, self.better)


class About(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of what, where, when and how it was measured."""

    date: str  # ISO 8601, UTC
    workers: int | None  # processes of Penfold; None where that is what the curve is along
    rounds: int
    quick: bool  # a smoke test, not a measurement
    versions: Mapping[str, str]  # program -> version
    machine: Mapping[str, str]  # what -> how much of it


class Table(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    about: About
    rows: tuple[Row, ...]


class Curve(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What some metrics are along an axis; a metric in `flat` is to stay the same."""

    axis: str
    about: About
    rows: tuple[Row, ...]
    flat: Mapping[str, float] = {}  # metric -> how often the cost of the smallest size the largest may cost

    def sizes(self) -> list[int]:
        return sorted({row.size for row in self.rows if row.size is not None})

    def metrics(self) -> list[str]:
        return list(dict.fromkeys(row.metric for row in self.rows))

    def along(self, metric: str) -> list[Row]:
        """The rows of a metric, by size."""
        return sorted((row for row in self.rows if row.metric == metric), key=lambda row: row.size or 0)

    def growth(self, metric: str) -> float | None:
        """How often the cost of the smallest size, in ms, the largest costs us; None if one of them is not known."""
        found = [row.median.get(OURS) for row in self.along(metric)]
        if len(found) < 2 or found[0] is None or found[-1] is None:
            return None
        return max(found[-1], NOTHING_MS) / max(found[0], NOTHING_MS)


class Document(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    schema: int = SCHEMA
    table: Table | None = None
    curves: tuple[Curve, ...] = ()

    def with_curve(self, curve: Curve) -> "Document":
        """The same with this curve, in place of the one along the same axis."""
        others = {known.axis: known for known in self.curves} | {curve.axis: curve}
        return msgspec.structs.replace(self, curves=tuple(others.values()))


class UnknownDocument(Exception):
    """The file is no document of this schema, or cannot be read."""


def advantage(ratio: float, better: Better) -> float:
    """A ratio, turned so that more is better."""
    return ratio if better == "more" else 1 / ratio


def row(
    metric: str,
    unit: str,
    better: Better,
    values: Mapping[str, Sequence[float]],
    *,
    goal: Goal | None = None,
    trouble: Mapping[str, str] | None = None,
    client_cpu: Mapping[str, float] | None = None,
    size: int | None = None,
) -> Row:
    """A row with what follows from its values.  One bad round spoils a target: it has no median, and there is no ratio."""
    trouble = trouble or {}
    good = {target: tuple(found) for target, found in values.items() if found and target not in trouble}
    pairs = zip(good.get(OURS, ()), good.get(THEIRS, ()), strict=False)
    ratios = tuple(ours / theirs for ours, theirs in pairs if ours > 0 and theirs > 0)
    return Row(
        metric=metric,
        unit=unit,
        better=better,
        values={target: tuple(found) for target, found in values.items()},
        median={target: statistics.median(found) for target, found in good.items()},
        ratios=ratios,
        ratio=statistics.median(ratios) if ratios else None,
        goal=goal,
        trouble=trouble,
        client_cpu=client_cpu or {},
        size=size,
    )


def load(path: Path) -> Document:
    """Raises UnknownDocument."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Document)
    except (OSError, msgspec.MsgspecError) as fault:
        raise UnknownDocument(f"{path}: {fault}") from fault
    if found.schema != SCHEMA:
        raise UnknownDocument(f"{path} has schema {found.schema}, not {SCHEMA}")
    return found


def save(path: Path, document: Document) -> None:
    """In place of what is there, at once: whoever reads meanwhile sees the old or the new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n")
    fresh.replace(path)
