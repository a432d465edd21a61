"""The plots beside the page, made from a document alone: the same document gives the same octets.

They bring their own white ground, so that they can be read on a dark page too.
"""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

from conformance.bench.axes import AXES
from conformance.bench.axes import Axis as About
from conformance.bench.results import NOTHING_MS, OURS, THEIRS, Curve, Document, Row, Table, advantage

# Colours that people who do not see red and green tell apart, after Okabe and Ito.
COLOURS: Final = {OURS: "#0072b2", THEIRS: "#e69f00"}
MARKERS: Final = {OURS: "o", THEIRS: "s"}
BETTER, WORSE, INK, FAINT, MISSED = "#0072b2", "#d55e00", "#222222", "#bbbbbb", "#b00020"

GOAL: Final[Any] = {"color": MISSED, "linestyle": "--", "linewidth": 1.2}
RING: Final[Any] = {  # around a point
    "color": MISSED,
    "linestyle": "",
    "marker": "o",
    "markersize": 10,
    "markerfacecolor": "none",
    "markeredgewidth": 1.6,
}

STYLE: Final[Any] = {
    "svg.hashsalt": "penfold",  # ids in the file, which would be random
    "svg.fonttype": "path",  # looks the same wherever it is seen
    "font.family": "DejaVu Sans",  # comes with matplotlib
    "font.size": 9,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
}

TIMES: Final = "\N{MULTIPLICATION SIGN}"
FURTHEST: Final = 32.0  # how many times better or worse the bars can show


def draw(document: Document, directory: Path) -> list[Path]:
    """Writes a file for the table and one for each curve; where they are."""
    directory.mkdir(parents=True, exist_ok=True)
    return [_save(name, make, directory) for name, make in _plots(document)]


def _plots(document: Document) -> Iterator[tuple[str, Figure]]:
    with mpl.rc_context(STYLE):
        if document.table is not None and any(row.ratio for row in document.table.rows):
            yield "ratios", ratios(document.table)
        for curve in document.curves:
            yield curve.axis, panels(curve)


def _save(name: str, figure: Figure, directory: Path) -> Path:
    path = directory / f"{name}.svg"
    with mpl.rc_context(STYLE):
        # Without metadata there would be the date, and a file that differs each time.
        figure.savefig(path, metadata={"Date": None, "Creator": None})
    # One line break at the end and no blanks before others, as in every other file.
    path.write_text("\n".join(line.rstrip() for line in path.read_text().splitlines()) + "\n")
    return path


# ---------------------------------------------------------------------------------------------- bars


def ratios(table: Table) -> Figure:
    """A bar for each row that has a ratio: to the right of 1 better than Dovecot, to the left worse."""
    rows = [row for row in table.rows if row.advantage is not None]
    figure = Figure(figsize=(9, 1.5 + 0.235 * len(rows)), layout="constrained", facecolor="white")
    axes = figure.subplots()
    axes.set_xscale("log", base=2)
    axes.set_xlim(1 / FURTHEST / 2.2, FURTHEST * 2.2)
    for place, row in enumerate(rows):
        _bar(axes, place, row)
    axes.axvline(1, color=INK, linewidth=1)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_yticks(range(len(rows)), [row.metric for row in rows])
    axes.tick_params(axis="y", length=0)
    steps = [1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8, 16, 32]
    axes.xaxis.set_major_locator(FixedLocator(steps))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: times(value)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.grid(axis="x", color="#eeeeee", zorder=0)
    axes.set_axisbelow(True)
    axes.set_xlabel(f"←  worse than {THEIRS}       (how many times)       better than {THEIRS}  →", fontweight="bold")
    axes.set_title(f"{OURS} beside {THEIRS}, medians of {table.about.rounds} rounds", loc="left", pad=22)
    keys = [
        axes.barh(math.nan, 0, color=BETTER, label="better"),
        axes.barh(math.nan, 0, color=WORSE, label="worse"),
        axes.plot([], [], color=INK, linewidth=0.8, label="all rounds")[0],
        axes.plot([], [], "|", color=INK, markersize=10, markeredgewidth=2, label="goal")[0],
        axes.plot([], [], "|", color=MISSED, markersize=10, markeredgewidth=2, label="goal, missed")[0],
    ]
    axes.legend(handles=keys, ncols=5, frameon=False, loc="lower left", bbox_to_anchor=(-0.01, 0.995), borderpad=0)
    return figure


