"""What all curves share: the plan, rounds that alternate, rows from what the rounds gave."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from conformance.bench.clients import BenchError, Unsupported
from conformance.bench.corpus import Corpus
from conformance.bench.goals import CURVES
from conformance.bench.results import Row, row
from conformance.bench.servers import DOMAIN, DidNotStart

Values = Mapping[str, float]  # metric -> what one round gave


class Plan(NamedTuple):
    """What is to be measured."""

    sizes: Sequence[int]  # rising
    peer_up_to: int  # the largest size for Dovecot; 0: not at all
    rounds: int
    workers: int
    quick: bool
    corpus: Corpus


def corpus(run: str) -> Corpus:
    """Mail of this run."""
    return Corpus(1, DOMAIN, run)


class Side:
    """One server of a curve, and what has gone wrong with it: from then on it is not measured."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.trouble: str | None = None

    def tries(self, doing: Callable[[], Values]) -> Values | None:
        """What it gave, unless that was trouble; wrong answers are trouble as well as none."""
        try:
            return doing()
        except Unsupported as no:
            self.trouble = f"n/a ({no})"
        except (BenchError, DidNotStart) as fault:
            self.trouble = f"FAILED: {fault}"
        except Exception as fault:  # noqa: BLE001 - an answer that could not even be parsed; it is reported
            self.trouble = f"FAILED: {type(fault).__name__}: {fault}"
        print(f"    [{self.name}: {self.trouble}]", flush=True)
        return None


def rounds(
    axis: str, plan: Plan, size: int, units: Mapping[str, str], doing: Mapping[Side, Callable[[int], Values]]
) -> list[Row]:
    """The rows of one size: each round asks each side in turn, A, B, B, A, ...: who is first in a round gains by it."""
    began = time.perf_counter()
    found: dict[Side, list[Values]] = {side: [] for side in doing}
    for number in range(plan.rounds):
        for side in list(doing)[:: -1 if number % 2 else 1]:
            if side.trouble is None and (values := side.tries(lambda: doing[side](number))) is not None:
                found[side].append(values)
    rows = [
        row(
            metric,
            units[metric],
            CURVES[axis][metric].better,
            {side.name: [values[metric] for values in given] for side, given in found.items()},
            goal=CURVES[axis][metric].goal_at(size),
            trouble={side.name: side.trouble for side in doing if side.trouble is not None},
            size=size,
        )
        for metric in units
    ]
    print(f"{axis} {size:,} ({time.perf_counter() - began:.0f} s)", flush=True)
    for one in rows:
        print(f"    {one.metric:20} {one.unit:9}", *(f"{name} {median:.4g}" for name, median in one.median.items()))
    return rows


def timed(doing: Callable[[], object]) -> float:
    """Milliseconds."""
    began = time.perf_counter()
    doing()
    return (time.perf_counter() - began) * 1000


def medians(times: Mapping[str, Sequence[float]]) -> dict[str, float]:
    return {metric: statistics.median(found) for metric, found in times.items()}
