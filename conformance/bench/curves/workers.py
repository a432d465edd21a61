"""More worker processes: workloads of the table, with Penfold started anew for each number of them."""

from collections.abc import Iterator

from conformance.bench import servers
from conformance.bench.curves.measuring import Plan
from conformance.bench.goals import CURVES
from conformance.bench.results import Row
from conformance.bench.workbench import measure

WORKLOADS = ("lmtp_deliver_16", "imap_store_flags", "imap_fetch_bodies", "mixed")


def rows(plan: Plan) -> Iterator[list[Row]]:
    """Measures both servers at each number of workers."""
    with servers.dovecot() as peer:
        for size in plan.sizes:
            with servers.penfold(workers=size, users=servers.USERS) as ours:
                ours.start()
                found = measure(
                    ours,
                    peer if plan.peer_up_to else None,
                    wanted=CURVES["workers"],
                    rounds=plan.rounds,
                    quick=plan.quick,
                    only=",".join(WORKLOADS),
                    size=size,
                )
            yield [row for row in found if row.metric in CURVES["workers"]]
