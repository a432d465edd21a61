"""Whether a server keeps its word: at each acknowledgement, all that its command wrote is on the disk for certain."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from adapters.blobs.packs import record_header
from conformance.durability.commits import Acknowledged, Commit, Ties, Wal
from conformance.durability.disk import Disk, File
from conformance.durability.growth import Growth
from conformance.durability.recording import Event, Sent, events
from conformance.durability.workers import Worker
from core.model import Blob, MailboxId


@dataclass
class Proof:
    """What a recording shows."""

    disk: Disk
    sent: Sent
    commits: list[Commit] = field(default_factory=list)
    acknowledged: list[Acknowledged] = field(default_factory=list)
    untied: list[str] = field(default_factory=list)  # steps that no commit explains
    violations: list[str] = field(default_factory=list)
    bodies_in_packs: int = 0
    events: int = 0
    restarts: int = 0  # of a WAL, behind a checkpoint

    def told(self) -> str:
        together = len(self.acknowledged) - len({id(one.commit) for one in self.acknowledged})
        return (
            f"{len(self.acknowledged)} acknowledgements, {len(self.commits)} commits ({together} steps shared one), "
            f"{self.restarts} WALs begun anew, {self.bodies_in_packs} bodies in packs, {self.events} calls recorded, "
            f"{len(self.violations)} violations"
        )


def prove(log: Path, root: Path, workers: Sequence[Worker], mailboxes: Mapping[str, MailboxId]) -> Proof:
    proof, growth = Proof(Disk(root), Sent()), Growth(mailboxes)
    ties = Ties(workers, mailboxes)
    wals: dict[str, Wal] = {}
    for event in events(log):
        proof.disk.apply(event)
        proof.sent.note(event)
        proof.events += 1
        commit = _commit(event, wals, proof.disk, root)
        if commit is not None and proof.sent.has_begun:  # before, there may be no tables yet
            tx = wals[event.path].tx()
            ties.note(commit, tx)
            proof.violations += growth.note(tx)
    proof.commits = ties.commits
    proof.restarts = sum(wal.restarts for wal in wals.values())
    for worker in workers:
        for step in worker.steps:
            if id(step) in ties.of:
                at = proof.sent.when(step.port, step.octets)
                proof.acknowledged.append(Acknowledged(worker, step, at, *ties.of[id(step)]))
            else:
                proof.untied.append(f"{worker.name}: {step.what}")
    for one in proof.acknowledged:
        packed = [blob for blob in one.blobs if blob.pack_id is not None]
        proof.bodies_in_packs += len(packed)
        proof.violations += (f"{one.worker.name}, {one.step.what}: {why}" for why in _broken(proof.disk, one, packed))
    return proof


def _commit(event: Event, wals: dict[str, Wal], disk: Disk, root: Path) -> Commit | None:
    if not event.path.endswith(".db-wal") or not event.path.startswith(f"{root}/databases/"):
        return None
    if event.path not in wals:
        wals[event.path] = Wal(event.path.removesuffix("-wal"), disk)
    return wals[event.path].note(event)


def _broken(disk: Disk, one: Acknowledged, packed: Sequence[Blob]) -> Iterator[str]:
    """What was not safe yet when the acknowledgement went out."""
    commit = one.commit
    if commit.last > one.at:
        yield "acknowledged before it was committed"
    if not _is_safe(commit.wal, commit.last, one.at):
        yield "its frames in the WAL were not synced"
    for path in (commit.database, f"{commit.database}-wal"):
        if name := disk.unsafe_name(path, one.at):
            yield f"the name of {name} was not synced"
    for blob in packed:
        yield from _broken_body(disk, one, blob)


def _broken_body(disk: Disk, one: Acknowledged, blob: Blob) -> Iterator[str]:
    path = f"{one.commit.database.removesuffix('.db')}/{blob.pack_id}.pack"
    pack = disk.named(path, one.at)
    assert isinstance(pack, File), "a pack is a file"
    assert blob.pack_offset is not None, "it is in a pack"
    start = blob.pack_offset - len(record_header(blob))
    written = pack.last_write(start, blob.pack_offset + blob.stored_size)
    if not _is_safe(pack, written, one.at):
        yield f"its body in {path} was not synced"
    elif not _is_safe(pack, written, one.commit.first):
        yield f"the row that names {path} was written before the body was safe"
    if name := disk.unsafe_name(path, one.at):
        yield f"the name of {name} was not synced"


def _is_safe(file: File, written: int, until: int) -> bool:
    safe = file.safe_from(written)
    return safe is not None and safe <= until
