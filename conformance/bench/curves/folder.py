"""One INBOX that grows: what a message in it costs, what opening it costs, what a start costs."""

import contextlib
import random
import re
import time
from array import array
from collections.abc import Iterator

from conformance.bench import servers
from conformance.bench.clients import Imap, Lmtp, Target, dot_stuff, literals
from conformance.bench.curves.measuring import Plan, Side, Values, medians, rounds, timed
from conformance.bench.harness import check
from conformance.bench.results import Row
from conformance.bench.workloads import process_tree_pss

UNITS = {
    "deliver": "ms",
    "fetch_one": "ms",
    "store_one": "ms",
    "notice": "ms",
    "select_cold": "ms",
    "select_warm": "ms",
    "start": "ms",
    "memory": "MiB",
}
USER = "u1"
DIFFERENT = 100  # messages; the others are copies of them, and of what copies are of
PIECE = 50_000  # messages that one COPY copies
LARGEST = 3000  # octets of a message
EACH, NOTICES = 20, 10  # operations, and deliveries to an IDLE connection, of one round
NOTICE_SECONDS = 10


def rows(plan: Plan) -> Iterator[list[Row]]:
    """Measures both servers at each size; sizes below a hundred are not to be had."""
    with contextlib.ExitStack() as stack:
        sides = [Folder(stack.enter_context(servers.penfold(workers=plan.workers, users=3)), plan)]
        if plan.peer_up_to:
            sides.append(Folder(stack.enter_context(servers.dovecot()), plan))
        for size in plan.sizes:
            here = [side for side in sides if side is sides[0] or size <= plan.peer_up_to]
            for side in here:
                if side.trouble is None:
                    side.tries(lambda: side.grow(size))
            yield rounds("folder", plan, size, UNITS, {side: side.measure for side in here})


