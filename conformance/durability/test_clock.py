"""A clock that is set forth and back, also while the server is down, puts nothing in disorder.

UIDVALIDITY, UIDs and MODSEQs grow all the same; a message that comes a second time is known; maintenance removes
nothing that is wanted; and what is acknowledged is as safe as ever.
"""

from pathlib import Path

import pytest

from conformance.durability.clients import CountingLmtp
from conformance.durability.growth import Growth
from conformance.durability.installations import copied, mailboxes, opened
from conformance.durability.load import Load
from conformance.durability.proof import prove
from conformance.durability.recorder import SOAK
from conformance.durability.scene import Scene
from conformance.durability.shim import SECOND
from conformance.durability.workers import Deliverer
from core.model import MAX_UID

HOUR, DAY = 3600 * SECOND, 24 * 3600 * SECOND
# How far ahead of the true time: within the window in which a second delivery is known, then anywhere.
NEAR = (HOUR, -HOUR, 2 * DAY, -2 * DAY, 0)
FAR = (400 * DAY, -400 * DAY, 3650 * DAY, -3650 * DAY, 0)
STEPS = 60 if SOAK else 8


def again(scene: Scene, message: bytes) -> list[int]:
    """The replies to a message that u3 has already."""
    with CountingLmtp(scene.server.lmtp) as client:
        return [code for _, code, _ in client.deliver("joe@example.net", ["u3@example.com"], message)]


@pytest.mark.timeout(3600 if SOAK else 120)
def test_a_clock_that_jumps_puts_nothing_in_disorder(tmp_path: Path) -> None:
    with Scene() as scene:
        scene.server.start()
        (deliverer,) = [one for one in scene.workers if isinstance(one, Deliverer) and one.sees("u3/INBOX")]
        first = deliverer.message()
        with CountingLmtp(scene.server.lmtp) as client:
            deliverer.hand_over(client, ["u3"], first)
        for ahead in NEAR:
            set_clock(scene, ahead)
            assert again(scene, first) == [250], "known, and not filed again"
        scene.server.stop()
        early = copied(scene.root, tmp_path / "early")
        for ahead in FAR:
            scene.server.start()  # maintenance comes with the start
            set_clock(scene, ahead)
            scene.server.stop()
        assert scene.wrong() == [], "nothing is missing, and nothing there twice"
        late = scene.directory / "copy"
        proof = prove(scene.shim.log, scene.root, scene.workers, mailboxes(late))
        assert proof.untied == []
        assert proof.violations == []
        assert spread(late) > FAR[2] // 1000, "the server has believed its clock"
        assert went_back(late, early), "the check that all has grown can fail"
        print(f"\n{len(NEAR + FAR)} jumps, {proof.told()}, {scene.told()}")


def set_clock(scene: Scene, ahead: int) -> None:
    """In the midst of the load."""
    load = Load(scene.workers, scene.server, STEPS).start()
    scene.shim.set_clock(ahead)
    load.join()
    scene.work(STEPS)


def went_back(late: Path, early: Path) -> list[str]:
    """The check of growth finds something when it is shown an older state after a newer one."""
    growth = Growth(mailboxes(late))
    found: list[str] = []
    for root in (late, early):
        with opened(root) as house, house.databases[1].read() as tx:
            found = list(growth.note(tx))
    return found


def spread(root: Path) -> int:
    """Microseconds between the first and the last INTERNALDATE."""
    users = mailboxes(root)
    with opened(root) as house, house.databases[1].read() as tx:
        folders = [folder for mailbox in users.values() for folder in tx.folders(mailbox)]
        items = [item for folder in folders for item in tx.items(folder.mailbox_id, folder.folder_id, 1, MAX_UID)]
    return max(item.internal_at for item in items) - min(item.internal_at for item in items)
