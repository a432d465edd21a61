"""How a workload is run: against which server, how often, timed by which clock, and its answers checked."""

import re
import threading
import time
import uuid

from conformance.bench.clients import BenchError, Imap, Lmtp, Target, Unsupported, dot_stuff, literals
from conformance.bench.corpus import Corpus


class Clock:
    """Wall time and this client's CPU time of the timed section."""

    total_wall = total_cpu = 0.0

    def __enter__(self):
        self.t0, self.c0 = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *exc):
        self.s = time.perf_counter() - self.t0
        Clock.total_wall, Clock.total_cpu = Clock.total_wall + self.s, Clock.total_cpu + time.process_time() - self.c0

    @property
    def ms(self) -> float:
        return self.s * 1000


def parallel(n: int, work) -> Clock:
    """Run work(0..n-1) in n threads; the clock runs from the common start to the last finish."""
    errors, start, clock = [], threading.Barrier(n + 1), Clock()

    def body(k: int) -> None:
        start.wait()
        try:
            work(k)
        except Exception as e:  # noqa: BLE001 - reported below, never swallowed
            errors.append(e)

    threads = [threading.Thread(target=body, args=(k,), daemon=True) for k in range(n)]
    for t in threads:
        t.start()
    with clock:
        start.wait()
        for t in threads:
            t.join()
    if errors:
        raise (
            errors[0] if isinstance(errors[0], (BenchError, Unsupported)) else BenchError(repr(errors[0]))
        ) from errors[0]
    return clock


WORKLOADS: dict[str, tuple] = {}


def workload(**units: str):
    """Register a workload.  units: metric name -> unit; "…/s" means more is better, anything else less is better."""

    def add(fn):
        WORKLOADS[fn.__name__] = (fn, units)
        return fn

    return add


def check(ok: bool, message: str) -> None:
    if not ok:
        raise BenchError(message)


