"""What a power cut may leave of a recorded server, and what must be in it."""

import random
import tempfile
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from conformance.durability.contents import Folders, ThereTwice, differences
from conformance.durability.disk import Chance, Disk
from conformance.durability.installations import look
from conformance.durability.recording import Kind, Sent, events
from conformance.durability.workers import Worker
from conformance.support.servers import remove
from conformance.support.storecheck import findings

# In memory, where writing is quick; anywhere else will do.
PLACE = Path("/dev/shm") if Path("/dev/shm").is_dir() else Path(tempfile.gettempdir())


class Cut(NamedTuple):
    """The power fails before the event at this place."""

    at: int
    style: str


def cuts(log: Path, acknowledgements: Sequence[int], count: int, chance: random.Random) -> list[Cut]:
    """Anywhere since clients came; as many right when an acknowledgement goes out; some while a checkpoint runs."""
    first, last = min(acknowledgements), 0
    checkpoints = []
    for event in events(log):
        last = event.at
        if event.kind is Kind.WRITE and event.path.endswith(".db") and event.at > first:
            checkpoints.append(event.at)
    anywhere = range(first, last + 1)
    styles = sorted(Chance.styles(chance))
    kinds: Sequence[Sequence[int]] = (anywhere, acknowledgements, anywhere, acknowledgements, checkpoints)
    return sorted(Cut(chance.choice(kinds[number % 5]), chance.choice(styles)) for number in range(count))


class Oracle:
    """What each worker's folders may hold when the power fails: what it was told, or what its next command makes."""

    def __init__(self, sent: Sent, workers: Sequence[Worker], before: Folders) -> None:
        """`before`: what was there when the clients came."""
        self._workers, self._before = workers, before
        self._told = {worker.name: [sent.when(step.port, step.octets) for step in worker.steps] for worker in workers}

    def wrong(self, at: int, seen: Folders) -> Iterator[str]:
        for worker in self._workers:
            done = bisect_right(self._told[worker.name], at)
            last = worker.steps[done - 1].after if done else worker.mine(self._before)
            mine = worker.mine(seen)
            if (wrong := differences(last, mine)) and not self._is_next(worker, done, mine):
                yield f"{worker.name} after {worker.steps[done - 1].what if done else 'nothing'}: {wrong}"

    def _is_next(self, worker: Worker, done: int, mine: Folders) -> bool:
        """A command at work may have been carried out, and one that was refused for the disk's sake may come back."""
        possible = [step.after for step in worker.steps[done : done + 1]]
        possible += [begun.after for begun in worker.refused if begun.steps == done]
        return any(not differences(after, mine) for after in possible)


@contextmanager
def written(disk: Disk, chance: Chance) -> Iterator[Path]:
    """An image as files."""
    root = Path(tempfile.mkdtemp(prefix="penfold-image.", dir=PLACE))
    try:
        for name, octets in disk.image(chance):
            if octets is None:
                (root / name).mkdir(exist_ok=True)
            else:
                (root / name).write_bytes(octets)
        yield root
    finally:
        remove(root)


def disks(log: Path, root: Path, chosen: Sequence[Cut]) -> Iterator[tuple[Cut, Disk]]:
    """The disk at each of these places; always the same one, as it goes on."""
    disk, coming = Disk(root), events(log)
    at = 0
    for cut in chosen:
        while at < cut.at:
            disk.apply(next(coming))
            at += 1
        yield cut, disk


def wrong_images(log: Path, root: Path, chosen: Sequence[Cut], oracle: Oracle, chance: random.Random) -> Iterator[str]:
    """Everything that is wrong after these power cuts."""
    styles = Chance.styles(chance)
    for number, (cut, disk) in enumerate(disks(log, root, chosen)):
        with written(disk, styles[cut.style]) as image:
            if number % 100 == 50:  # opening and closing it changes nothing that the other look would see
                yield from (f"{cut}: penfold check: {line}" for line in findings(image))
            yield from (f"{cut}: {line}" for line in wrong_image(image, cut.at, oracle))


def wrong_image(image: Path, at: int, oracle: Oracle) -> Iterator[str]:
    """`at`: where in the order the power has failed."""
    try:
        broken, seen = look(image)
    except ThereTwice as twice:
        yield str(twice)
    except Exception as fault:  # noqa: BLE001 - whatever it is, mail cannot be read
        yield f"cannot be opened: {fault!r}"
    else:
        yield from broken
        yield from oracle.wrong(at, seen)
