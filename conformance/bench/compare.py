"""Two documents compared: which rows have changed by more than chance, and whether anything is worse."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from conformance.bench.report import number
from conformance.bench.results import OURS, Curve, Document, Row, advantage

NOISE: Final = 1.15  # differences below are nothing, whatever the rounds say

Key = tuple[str, str, int | None]  # axis ("table" for the table), metric, size


class Change(NamedTuple):
    """One line of the comparison."""

    where: str
    metric: str
    before: str
    after: str
    what: str
    is_worse: bool


def changes(old: Document, new: Document) -> list[Change]:
    """What has changed in the sections that both have; in the order of the old one."""
    after = _rows(new)
    both = _sections(old) & _sections(new)
    found = [
        change
        for key, row in _rows(old).items()
        if key[0] in both and (change := _change(key, row, after.get(key))) is not None
    ]
    return found + list(_flatness(old, new))


def uncompared(old: Document, new: Document) -> list[str]:
    """The sections that only one of them has."""
    return sorted(_sections(old) ^ _sections(new))


def table(found: list[Change]) -> str:
    """The changes as Markdown."""
    if not found:
        return "Nothing has changed by more than its spread and 15 %.\n"
    lines = ["| where | metric | before | after | |", "|---|---|---|---|---|"]
    lines += [f"| {c.where} | {c.metric} | {c.before} | {c.after} | {c.what} |" for c in found]
    return "\n".join(lines) + "\n"


def tell(old: Document, new: Document) -> int:
    """Prints what has changed; the exit code: 1 if anything is worse, 2 if there is nothing that both have."""
    for section in uncompared(old, new):
        print(f"Not compared, since only one of them has it: {section}")
    if not _sections(old) & _sections(new):
        print("There is nothing that both have.")
        return 2
    found = changes(old, new)
    print(table(found), end="")
    return int(any(change.is_worse for change in found))


def _sections(document: Document) -> set[str]:
    return {curve.axis for curve in document.curves} | ({"table"} if document.table else set())


def _rows(document: Document) -> dict[Key, Row]:
    rows = {("table", row.metric, row.size): row for row in (document.table.rows if document.table else ())}
    return rows | {(curve.axis, row.metric, row.size): row for curve in document.curves for row in curve.rows}


def _change(key: Key, old: Row, new: Row | None) -> Change | None:
    axis, metric, size = key
    where = axis if size is None else f"{axis} {size:,}"
    if OURS in old.median and (new is None or OURS not in new.median):
        trouble = "it is not there" if new is None else new.trouble.get(OURS, "no value")
        return Change(where, metric, _shown(old), "n/a", f"**gives no value any more**: {trouble}", is_worse=True)
    if new is None:
        return None
    if old.met and new.met is False:
        return Change(where, metric, _shown(old), _shown(new), "**a goal is missed that was met**", is_worse=True)
    if (factor := _factor(old, new)) is not None:
        what = f"better x{factor:.2f}" if factor > 1 else f"**worse x{1 / factor:.2f}**"
        return Change(where, metric, _shown(old), _shown(new), what, is_worse=factor < 1)
    if old.met is False and new.met:
        return Change(where, metric, _shown(old), _shown(new), "a goal is met that was missed", is_worse=False)
    return None


def _factor(old: Row, new: Row) -> float | None:
    """How many times better the ratio has become; None within the noise, or without a ratio."""
    if old.advantage is None or new.advantage is None:
        return None
    before, after = ([advantage(ratio, row.better) for ratio in row.ratios] for row in (old, new))
    factor = new.advantage / old.advantage
    is_apart = min(after) > max(before) or max(after) < min(before)
    return factor if is_apart and not 1 / NOISE <= factor <= NOISE else None


def _shown(row: Row) -> str:
    """A ratio, or where there is none, or none is asked for, our value."""
    if row.ratio is None or (row.goal is not None and row.goal.of == "value"):
        return f"{number(row.median.get(OURS))} {row.unit}"
    return f"{row.ratio:.3g}"


def _flatness(old: Document, new: Document) -> Iterator[Change]:
    """Costs that did not grow with the size, and do now."""
    after = {curve.axis: curve for curve in new.curves}
    for curve in old.curves:
        if (other := after.get(curve.axis)) is None:
            continue
        for metric, bound in curve.flat.items():
            before, now = curve.growth(metric), other.growth(metric)
            if _spans(curve) == _spans(other) and before is not None and now is not None and before <= bound < now:
                yield Change(
                    curve.axis, metric, f"x{before:.2f}", f"x{now:.2f}", "**grows with the size now**", is_worse=True
                )


def _spans(curve: Curve) -> tuple[int, int]:
    return curve.sizes()[0], curve.sizes()[-1]