class Folder(Side):
    """The INBOX of one server, and what is in it: message number n has the UID uids[n - 1] and the mail mails[n - 1]."""

    def __init__(self, server: servers.Server, plan: Plan) -> None:
        super().__init__(server.name)
        self._server = server
        self._plan = plan
        self._rounds_of_sizes: dict[int, list[int]] = {}
        self._uids = array("L")
        self._mails = array("L")
        self._next_mail = 10 * DIFFERENT  # of those that are delivered
        server.end()
        server.start()

    def grow(self, size: int) -> Values:
        """By APPEND of the different ones, then by COPY of what is there."""
        client = Imap(self._target())
        client.cmd(f"LOGIN {USER} {client.target.password}")
        _, uid_next = opened(client)
        if not self._mails:
            mails = [self._plan.corpus.message(number, LARGEST) for number in range(DIFFERENT)]
            for mail in mails:
                client.append("INBOX", [mail])
            self._mails.extend(range(DIFFERENT))
        while len(self._mails) < size:
            more = min(len(self._mails), size - len(self._mails), PIECE)
            client.cmd(f"COPY 1:{more} INBOX")
            self._mails.extend(self._mails[:more])
        exists, then_next = opened(client)
        self._uids.extend(range(uid_next, then_next))
        check(exists == len(self._mails) == len(self._uids) == size, f"INBOX has {exists} messages instead of {size}")
        client.quit()
        return {}

    def measure(self, number: int) -> Values:
        """One round; it leaves the folder with the messages that it found."""
        size = len(self._mails)
        rng = random.Random(f"{self._plan.corpus.seed}:{size}:{number}")
        picks = rng.sample(range(size), min(EACH, size))
        times = {"deliver": self._deliver(size), **self._one_by_one(picks), "notice": self._notices(size)}
        self._server.end()
        started = self._server.start() * 1000
        client = Imap(self._target())
        client.cmd(f"LOGIN {USER} {client.target.password}")
        selects = [timed(lambda: check(opened(client)[0] == size, f"not {size} messages")) for _ in range(6)]
        memory = process_tree_pss(self._server.pid) / 1024
        client.quit()
        times |= {"select_cold": selects[:1], "select_warm": selects[1:]}
        return medians(times) | {"start": started, "memory": memory}

    def _target(self) -> Target:
        return self._server.target(1)

    def _mail(self) -> bytes:
        self._next_mail += 1
        return self._plan.corpus.message(self._next_mail, LARGEST)

    def _deliver(self, size: int) -> list[float]:
        """ms of each; then the messages are there, the last one as it was sent, and go again."""
        target = self._target()
        lmtp, mails = Lmtp(target.lmtp), [self._mail() for _ in range(EACH)]
        stuffed = [dot_stuff(mail) for mail in mails]
        times = [timed(lambda: lmtp.deliver([target.address(USER)], mail)) for mail in stuffed]
        lmtp.close()
        client = Imap(target, USER, "INBOX")
        check(client.count("INBOX") == size + EACH, f"{EACH} deliveries did not arrive")
        (last,) = literals(client.cmd(f"FETCH {size + EACH} BODY.PEEK[]")) or [b""]
        check(last.endswith(mails[-1]), "delivered message differs from the octets sent")
        self._remove_after(client, size)
        return times

    def _one_by_one(self, picks: list[int]) -> dict[str, list[float]]:
        """FETCH and STORE of some messages; afterwards they are as they were."""
        client, fetches, stores = Imap(self._target(), USER, "INBOX"), [], []
        for at in picks:
            began = time.perf_counter()
            answer = client.cmd(f"UID FETCH {self._uids[at]} (UID FLAGS ENVELOPE BODY.PEEK[])")
            fetches.append((time.perf_counter() - began) * 1000)
            mail = self._plan.corpus.message(self._mails[at], LARGEST)
            check(literals(answer) == [mail] and b"ENVELOPE (" in answer, f"message {at + 1} came back different")
        for at in picks:
            began = time.perf_counter()
            answer = client.cmd(f"UID STORE {self._uids[at]} +FLAGS (\\Flagged)")
            stores.append((time.perf_counter() - began) * 1000)
            check(b"* %d FETCH" % (at + 1) in answer and b"\\flagged" in answer.lower(), f"STORE answered {answer!r}")
        flagged = sorted(at + 1 for at in picks)
        check(client.search("FLAGGED") == flagged, "flags were not stored")
        client.cmd(f"UID STORE {','.join(str(self._uids[at]) for at in picks)} -FLAGS.SILENT (\\Flagged)")
        client.quit()
        return {"fetch_one": fetches, "store_one": stores}

    def _notices(self, size: int) -> list[float]:
        """ms from the 250 to the EXISTS of each delivery."""
        target, times = self._target(), []
        lmtp, client = Lmtp(target.lmtp), Imap(target, USER, "INBOX")
        client.sock.settimeout(NOTICE_SECONDS)
        tag = client.send("IDLE")
        check(client.readline().startswith(b"+"), "IDLE not confirmed")
        for number in range(1, NOTICES + 1):
            lmtp.deliver([target.address(USER)], dot_stuff(self._mail()))
            acknowledged = time.perf_counter()
            while not re.search(rb"(?mi)^\* %d EXISTS\r\n" % (size + number), client.buf):
                client.more()
            times.append(max(0.01, (time.perf_counter() - acknowledged) * 1000))
        lmtp.close()
        client.sock.sendall(b"DONE\r\n")
        client.wait(tag, "IDLE")
        self._remove_after(client, size)
        return times

    def _remove_after(self, client: Imap, size: int) -> None:
        client.cmd(f"STORE {size + 1}:* +FLAGS.SILENT (\\Deleted)")
        client.cmd("EXPUNGE")
        check(client.count("INBOX") == size, "EXPUNGE left messages behind")
        client.quit()


def opened(client: Imap) -> tuple[int, int]:
    """SELECT INBOX: how many messages there are, and UIDNEXT."""
    answer = client.cmd("SELECT INBOX")
    exists, uid_next = (re.search(pattern, answer) for pattern in (rb"\* (\d+) EXISTS", rb"\[UIDNEXT (\d+)\]"))
    check(exists is not None and uid_next is not None, f"SELECT answered {answer!r:.300}")
    return int(exists[1]), int(uid_next[1])