def _bar(axes: Axes, place: int, row: Row) -> None:
    assert row.advantage is not None, "the rows were chosen by it"
    found = [advantage(ratio, row.better) for ratio in row.ratios]
    end = min(max(row.advantage, 1 / FURTHEST), FURTHEST)
    is_better = row.advantage >= 1
    axes.barh(place, end - 1, left=1, height=0.68, color=BETTER if is_better else WORSE, alpha=0.85, zorder=2)
    low, high = (min(max(edge, 1 / FURTHEST), FURTHEST) for edge in (min(found), max(found)))
    if end == row.advantage:
        axes.plot([low, high], [place, place], color=INK, linewidth=0.8, solid_capstyle="butt", zorder=3)
    if row.goal is not None and row.goal.of == "ratio":
        wanted = advantage(row.goal.bound, row.better)
        colour = INK if row.met else MISSED
        axes.plot([wanted, wanted], [place - 0.44, place + 0.44], color=colour, linewidth=2, zorder=4)
    beyond = end != row.advantage
    text = f"{'» ' if beyond and is_better else ''}{times(row.advantage)}{' «' if beyond and not is_better else ''}"
    # Beside the bar and whatever stands at its end.
    marks = [end, low, high]
    if row.goal is not None and row.goal.of == "ratio":
        marks.append(advantage(row.goal.bound, row.better))
    at = max(mark for mark in marks) * 1.08 if is_better else min(mark for mark in marks) / 1.08
    axes.text(at, place, text, va="center_baseline", ha="left" if is_better else "right", fontsize=8)


def times(value: float) -> str:
    """How many times better, or as a fraction how many times worse: 2.5, 1/4; and 1 for what is about the same."""
    factor = max(value, 1 / value)
    shown = f"{factor:,.0f}" if factor >= 9.95 else f"{factor:.2g}"
    return f"{shown}{TIMES}" if value >= 1 or shown == "1" else f"1/{shown}{TIMES}"


# ---------------------------------------------------------------------------------------------- curves


def panels(curve: Curve) -> Figure:
    """A panel for each metric: cost or throughput along the axis, ours and theirs, with what is to be reached."""
    axis = AXES[curve.axis]
    metrics = [metric for metric in curve.metrics() if any(row.median for row in curve.along(metric))]
    columns = 2 if len(metrics) in (2, 4) else 3
    lines = math.ceil(len(metrics) / columns)
    layout = ConstrainedLayoutEngine(h_pad=0.08, w_pad=0.08)
    figure = Figure(figsize=(3.5 * columns, 0.9 + 2.5 * lines), layout=layout, facecolor="white")
    figure.suptitle(axis.title, fontsize=12, fontweight="bold", x=0.01, ha="left")
    grid = figure.subplots(lines, columns, squeeze=False).flat
    for axes, metric in zip(grid, metrics, strict=False):
        _panel(axes, curve, axis, metric)
    for axes in list(figure.axes)[len(metrics) :]:
        axes.set_axis_off()
    found = dict.fromkeys(target for metric in metrics for row in curve.along(metric) for target in row.median)
    keys = [
        figure.axes[0].plot([], [], color=COLOURS[target], marker=MARKERS[target], markersize=4, label=target)[0]
        for target in found
    ]
    if any(bounds(curve, metric) for metric in metrics):
        keys.append(figure.axes[0].plot([], [], label="goal", **GOAL)[0])
    if any(missed(curve, metric) for metric in metrics):
        keys.append(figure.axes[0].plot([], [], label="goal, missed", **RING)[0])
    figure.legend(handles=keys, ncols=4, frameon=False, loc="upper right", bbox_to_anchor=(0.995, 1.0))
    return figure


