"""T-1.1: a disk that fails or is full costs clients a try, never mail.

Calls of a server fail in the middle of its load: it refuses for the time being, goes on by itself when the disk does,
and has kept what it acknowledged and nothing that it refused.  After a sync that failed, the disk is taken to have
dropped what was to be synced (that is what Linux does), and the power is cut, too.
"""

import errno
import random
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from conformance.durability.recorder import SOAK
from conformance.durability.scene import TEMPORARY, Scene
from conformance.durability.shim import SHORT, On

ROUNDS = 20 if SOAK else 1
IMAGES = 400 if SOAK else 25
WAL, PACK, NAMES, DATABASE = "databases/first.db-wal", "*.pack", "databases/first", "databases/first.db"
EIO, ENOSPC, EDQUOT = errno.EIO, errno.ENOSPC, errno.EDQUOT

# What a server must not do: the kernel tells of a failed sync once, and forgets what it could not write.
SYNCS_AGAIN = """\
import os

sync = os.fdatasync


def again(descriptor):
    try:
        sync(descriptor)
    except OSError:
        sync(descriptor)


os.fdatasync = again
"""


class Fault(NamedTuple):
    on: On
    pattern: str
    error: int
    within: int = 30  # the first call that fails is one of so many
    steps: int = 12  # that each client takes meanwhile
    times: int = 0  # how many fail; 0: a few


FAULTS = {
    "wal": [
        Fault(On.WRITE, WAL, EIO),
        Fault(On.WRITE, WAL, ENOSPC),
        Fault(On.WRITE, WAL, SHORT),
        Fault(On.SYNC, WAL, EIO, within=10),
        Fault(On.SYNC, WAL, ENOSPC, within=10),
    ],
    "everything": [
        Fault(On.WRITE | On.OPEN | On.TRUNCATE, "databases/*", ENOSPC, times=60),
        Fault(On.SYNC, "databases/*", EIO, within=10, times=30),
    ],
    "packs": [
        Fault(On.WRITE, PACK, EIO, within=6),
        Fault(On.WRITE, PACK, ENOSPC, within=6),
        Fault(On.WRITE, PACK, SHORT, within=6),
        Fault(On.SYNC, PACK, EIO, within=6),
        Fault(On.SYNC, PACK, EDQUOT, within=6),
        Fault(On.OPEN, PACK, ENOSPC, within=2),
        Fault(On.SYNC, NAMES, EIO, within=2),
    ],
    "checkpoints": [
        Fault(On.WRITE, DATABASE, EIO, within=200, steps=100),
        Fault(On.SYNC, DATABASE, EIO, within=1, steps=100),
        Fault(On.WRITE, DATABASE, ENOSPC, within=200, steps=100),
    ],
}


STARTS = [
    Fault(On.WRITE, "*.db*", EIO, within=2),
    Fault(On.WRITE, "*.db*", ENOSPC, within=4),
    Fault(On.SYNC, "*", EIO, within=2),
    Fault(On.OPEN, "*", EIO, within=3),
]


def fail(scene: Scene, fault: Fault, chance: random.Random) -> int:
    """Under load, calls fail, and then no more; how many did."""
    after, times = chance.randrange(fault.within), fault.times or chance.randint(1, 3)
    scene.shim.fail(fault.on, fault.pattern, fault.error, after=after, times=times)
    scene.work(fault.steps)
    assert scene.shim.heal(), f"{fault} was never met"
    refused = scene.refusals()
    assert [answer for answer in refused if not TEMPORARY.match(answer)] == []
    scene.work(3)
    assert scene.refusals() == refused, f"{fault} is over, and commands are still refused"
    return scene.shim.failed


@pytest.mark.timeout(7200 if SOAK else 180)
@pytest.mark.parametrize("place", FAULTS)
def test_a_disk_that_fails_costs_a_try_and_no_mail(place: str) -> None:
    chance = random.Random(place)
    with Scene(may_fail=True) as scene:
        scene.server.start()
        failed = sum(fail(scene, fault, chance) for _ in range(ROUNDS) for fault in FAULTS[place])
        scene.server.stop()
        assert scene.wrong() == []
        assert scene.wrong_images(IMAGES, chance) == []
        print(f"\n{place}: {failed} calls failed, {scene.told()}, {IMAGES} images among it")


def test_a_server_that_syncs_again_what_could_not_be_synced_would_lose_mail(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(SYNCS_AGAIN)
    chance = random.Random(1)
    with Scene(environment={"PYTHONPATH": str(tmp_path)}, may_fail=True) as scene:
        scene.server.start()
        for _ in range(4):
            fail(scene, Fault(On.SYNC, PACK, EIO, within=6, times=1), chance)
        scene.server.stop()
        assert scene.refusals() == [], "it takes the second sync's word"
        assert scene.wrong() == [], "nothing shows as long as the power is on"
        assert scene.wrong_images(IMAGES, chance) != []


@pytest.mark.timeout(7200 if SOAK else 180)
def test_a_server_that_cannot_start_for_its_disk_starts_when_it_can() -> None:
    chance = random.Random(3)
    failed = 0
    with Scene(may_fail=True) as scene:
        scene.server.start()
        for fault in STARTS * ROUNDS:
            scene.work(5)
            scene.server.kill()  # it has something to recover
            scene.shim.fail(fault.on, fault.pattern, fault.error, after=chance.randrange(fault.within), times=1000)
            with suppress(AssertionError):  # it may be content with what it has
                scene.server.start().end()
            failed += scene.shim.heal()
            scene.server.start()
        scene.server.stop()
        assert failed >= len(STARTS), "starts have failed"
        assert scene.wrong() == []
        assert scene.wrong_images(IMAGES, chance) == []
        print(f"\n{len(STARTS) * ROUNDS} starts, {failed} calls failed, {scene.told()}, {IMAGES} images among it")
