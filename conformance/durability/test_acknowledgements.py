"""T-1.1: nothing is acknowledged before it is on the disk, as far as one can see from what a server asks of its disk.

A server is recorded (shim.c) under mixed load: LMTP to one and to several users, APPEND of all sizes and of several
messages, COPY, MOVE, STORE, EXPUNGE, CREATE, RENAME, DELETE; with a stop and a start in between.
"""

from pathlib import Path

import pytest

from conformance.durability.recorder import SESSIONS, SOAK, STEPS, Recording, record
from conformance.support.servers import remove, scratch

pytestmark = pytest.mark.timeout(3600 if SOAK else 180)

# Syncs that are left out, and what must be noticed for how many acknowledgements then (a share of all, or of those with
# a body in a pack): a proof that cannot fail proves nothing.
CONTROLS = {
    "databases/first.db-wal": ("its frames in the WAL were not synced", "all"),
    "*.pack": ("its body in ", "packed"),
    "databases/first": ("the name of ", "packed"),
    "databases": ("the name of ", "all"),
}


def test_the_recording_holds_every_octet_that_is_on_the_disk(recording: Recording) -> None:
    root = recording.server.directory
    recorded = dict(recording.proof.disk.now())
    there = {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and not path.name.endswith(("-shm", ".lock"))
    }
    assert recorded.keys() == there.keys()
    assert [path for path in there if recorded[path] != there[path]] == []


def test_the_recording_holds_every_octet_that_clients_have_heard(recording: Recording) -> None:
    for worker in recording.workers:
        for step in worker.steps:
            assert recording.proof.sent.total(step.port) >= step.octets


def test_what_is_acknowledged_was_synced_before_with_the_names_that_lead_to_it(recording: Recording) -> None:
    proof = recording.proof
    assert proof.untied == []
    assert (
        len(proof.acknowledged) == sum(len(worker.steps) for worker in recording.workers) >= len(SESSIONS) * STEPS * 6
    )
    assert proof.bodies_in_packs > 50
    assert proof.restarts > 0, "there was a checkpoint under load"
    assert proof.violations == []


@pytest.mark.parametrize("skipped", CONTROLS)
def test_the_proof_fails_for_a_server_that_does_not_sync(skipped: str, tmp_path: Path) -> None:
    said, of = CONTROLS[skipped]
    directory = scratch("control")
    try:
        proof = record(directory, skipped=skipped, steps=12, sessions=[2]).proof
    finally:
        remove(directory)
    assert proof.untied == []
    noticed = [line for line in proof.violations if said in line]
    assert len(noticed) >= (len(proof.acknowledged) if of == "all" else proof.bodies_in_packs) > 10
