"""docs/benchmarks.md, made from a document alone, so that it can be made again."""

from collections.abc import Iterator

from conformance.bench.axes import AXES
from conformance.bench.results import OURS, THEIRS, About, Curve, Document, Goal, Row, Table

INTRODUCTION = """\
# Benchmarks

Penfold beside Debian's Dovecot on the same machine in the same run, over real sockets on 127.0.0.1. Rounds alternate
(A, B, B, A), numbers are medians of the rounds, a ratio is the median of the rounds' ratios. Only ratios of one run
mean anything, and differences under 15 % are nothing. Every answer is checked: a wrong one fails the workload. Dovecot
syncs what it acknowledges by its default (`mail_fsync=optimized`, flags not synced); Penfold syncs every change before
it answers.

This page and its plots are made from [NAME.json](NAME.json), which has the value of every round.
"""

RUNNING = """\
## Running it

| command | what it does | on 2 cores |
|---|---|---|
| `make bench` | the table | 15 minutes |
| `make bench-growth` | the curves | 40 minutes |
| `.venv/bin/python -m conformance.bench --growth --axes folder,tls` | some curves | |
| `.venv/bin/python -m conformance.bench --compare OLD.json NEW.json` | what has changed | |
| `.venv/bin/python -m conformance.bench --render` | this page and the plots, from the JSON | |

Both need Debian, root, and a machine that does nothing else; the curves need 20,000 file descriptors (`ulimit -Hn`),
4 GB of memory and 5 GB of disk. What was measured replaces the table, or the curves of the same name, and leaves the
others. `--quick` is a smoke test, whose numbers mean nothing; `--only lmtp_fanout,mixed` measures some rows,
`--sizes folder=100,10000` other sizes, `--alone` curves without Dovecot: none of these writes to a document but one
given by `--json FILE`.

`--compare` shows the rows whose ratio to Dovecot has changed by more than 15 % and by more than the spread of the
rounds of both runs. It ends with 1 if one of them is for the worse, if a goal that was met is missed, or if what gave a
value gives none; with 2 if a file is no document or the two have nothing in common. Ratios are compared because
machines differ; so both runs are best of the same sizes.
"""


def page(document: Document, name: str = "benchmarks") -> str:
    """The whole page, as Markdown; `name`: that of the document, and of the folder of plots."""
    parts = [INTRODUCTION]
    if document.table is not None:
        parts.append(_table(document.table))
    if document.curves:
        parts.append("## How cost grows\n")
        curves = {curve.axis: curve for curve in document.curves}
        parts += [_curve(curves[axis]) for axis in AXES if axis in curves]
    return "\n".join([*parts, RUNNING]).replace("NAME", name)


def _table(table: Table) -> str:
    head = f"| workload | unit | {OURS} | {THEIRS} | ratio | goal | |"
    return "\n".join(
        [
            "## The table",
            "",
            "What each row does is in [workloads.py](../conformance/bench/workloads.py).",
            "",
            about(table.about),
            "",
            "![How many times better or worse than Dovecot each workload is](NAME/ratios.svg)",
            "",
            head,
            "|---|---|---|---|---|---|---|",
            *(f"| {row.metric} | {row.unit} | {_measured(row)} |" for row in table.rows),
            "",
        ]
    )


def _curve(curve: Curve) -> str:
    axis = AXES[curve.axis]
    head = f"| | unit | {axis.label} | {OURS} | {THEIRS} | ratio | goal | |"
    return "\n".join(
        [
            f"### {axis.title}",
            "",
            axis.text.format(cores=curve.about.machine.get("cores", "few")),
            "",
            about(curve.about),
            "",
            f"![{axis.title}: a plot of each row](NAME/{curve.axis}.svg)",
            "",
            head,
            "|---|---|---|---|---|---|---|---|",
            *(
                f"| {axis.metrics[row.metric]} | {row.unit} | {row.size:,} | {_measured(row)} |"
                for metric in curve.metrics()
                for row in curve.along(metric)
            ),
            "",
            *_growth(curve),
        ]
    )


def _growth(curve: Curve) -> Iterator[str]:
    """Whether what is to stay the same does."""
    found = [(metric, bound, curve.growth(metric)) for metric, bound in curve.flat.items()]
    if not any(factor for _, _, factor in found):
        return
    sizes = curve.sizes()
    yield f"Cost at {sizes[-1]:,} against that at {sizes[0]:,}, which is not to depend on the size:"
    yield ""
    yield f"| | {OURS} | goal | |"
    yield "|---|---|---|---|"
    for metric, bound, factor in found:
        shown = "n/a" if factor is None else f"{factor:.2f}"
        name = AXES[curve.axis].metrics[metric]
        yield f"| {name} | {shown} | ≤ {bound:g} | {_verdict(factor is not None and factor <= bound)} |"
    yield ""


def about(what: About) -> str:
    """One paragraph: when, where, of what."""
    workers = "" if what.workers is None else f", {what.workers} worker processes"
    facts = [
        f"{what.date}{workers}, {what.rounds} rounds" + (", **a smoke test, not a measurement**" if what.quick else ""),
        ", ".join(f"{program} {version}" for program, version in what.versions.items()),
        ", ".join(f"{thing} {amount}" for thing, amount in what.machine.items()),
    ]
    return "  \n".join(fact for fact in facts if fact)


def _measured(row: Row) -> str:
    """The cells that all tables have: ours, theirs, ratio, goal, verdict."""
    trouble = "; ".join(f"{target}: {text}" for target, text in row.trouble.items())
    return " | ".join(
        [
            number(row.median.get(OURS)),
            number(row.median.get(THEIRS)),
            "" if row.ratio is None else f"{row.ratio:.3g}",
            "" if row.goal is None else goal(row.goal, row),
            trouble.replace("|", "\\|") or ("" if row.met is None else _verdict(row.met)),
        ]
    )


def goal(wanted: Goal, row: Row) -> str:
    """Such as "≥ 2" for ratios, "≤ 500 ms" for values."""
    sign = "≥" if row.better == "more" else "≤"
    return f"{sign} {wanted.bound:g}" + (f" {row.unit}" if wanted.of == "value" else "")


def _verdict(met: bool) -> str:
    return "met" if met else "**missed**"


def number(value: float | None) -> str:
    """Four digits that count; "n/a" where there is none."""
    if value is None:
        return "n/a"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
