"""T-1.1: whenever the power fails, what was acknowledged is there, once and unharmed, and what was removed is not.

A disk that loses its power keeps what was synced; of the rest it keeps some sectors and not others, in any order, and
some names.  Such disks are made of a recording, many of them, and opened.
"""

import random
import time

import pytest

from conformance.durability.images import Oracle, cuts, wrong_images
from conformance.durability.recorder import SOAK, Recording, record
from conformance.support.servers import remove, scratch

IMAGES = 500 if SOAK else 250  # of each recording
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
