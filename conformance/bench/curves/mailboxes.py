"""More and more mailboxes: what it costs to find one, to deliver to it, to sign in to it, and to start."""

import contextlib
import random
import time
from collections import Counter
from collections.abc import Iterator

from conformance.bench import servers
from conformance.bench.clients import Imap, Lmtp, dot_stuff
from conformance.bench.curves.measuring import Plan, Side, Values, medians, rounds, timed
from conformance.bench.harness import check
from conformance.bench.results import Row
from conformance.bench.workloads import process_tree_pss

UNITS = {
    "rcpt_cold": "ms",
    "rcpt_warm": "ms",
    "deliver": "ms",
    "login_cold": "ms",
    "login_warm": "ms",
    "start": "ms",
    "memory": "MiB",
}
HELD = 3  # messages that each mailbox holds from the beginning
TOGETHER = 100  # recipients of one transaction that fills them
LARGEST = 3000  # octets of a message
EACH, LOGINS = 50, 10  # recipients, and users who sign in, of one round


def rows(plan: Plan) -> Iterator[list[Row]]:
    """Measures both servers at each size."""
    with contextlib.ExitStack() as stack:
        sides = [Mailboxes(stack.enter_context(servers.penfold(workers=plan.workers, users=1)), plan)]
        if plan.peer_up_to:
            peer = stack.enter_context(servers.dovecot())
            peer.stop()
            sides.append(Mailboxes(peer, plan))
        for size in plan.sizes:
            here = [side for side in sides if side is sides[0] or size <= plan.peer_up_to]
            for side in here:
                if side.trouble is None:
                    side.tries(lambda: side.grow(size))
            yield rounds("mailboxes", plan, size, UNITS, {side: side.measure for side in here})


class Mailboxes(Side):
    """The users of one server, and how many messages each has; it is not running when this begins."""

    def __init__(self, server: servers.Server, plan: Plan) -> None:
        super().__init__(server.name)
        self._server = server
        self._plan = plan
        self._held: Counter[str] = Counter()  # by user
        self._next_mail = 0

    def grow(self, size: int) -> Values:
        """Makes the users that are missing, with their mail."""
        self._server.stop()
        self._server.provide(size)
        self._server.start()
        target = self._server.target(size)
        fresh = [user for user in target.users if user not in self._held]
        lmtp = Lmtp(target.lmtp)
        for start in range(0, len(fresh), TOGETHER):
            some = fresh[start : start + TOGETHER]
            for _ in range(HELD):
                lmtp.deliver([target.address(user) for user in some], dot_stuff(self._mail()))
        lmtp.close()
        self._held.update(dict.fromkeys(fresh, HELD))
        check(len(self._held) == size, f"{len(self._held)} users instead of {size}")
        return {}

    def measure(self, number: int) -> Values:
        """One round, which begins with a start."""
        self._server.end()
        started = self._server.start() * 1000
        size = len(self._held)
        target = self._server.target(size)
        picks = random.Random(f"{self._plan.corpus.seed}:{size}:{number}").sample(target.users, min(EACH, size))
        lmtp = Lmtp(target.lmtp)
        lmtp.ask("MAIL FROM:<bench@sender.example>")
        recipients = [f"RCPT TO:<{target.address(user)}>" for user in picks]
        cold = [timed(lambda: lmtp.ask(line)) for line in recipients]
        lmtp.ask("RSET")
        lmtp.ask("MAIL FROM:<bench@sender.example>")
        warm = [timed(lambda: lmtp.ask(line)) for line in recipients]
        lmtp.ask("RSET")
        mails = [(target.address(user), dot_stuff(self._mail())) for user in picks]
        delivered = [timed(lambda: lmtp.deliver([address], mail)) for address, mail in mails]
        lmtp.close()
        self._held.update(picks)
        times = {"rcpt_cold": cold, "rcpt_warm": warm, "deliver": delivered}
        for metric in ("login_cold", "login_warm"):
            times[metric] = [self._login(user) for user in picks[:LOGINS]]
        return medians(times) | {"start": started, "memory": process_tree_pss(self._server.pid) / 1024}

    def _login(self, user: str) -> float:
        """ms; then there is in the INBOX what was delivered to it."""
        target = self._server.target(1)
        client = Imap(target)
        began = time.perf_counter()
        client.cmd(f"LOGIN {user} {target.password}")
        took = (time.perf_counter() - began) * 1000
        check((found := client.count("INBOX")) == self._held[user], f"{user} has {found} messages")
        client.quit()
        return took

    def _mail(self) -> bytes:
        self._next_mail += 1
        return self._plan.corpus.message(self._next_mail, LARGEST)
