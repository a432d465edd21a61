"""More and more idle connections, with TLS or without: what each takes, and how soon one of them hears of mail."""

import contextlib
import random
import re
import resource
import ssl
import statistics
import time
from collections.abc import Callable, Iterator

from conformance.bench import servers
from conformance.bench.clients import Imap, Lmtp, Target, dot_stuff
from conformance.bench.curves.measuring import Plan, Side, Values, rounds, timed
from conformance.bench.harness import check, parallel
from conformance.bench.results import Row
from conformance.bench.workloads import process_tree_pss

UNITS = {"memory_each": "KiB", "notice_p50": "ms", "notice_p99": "ms", "noop": "ms"}
WATCHED, OTHERS = 100, 200  # users with one connection each, one of whom gets mail; those who have the rest
OPENING = 8  # threads that open connections
NOTICES, NOOPS = 40, 50  # of one round
NOTICE_SECONDS = 10
SETTLE_SECONDS = 2.0  # until the server has put away what signing in has taken
LARGEST = 3000  # octets of a message
SPARE = 500  # descriptors for all that is no idle connection


def plain(plan: Plan) -> Iterator[list[Row]]:
    """Connections without TLS, to both servers."""
    return _rows("connections", plan, tls=False)


def encrypted(plan: Plan) -> Iterator[list[Row]]:
    """Connections with TLS, to Penfold alone."""
    return _rows("tls", plan, tls=True)


def _rows(axis: str, plan: Plan, *, tls: bool) -> Iterator[list[Row]]:
    may_have = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if may_have < max(plan.sizes) + SPARE:
        raise SystemExit(f"{max(plan.sizes)} connections need {max(plan.sizes) + SPARE} descriptors, not {may_have}")
    with contextlib.ExitStack() as stack:
        ours = stack.enter_context(servers.penfold(workers=plan.workers, users=WATCHED + OTHERS))
        sides = [Connections(ours, plan, tls=tls)]
        if plan.peer_up_to:
            sides.append(Connections(stack.enter_context(servers.dovecot()), plan, tls=False))
        for size in plan.sizes:
            here = [side for side in sides if side is sides[0] or size <= plan.peer_up_to]
            yield rounds(axis, plan, size, UNITS, {side: side.at(size) for side in here})


class Connections(Side):
    """One server, started anew for each round: a process keeps memory, and new connections take that first."""

    def __init__(self, server: servers.Penfold | servers.Dovecot, plan: Plan, *, tls: bool) -> None:
        super().__init__(server.name)
        self._server = server
        self._plan = plan
        self._tls = tls
        self._next_mail = 0

    def at(self, size: int) -> Callable[[int], Values]:
        """Measures so many connections."""
        return lambda number: self._measure(size, number)

    def _measure(self, size: int, number: int) -> Values:
        self._server.end()
        self._server.start()
        target = self._target()
        with contextlib.ExitStack() as stack:
            beside = Imap(target, target.users[0], "INBOX")  # what a first connection takes for all is no one's
            stack.callback(beside.close)
            before = process_tree_pss(self._server.pid)
            clients = self._open(target, size, stack)
            time.sleep(SETTLE_SECONDS)
            memory = process_tree_pss(self._server.pid) - before
            times = sorted(self._notices(target, clients, number))
            noops = [timed(lambda: beside.cmd("NOOP")) for _ in range(NOOPS)]
            for client, tag in clients:
                client.sock.sendall(b"DONE\r\n")
                client.wait(tag, "IDLE")
        return {
            "memory_each": max(0, memory) / size,
            "notice_p50": statistics.median(times),
            "notice_p99": times[len(times) * 99 // 100],
            "noop": statistics.median(noops),
        }

    def _target(self) -> Target:
        if not self._tls:
            return self._server.target(WATCHED + OTHERS)
        assert isinstance(self._server, servers.Penfold), "only it has TLS"
        target = self._server.target(WATCHED + OTHERS, port=993)
        target.tls = ssl.create_default_context(cafile=str(self._server.certificate))
        return target

    def _open(self, target: Target, size: int, stack: contextlib.ExitStack) -> list[tuple[Imap, bytes]]:
        """The connections in IDLE, each with the tag of its IDLE; number n is of the user number n up to WATCHED."""
        users = target.users[:WATCHED] + [
            target.users[WATCHED + number % OTHERS] for number in range(max(0, size - WATCHED))
        ]
        opened: dict[int, tuple[Imap, bytes]] = {}

        def work(first: int) -> None:
            for number in range(first, size, OPENING):
                client = Imap(target)
                stack.callback(client.close)
                client.cmd(f"LOGIN {users[number]} {target.password}")
                client.cmd("SELECT INBOX")
                tag = client.send("IDLE")
                check(client.readline().startswith(b"+"), "IDLE not confirmed")
                opened[number] = client, tag

        parallel(OPENING, work)
        return [opened[number] for number in range(size)]

    def _notices(self, target: Target, clients: list[tuple[Imap, bytes]], number: int) -> Iterator[float]:
        """ms from the 250 to the EXISTS of each delivery."""
        rng = random.Random(f"{self._plan.corpus.seed}:{len(clients)}:{number}")
        lmtp = Lmtp(target.lmtp)
        for _ in range(NOTICES):
            at = rng.randrange(min(WATCHED, len(clients)))
            client, _tag = clients[at]
            client.sock.settimeout(NOTICE_SECONDS)
            client.buf.clear()
            self._next_mail += 1
            mail = self._plan.corpus.message(self._next_mail, LARGEST)
            lmtp.deliver([target.address(target.users[at])], dot_stuff(mail))
            acknowledged = time.perf_counter()
            while not re.search(rb"(?mi)^\* \d+ EXISTS\r\n", client.buf):
                client.more()
            yield max(0.01, (time.perf_counter() - acknowledged) * 1000)
        lmtp.close()