class Bench:
    def __init__(self, args, targets: list[Target]):
        self.quick, self.seed, self.rounds, self.targets = args.quick, args.seed, args.rounds, targets
        self.run_id = uuid.uuid4().hex[:6]
        self.corpus = Corpus(args.seed, args.domain, self.run_id)
        self.big_size = args.messages or (1000 if args.quick else 10_000)
        self._sizes: dict[int, int] = {}

    def scale(self, full: int, quick: int) -> int:
        return quick if self.quick else full

    def fill(self, c: Imap, box: str, start: int, n: int, max_size: int = Corpus.MAX) -> None:
        """CREATE box and append corpus messages start..start+n-1 in order (sequence number k is message start+k-1)."""
        c.cmd(f"CREATE {box}")
        batch = 25 if "MULTIAPPEND" in c.target.capabilities() else 1
        for k in range(start, start + n, batch):
            c.append(box, [self.corpus.message(i, max_size) for i in range(k, min(k + batch, start + n))])
        check(c.count(box) == n, f"{box} does not hold the {n} messages appended")

    def once(self, t: Target, user: int, key: str, n: int) -> str:
        """Name of a mailbox of n corpus messages that is filled once per run and target."""
        if key not in t.boxes:
            c, t0 = Imap(t, t.user(user)), time.perf_counter()
            self.fill(c, key + self.run_id + t.name, 0, n)
            c.cmd(f"SELECT {key + self.run_id + t.name}")
            t.uids[key] = [
                int(u) for u in re.findall(rb"\d+", re.search(rb"(?mi)^\* SEARCH(.*)$", c.cmd("UID SEARCH ALL"))[1])
            ]
            check(len(t.uids[key]) == n, "UID SEARCH ALL does not find every message")
            c.quit()
            t.boxes[key] = key + self.run_id + t.name
            print(f"    [{t.name}: filled {key} with {n} messages in {time.perf_counter() - t0:.1f} s]", flush=True)
        return t.boxes[key]

    def big(self, t: Target) -> Imap:
        """A fresh connection that has the large mailbox (10,000 messages) selected."""
        return Imap(t, t.user(0), select=self.once(t, 0, "big", self.big_size))

    def sizes(self, first: int, last: int) -> list[int]:
        for i in range(first, last):
            if i not in self._sizes:
                self._sizes[i] = len(self.corpus.message(i))
        return [self._sizes[i] for i in range(first, last)]

    def deliver(
        self,
        t: Target,
        users: list[str],
        first: int,
        n: int,
        connections: int,
        fanout: bool = False,
        max_size: int = Corpus.MAX,
    ) -> float:
        """Deliver n corpus messages (round robin over users, or each to all users); returns recipient copies per second.
        Afterwards the INBOX counts must have grown by exactly the copies acknowledged, and the last message of the
        first user must end with the bytes sent (the server may add header lines in front, nothing else)."""
        if not t.lmtp:
            raise Unsupported("no --lmtp")
        messages = [self.corpus.message(first + k, max_size, t.name) for k in range(n)]
        before, stuffed = self.counts(t, users), [dot_stuff(m) for m in messages]
        rcpts = [
            [t.address(u) for u in users] if fanout else [t.address(users[k % len(users)])]
            for k in range(len(messages))
        ]
        lines = [Lmtp(t.lmtp) for _ in range(connections)]
        lines[0].deliver(rcpts[0], stuffed[0])  # warm-up, and the message whose bytes are compared

        def work(n: int) -> None:
            for k in range(1 + n, len(messages), connections):
                lines[n].deliver(rcpts[k], stuffed[k])

        clock = parallel(connections, work)
        for line in lines:
            line.close()
        grown = [a - b for a, b in zip(self.counts(t, users), before)]
        expected = [sum(t.address(u) in r for r in rcpts) for u in users]
        check(grown == expected, f"INBOX counts grew by {grown}, expected {expected}")
        c = Imap(t, users[0], select="INBOX")
        got = literals(c.cmd(f"FETCH {before[0] + 1} BODY.PEEK[]"))
        check(len(got) == 1 and got[0].endswith(messages[0]), "delivered message differs from the bytes sent")
        c.quit()
        self.empty(t, users)
        return sum(len(r) for r in rcpts[1:]) / clock.s

    def counts(self, t: Target, users: list[str]) -> list[int]:
        result = []
        for u in users:
            c = Imap(t, u)
            result.append(c.count("INBOX"))
            c.quit()
        return result

    def empty(self, t: Target, users: list[str]) -> None:
        """Empty the INBOX of each user, so that every round starts alike."""
        for u in users:
            c = Imap(t, u, select="INBOX")
            if c.count("INBOX"):
                c.cmd("STORE 1:* +FLAGS.SILENT (\\Deleted)")
                c.cmd("EXPUNGE")
            c.quit()

    def run(self, name: str) -> dict[str, dict]:
        fn, units = WORKLOADS[name]
        rows: dict[str, dict] = {m: {"unit": u, "values": {t.name: [] for t in self.targets}} for m, u in units.items()}
        trouble: dict[str, str] = {}
        cpu = {t.name: [0.0, 0.0] for t in self.targets}
        for rnd in range(self.rounds):
            for t in self.targets[:: -1 if rnd % 2 else 1]:  # A, B, B, A, ...: who is first in a round gains by it
                if t.name in trouble:
                    continue
                Clock.total_wall = Clock.total_cpu = 0.0
                try:
                    values = fn(self, t, rnd)
                except Unsupported as e:
                    trouble[t.name] = f"n/a ({e})"
                except BenchError as e:
                    trouble[t.name] = f"FAILED: {e}"
                except Exception as e:  # noqa: BLE001 - an answer that could not even be parsed
                    trouble[t.name] = f"FAILED: {type(e).__name__}: {e}"
                else:
                    for metric, value in values.items():
                        rows[metric]["values"][t.name].append(value)
                cpu[t.name] = [cpu[t.name][0] + Clock.total_wall, cpu[t.name][1] + Clock.total_cpu]
        for row in rows.values():
            row["trouble"] = trouble
            row["client_cpu"] = {n: round(c / w, 3) if w else None for n, (w, c) in cpu.items()}
        return rows
