"""T-1.1: whenever the power fails, what was acknowledged is there, once and unharmed, and what was removed is not.

A disk that loses its power keeps what was synced; of the rest it keeps some sectors and not others, in any order, and
some names.  Such disks are made of a recording, many of them, and opened.
"""

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.durability.images import PLACE, Oracle, cuts, wrong_images
from conformance.durability.recorder import SOAK, Recording, record
from conformance.durability.recoveries import wrong_recoveries
from conformance.durability.shim import Shim
from conformance.support.servers import remove, scratch

IMAGES = 500 if SOAK else 200  # of each recording
RECOVERIES = 40 if SOAK else 5  # in each of which the power fails again,
TIMES = 8  # so many times
pytestmark = pytest.mark.timeout(3600 if SOAK else 180)


def test_what_was_acknowledged_is_there_whenever_the_power_fails(recording: Recording) -> None:
    chance = random.Random(recording.seed)
    began = time.monotonic()
    log, root = recording.shim.log, recording.server.directory
    chosen = cuts(log, [one.at for one in recording.proof.acknowledged], IMAGES, chance)
    oracle = Oracle(recording.proof.sent, recording.workers, recording.before)
    wrong = list(wrong_images(log, root, chosen, oracle, chance))
    print(
        f"\n{len(chosen)} images (PENFOLD_SEED={recording.seed}), {len(wrong)} faults, {time.monotonic() - began:.1f} s"
    )
    assert wrong == []


def test_a_second_power_cut_while_the_first_is_recovered_from_does_no_more_harm(
    recording: Recording, tmp_path: Path
) -> None:
    with Shim(tmp_path, PLACE) as shim:
        assert list(recoveries(recording, shim, RECOVERIES)) == []
        shim.skip_syncs("*")
        assert next(recoveries(recording, shim, 60), ""), "this cannot fail"


def recoveries(recording: Recording, shim: Shim, count: int) -> Iterator[str]:
    chance = random.Random(recording.seed)
    log, root = recording.shim.log, recording.server.directory
    chosen = cuts(log, [one.at for one in recording.proof.acknowledged], count, chance)
    oracle = Oracle(recording.proof.sent, recording.workers, recording.before)
    yield from wrong_recoveries(log, root, chosen, TIMES, oracle, chance, shim)


@pytest.mark.parametrize("skipped", ["databases/first.db-wal", "*.pack", "databases/first", "databases"])
def test_the_images_of_a_server_that_does_not_sync_have_lost_something(skipped: str) -> None:
    directory = scratch("control")
    chance = random.Random(1)
    try:
        found = record(directory, skipped=skipped, steps=12, sessions=[2])
        chosen = cuts(found.shim.log, [one.at for one in found.proof.acknowledged], 20, chance)
        oracle = Oracle(found.proof.sent, found.workers, found.before)
        wrong = list(wrong_images(found.shim.log, found.server.directory, chosen, oracle, chance))
    finally:
        remove(directory)
    assert len({line.partition("):")[0] for line in wrong}) >= 5, "each in so many images"