def _panel(axes: Axes, curve: Curve, axis: About, metric: str) -> None:
    rows = curve.along(metric)
    better, unit, sizes = rows[0].better, rows[0].unit, curve.sizes()
    for target in (THEIRS, OURS):  # ours above theirs
        _line(axes, target, [row for row in rows if target in row.median])
    for since, bound in bounds(curve, metric):
        axes.plot([since, sizes[-1]], [bound, bound], **GOAL)
    found = missed(curve, metric)
    axes.plot([size for size, _ in found], [value for _, value in found], **RING)
    axes.set_title(axis.metrics[metric], loc="left", pad=6)
    axes.set_ylabel(f"{unit}   ({'lower' if better == 'less' else 'higher'} is better)", fontsize=8)
    axes.set_xlabel(axis.label, fontsize=8)
    axes.tick_params(labelsize=8)
    axes.grid(color="#eeeeee")
    axes.set_axisbelow(True)
    if axis.scale == "log":
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(FixedLocator(sizes))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
        axes.set_yscale("log")
        _wide_enough(axes)
    else:
        axes.set_xticks(sizes)
        axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
    if metric in curve.flat:
        _say_growth(axes, curve, metric)


def _line(axes: Axes, target: str, rows: Sequence[Row]) -> None:
    if not rows:
        return
    sizes = [row.size or 0 for row in rows]
    colour = COLOURS[target]
    low, high = [min(row.values[target]) for row in rows], [max(row.values[target]) for row in rows]
    axes.fill_between(sizes, low, high, color=colour, alpha=0.18, linewidth=0)
    axes.plot(
        sizes, [row.median[target] for row in rows], color=colour, marker=MARKERS[target], markersize=4, linewidth=1.6
    )


def bounds(curve: Curve, metric: str) -> list[tuple[int, float]]:
    """(from which size on, how much): goals of values; and for what is not to grow, what the largest size may cost."""
    rows = curve.along(metric)
    values = [(row.size or 0, row.goal.bound) for row in rows if row.goal is not None and row.goal.of == "value"]
    first = rows[0].median.get(OURS)
    if metric in curve.flat and first is not None:
        values.append((rows[0].size or 0, max(first, NOTHING_MS) * curve.flat[metric]))
    return [
        (min(size for size, other in values if other == bound), bound) for bound in dict.fromkeys(b for _, b in values)
    ]


def missed(curve: Curve, metric: str) -> list[tuple[int, float]]:
    """The points of ours, as (size, value), that miss a goal; of what has grown too much, the last."""
    rows = [row for row in curve.along(metric) if OURS in row.median]
    factor = curve.growth(metric)
    has_grown = metric in curve.flat and factor is not None and factor > curve.flat[metric]
    found = [row for row in rows if row.met is False] + (rows[-1:] if has_grown else [])
    return [(row.size or 0, row.median[OURS]) for row in found]


def _wide_enough(axes: Axes) -> None:
    """At least two powers of ten: what is flat looks flat, and not like mountains of noise."""
    low, high = axes.get_ylim()
    middle = math.sqrt(low * high)
    if high / low < 100:
        axes.set_ylim(middle / 10, middle * 10)
    axes.yaxis.set_minor_formatter(NullFormatter())


def _say_growth(axes: Axes, curve: Curve, metric: str) -> None:
    factor = curve.growth(metric)
    if factor is not None:
        bound = curve.flat[metric]
        text = f"largest / smallest: {factor:.2f}{TIMES} (goal ≤ {bound:g})"
        axes.text(0.02, 0.03, text, transform=axes.transAxes, fontsize=7.5, color=INK if factor <= bound else MISSED)


def short(value: float) -> str:
    """A number at an axis: 0.01, 5, 250, 10k, 1M."""
    for bound, letter in ((1e6, "M"), (1e3, "k")):
        if value >= bound:
            return f"{value / bound:g}{letter}"
    return f"{value:g}"
