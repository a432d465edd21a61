"""T-1.1: a server that is killed under mixed load has kept all that it acknowledged, and brings nothing back.

LMTP to one and several users, APPEND, COPY, MOVE, STORE, EXPUNGE, CREATE, RENAME and DELETE.  After each kill a command
that was under way has been carried out as a whole or not at all; everything else is as its client was told.
"""

import random
import time

import pytest

from conformance.durability.contents import Folders, differences
from conformance.durability.growth import Growth
from conformance.durability.installations import look, mailboxes, opened
from conformance.durability.kills import kill_one
from conformance.durability.load import Load
from conformance.durability.recorder import SOAK
from conformance.durability.scene import Scene
from conformance.durability.workers import Worker

KILLS = 300 if SOAK else 15
ENDLESS = 1_000_000


def wrong(worker: Worker, seen: Folders) -> list[str]:
    """Nothing, when what it was told is there, or what its last command was to make of it."""
    told = differences(worker.folders, seen)
    if told and worker.begun is not None and not differences(worker.begun.after, seen):
        return []
    return [f"{worker.name}, {worker.begun and worker.begun.what} under way: {line}" for line in told]


@pytest.mark.timeout(7200 if SOAK else 180)
def test_what_was_acknowledged_is_there_however_often_a_process_is_killed() -> None:
    chance = random.Random(4)
    under_way = 0
    with Scene(records=False) as scene:
        scene.server.start()
        scene.server.stop()
        growth = Growth(mailboxes(scene.root))
        scene.server.start()
        for number in range(KILLS):
            load = Load(scene.workers, scene.server, ENDLESS).start()
            time.sleep(chance.uniform(0.05, 0.5))
            kill_one(scene.server, chance)
            scene.server.end()  # and whatever else there is of it
            load.join(server_is_dead=True)
            under_way += sum(worker.begun is not None for worker in scene.workers)
            broken, seen = look(scene.root)
            with opened(scene.root) as house, house.databases[1].read() as tx:
                broken += growth.note(tx)
            for worker in scene.workers:
                broken += wrong(worker, worker.mine(seen))
                worker.adopt(seen)
            assert broken == [], f"after kill {number}"
            scene.server.start()
        scene.server.stop()
        assert scene.refusals() == []
        assert scene.wrong() == []
        assert under_way > KILLS, "there was load"
        print(f"\n{KILLS} kills with {under_way} commands under way, {scene.told()}")
