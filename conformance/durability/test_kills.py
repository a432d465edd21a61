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
from conformance.durability.scene import TEMPORARY, Scene, Server
from conformance.durability.workers import Worker
from conformance.support.processes import eventually

KILLS = {1: 150, 3: 300} if SOAK else {1: 4, 3: 6}  # of servers of so many processes
ENDLESS = 1_000_000


def wrong(worker: Worker, seen: Folders) -> list[str]:
    """Nothing, when what it was told is there, or what its last command was to make of it."""
    told = differences(worker.folders, seen)
    if told and worker.begun is not None and not differences(worker.begun.after, seen):
        return []
    return [f"{worker.name}, {worker.begun and worker.begun.what} under way: {line}" for line in told]


@pytest.mark.timeout(7200 if SOAK else 180)
@pytest.mark.parametrize("workers", KILLS)
def test_what_was_acknowledged_is_there_however_often_a_process_is_killed(workers: int) -> None:
    chance = random.Random(workers)
    under_way = 0
    with Scene(records=False, workers=workers, may_fail=True) as scene:
        scene.server.start()
        scene.server.stop()
        growth = Growth(mailboxes(scene.root))
        for worker in scene.workers:
            worker.gives_up = True
        for number in range(KILLS[workers]):
            scene.server.start()
            load = Load(scene.workers, scene.server, ENDLESS).start()
            until = scene.acknowledged() + chance.randint(6, 80)
            eventually(lambda: scene.acknowledged() >= until, seconds=60, every=0.001, what="clients get on")  # noqa: B023
            killed(scene.server, chance)
            load.join(server_is_dead=True)
            under_way += sum(worker.begun is not None for worker in scene.workers)
            broken, seen = look(scene.root)
            with opened(scene.root) as house, house.databases[1].read() as tx:
                broken += growth.note(tx)
            for worker in scene.workers:
                broken += wrong(worker, worker.mine(seen))
                worker.adopt(seen)
            assert broken == [], f"after kill {number}"
        assert [answer for answer in scene.refusals() if not TEMPORARY.match(answer)] == []
        assert scene.wrong() == []
        assert under_way > KILLS[workers], "there was load"
        print(f"\n{workers} workers, {KILLS[workers]} kills with {under_way} commands under way, {scene.told()}")


def killed(server: Server, chance: random.Random) -> None:
    """One process, then all: in between the others go on, and may start another in its place."""
    kill_one(server, chance)
    time.sleep(chance.choice((0.0, chance.uniform(0.0, 1.5))))
    server.end()
