"""The power fails again while what the first power cut has left is opened."""

import random
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from conformance.durability.disk import Chance, Disk
from conformance.durability.images import Cut, Oracle, disks, written, wrong_image
from conformance.durability.recording import Event, events
from conformance.durability.shim import Shim
from conformance.support.processes import succeed


def wrong_recoveries(
    log: Path, root: Path, chosen: Sequence[Cut], times: int, oracle: Oracle, chance: random.Random, shim: Shim
) -> Iterator[str]:
    """Everything that is wrong after these power cuts and, for each, so many second ones, which the shim is for."""
    styles = Chance.styles(chance)
    for cut, disk in disks(log, root, chosen):
        with written(disk, styles[cut.style]) as image:
            second = Disk.found(image)
            done = _recovery(image, shim)
            at = 0
            for again in _cuts(len(done), times, chance):
                for event in done[at : again.at]:
                    second.apply(event)
                at = again.at
                with written(second, styles[again.style]) as left:
                    yield from (f"{cut}, then {again}: {line}" for line in wrong_image(left, cut.at, oracle))


def _recovery(image: Path, shim: Shim) -> list[Event]:
    """What `penfold check` does to it."""
    shim.log.unlink(missing_ok=True)
    watched = {**shim.environment, "PENFOLD_SHIM_ROOT": str(image)}
    succeed(Path(sys.executable).parent / "penfold", "check", "--dir", image, env=watched)
    return list(events(shim.log))


def _cuts(count: int, times: int, chance: random.Random) -> list[Cut]:
    """Anywhere, or while the databases are closed and their logs are dropped, or when all that has ended."""
    lows = [0 if number % 2 else count * 3 // 4 for number in range(times)]
    return sorted(Cut(chance.randint(low, count), chance.choice(sorted(Chance.styles(chance)))) for low in lows)
