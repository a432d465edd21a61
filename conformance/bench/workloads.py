"""The workloads: each a function that gives its metrics for one server and one round."""

import contextlib
import random
import re
import select
import statistics
import threading
import time
from pathlib import Path

from conformance.bench.clients import Imap, Lmtp, Target, Unsupported, dot_stuff, literals
from conformance.bench.harness import Bench, Clock, check, parallel, workload


@workload(lmtp_deliver_1="msg/s")
def lmtp_deliver_1(b: Bench, t: Target, rnd: int) -> dict:
    """One LMTP connection, one recipient per message (50 users round robin), general size distribution: messages per
    second from MAIL FROM to the 250 after the data."""
    n = b.scale(300, 60)
    return {"lmtp_deliver_1": b.deliver(t, [t.user(k) for k in range(10, 60)], 100_000 + rnd * n, n, 1)}


@workload(lmtp_deliver_16="msg/s")
def lmtp_deliver_16(b: Bench, t: Target, rnd: int) -> dict:
    """As lmtp_deliver_1, over 16 LMTP connections at once."""
    n = b.scale(1200, 200)
    return {"lmtp_deliver_16": b.deliver(t, [t.user(k) for k in range(10, 60)], 200_000 + rnd * n, n, 16)}


@workload(lmtp_fanout="copies/s")
def lmtp_fanout(b: Bench, t: Target, rnd: int) -> dict:
    """One LMTP connection, each message (at most 200 KB) to 100 recipients: recipient copies acknowledged by 250 per second."""
    n = b.scale(13, 4)
    users = [t.user(k) for k in range(100, 200)]
    return {"lmtp_fanout": b.deliver(t, users, 300_000 + rnd * n, n, 1, fanout=True, max_size=200_000)}


@workload(imap_login_select="conn/s")
def imap_login_select(b: Bench, t: Target, rnd: int) -> dict:
    """8 threads, each again and again: connect, LOGIN, SELECT INBOX, LOGOUT (100 users): connections per second."""
    each = b.scale(40, 10)

    def work(k: int) -> None:
        for j in range(each):
            c = Imap(t, t.user(200 + (k * each + j) % 100))
            check(b" EXISTS" in c.cmd("SELECT INBOX").upper(), "SELECT without EXISTS")
            c.quit()

    return {"imap_login_select": 8 * each / parallel(8, work).s}


def fetch_headers(b: Bench, t: Target, first: int, last: int) -> float:
    """Messages per second for one big FETCH; every item, size and Message-ID is checked."""
    c = b.big(t)
    uids = t.uids["big"]
    with Clock() as clock:
        answer = c.cmd(
            f"UID FETCH {uids[first - 1]}:{uids[last - 1]} (FLAGS UID RFC822.SIZE INTERNALDATE ENVELOPE BODYSTRUCTURE)"
        )
    c.quit()
    parts = re.split(rb"(?m)^\* (\d+) FETCH ", answer)
    check(len(parts) == 1 + 2 * (last - first + 1), f"{len(parts) // 2} FETCH responses, expected {last - first + 1}")
    sizes = dict(zip(range(first, last + 1), b.sizes(first - 1, last)))
    for seq, text in zip(map(int, parts[1::2]), parts[2::2]):
        mid = f"<{b.seed}.{seq - 1}.".encode()
        check(
            mid in text
            and b"RFC822.SIZE %d" % sizes[seq] in text
            and b"ENVELOPE (" in text
            and b"BODYSTRUCTURE (" in text
            and b"INTERNALDATE" in text
            and b"FLAGS (" in text,
            f"FETCH of message {seq}: {text!r:.300}",
        )
    return (last - first + 1) / clock.s


@workload(imap_fetch_headers_cold="msg/s")
def imap_fetch_headers_cold(b: Bench, t: Target, rnd: int) -> dict:
    """UID FETCH of FLAGS UID RFC822.SIZE INTERNALDATE ENVELOPE BODYSTRUCTURE for messages never fetched before: round r
    takes its own slice (1/rounds) of the 10,000-message mailbox, on a new connection.  General size distribution."""
    size = b.big_size // b.rounds
    return {"imap_fetch_headers_cold": fetch_headers(b, t, rnd * size + 1, (rnd + 1) * size)}


@workload(imap_fetch_headers_warm="msg/s")
def imap_fetch_headers_warm(b: Bench, t: Target, rnd: int) -> dict:
    """The same FETCH over the whole 10,000-message mailbox (1:N) after every message has been fetched at least once."""
    if "warm" not in t.boxes:
        fetch_headers(b, t, 1, b.big_size)
        t.boxes["warm"] = "yes"
    return {"imap_fetch_headers_warm": fetch_headers(b, t, 1, b.big_size)}


@workload(imap_fetch_bodies_1="MB/s", imap_fetch_bodies_16="MB/s")
def imap_fetch_bodies(b: Bench, t: Target, rnd: int) -> dict:
    """UID FETCH n BODY.PEEK[], one message per command, random messages of the large mailbox, over 1 and over 16
    connections: 10^6 message bytes per second.  All bytes are compared with what was appended."""
    result = {}
    for conns, total in ((1, b.scale(300, 60)), (16, b.scale(640, 160))):
        picks = random.Random(f"{b.seed}:{rnd}:{conns}").sample(range(b.big_size), min(total, b.big_size))
        clients, raw = [b.big(t) for _ in range(conns)], [[] for _ in range(conns)]

        def work(k: int) -> None:
            for i in picks[k::conns]:
                raw[k].append(clients[k].cmd(f"UID FETCH {t.uids['big'][i]} BODY.PEEK[]"))

        clock, size = parallel(conns, work), 0
        for k in range(conns):
            clients[k].quit()
            for i, answer in zip(picks[k::conns], raw[k]):
                (body,) = literals(answer) or [b""]
                size += len(body)
                check(body == b.corpus.message(i), f"message {i + 1} came back different ({len(body)} bytes)")
        result[f"imap_fetch_bodies_{conns}"] = size / 1e6 / clock.s
    return result


@workload(imap_search_header_cold="ms", imap_search_header_warm="ms")
def imap_search_header(b: Bench, t: Target, rnd: int) -> dict:
    """SEARCH SUBJECT word in the large mailbox: ms per query; cold = first query of a new connection with a word not
    searched before, warm = mean of two repetitions.  The hits must be exactly the planted 1 %."""
    k = (13 * rnd + 5) % 100
    return search(
        b, t, "imap_search_header", f"SUBJECT Zephyrion{k:02d}x", [i + 1 for i in range(b.big_size) if i * 7 % 100 == k]
    )


@workload(
    imap_search_text_cold="ms", imap_search_text_warm="ms", imap_search_body_cold="ms", imap_search_body_warm="ms"
)
def imap_search_text(b: Bench, t: Target, rnd: int) -> dict:
    """SEARCH TEXT rareword and SEARCH BODY "a phrase" in the large mailbox: ms per query, cold and warm as above; text
    in base64 or quoted-printable parts counts."""
    k = (13 * rnd + 5) % 100
    return {
        **search(b, t, "imap_search_text", f"TEXT kvasir{k:02d}q", [i + 1 for i in range(b.big_size) if i % 100 == k]),
        **search(
            b,
            t,
            "imap_search_body",
            f'BODY "amber falcon ledger {k:02d}"',
            [i + 1 for i in range(b.big_size) if i * 3 % 100 == k],
        ),
    }


@workload(
    beside_fetch_idle_p50="ms",
    beside_fetch_idle_p95="ms",
    beside_fetch_p50="ms",
    beside_fetch_p95="ms",
    beside_fetch_ratio="x",
    beside_searches="search/s",
)
def search_beside(b: Bench, t: Target, rnd: int) -> dict:
    """One user fetches a message (at most 20 KB, all its octets compared) every 5 ms, first alone, then while another runs
    eight loops of SEARCH BODY over 2,000 messages on eight connections, whose hits are compared too: ms from command to
    OK, the ratio of the two p95, and the searches answered per second."""
    n, reader = b.scale(2000, 400), Imap(t, t.user(342))
    box = b.once(t, 2, "searched", n)
    mails = [b.corpus.message(i, 20_000) for i in range(100)]
    reading = f"bs{b.run_id}{rnd}"
    b.fill(reader, reading, 0, len(mails), 20_000)
    reader.cmd(f"SELECT {reading}")
    rng, stop, done = random.Random(f"{b.seed}:{rnd}"), threading.Event(), [0] * 8

    def fetches(seconds: float) -> list[float]:
        times, until = [], time.perf_counter() + seconds
        while time.perf_counter() < until:
            i = rng.randrange(len(mails))
            with Clock() as clock:
                answer = reader.cmd(f"FETCH {i + 1} (UID FLAGS ENVELOPE BODY.PEEK[])")
            check(literals(answer) == [mails[i]], f"message {i + 1} came back different")
            times.append(clock.ms)
            time.sleep(0.005)
        return sorted(times)

    fetches(0.2)
    alone = fetches(b.scale(3, 2))
    searchers = [Imap(t, t.user(2), select=box) for _ in done]
    beside: list[float] = []

    def work(k: int) -> None:
        if k == len(searchers):
            try:
                time.sleep(0.5)
                beside.extend(fetches(b.scale(6, 4)))
            finally:
                stop.set()
            return
        while not stop.is_set():
            word = (13 * done[k] + k) % 100
            hits = searchers[k].search(f'BODY "amber falcon ledger {word:02d}"')
            check(hits == [i + 1 for i in range(n) if i * 3 % 100 == word], f"SEARCH found {hits}")
            done[k] += 1

    clock = parallel(len(searchers) + 1, work)
    for c in searchers:
        c.quit()
    reader.cmd("CLOSE")
    reader.cmd(f"DELETE {reading}")
    reader.quit()

    def at(times: list[float], percent: int) -> float:
        return times[len(times) * percent // 100]

    return {
        "beside_fetch_idle_p50": at(alone, 50),
        "beside_fetch_idle_p95": at(alone, 95),
        "beside_fetch_p50": at(beside, 50),
        "beside_fetch_p95": at(beside, 95),
        "beside_fetch_ratio": at(beside, 95) / at(alone, 95),
        "beside_searches": sum(done) / clock.s,
    }


@workload(imap_sort_date="ms", imap_sort_subject="ms", imap_thread_references="ms")
def imap_sort_thread(b: Bench, t: Target, rnd: int) -> dict:
    """UID SORT (REVERSE DATE), UID SORT (SUBJECT) and UID THREAD REFERENCES of the large mailbox, each the mean of three
    on a new connection.  Dates must fall, every message be there once, and answers hang on what they answer."""
    t.need("THREAD=REFERENCES")
    c = b.big(t)
    uids = t.uids["big"]

    def timed(command: str) -> tuple[bytes, float]:
        with Clock() as clock:
            answers = [c.cmd(command) for _ in range(3)]
        check(len({re.sub(rb"(?m)^(?!\* ).*$", b"", answer) for answer in answers}) == 1, f"{command} differs")
        return answers[0], clock.ms / 3

    def numbers(answer: bytes) -> list[int]:
        return [int(n) for n in re.findall(rb"\d+", re.search(rb"(?mi)^\* (?:SORT|THREAD)(.*)$", answer)[1])]

    by_date, date_ms = timed("UID SORT (REVERSE DATE) UTF-8 ALL")
    check(numbers(by_date) == uids[::-1], "SORT (REVERSE DATE) is not the reverse order of arrival")
    by_subject, subject_ms = timed("UID SORT (SUBJECT) UTF-8 ALL")
    check(sorted(numbers(by_subject)) == uids, "SORT (SUBJECT) has not each message once")
    threads, thread_ms = timed("UID THREAD REFERENCES UTF-8 ALL")
    check(sorted(numbers(threads)) == uids, "THREAD has not each message once")
    for root in range(0, b.big_size - 3, 4):
        chain = " ".join(map(str, uids[root : root + 4])).encode()
        check(re.search(rb"[( ]" + chain + rb"\)", threads) is not None, f"messages {chain!r} are no chain")
    c.quit()
    return {"imap_sort_date": date_ms, "imap_sort_subject": subject_ms, "imap_thread_references": thread_ms}


def copied(b: Bench, t: Target, c: Imap, box: str) -> str:
    """A new mailbox of 100,000 small messages, made by COPY, which nobody has selected yet."""
    size, step = b.scale(100_000, 4000), 2000
    if "seed" not in t.boxes:
        b.fill(c, "seed" + b.run_id, 0, step, 1000)
        t.boxes["seed"] = "seed" + b.run_id
    c.cmd(f"CREATE {box}")
    c.cmd(f"SELECT {t.boxes['seed']}")
    for _ in range(size // step):
        c.cmd(f"COPY 1:* {box}")
    c.cmd("UNSELECT")
    return box


@workload(imap_select_huge="ms", imap_qresync_unchanged="ms", imap_qresync_1000="ms")
def imap_resync(b: Bench, t: Target, rnd: int) -> dict:
    """A mailbox of 100,000 messages, made by COPY: SELECT (mean of five); SELECT (QRESYNC) of a client that knows it as
    it is (mean of five), and of one that was away while 1,000 messages spread over it got a flag, all of which it must
    be told."""
    t.need("QRESYNC")
    c = Imap(t, t.user(1))
    if "huge" not in t.boxes:
        t.boxes["huge"] = copied(b, t, c, f"huge{b.run_id}")
    box, size = t.boxes["huge"], b.scale(100_000, 4000)
    c.cmd("ENABLE QRESYNC")
    times = []
    for _ in range(6):
        with Clock() as clock:
            answer = c.cmd(f"SELECT {box}")
        times.append(clock.ms)
    check(b"* %d EXISTS" % size in answer, f"{box} has not {size} messages")
    validity, modseq = (
        int(re.search(rb"\[%b (\d+)\]" % name, answer)[1]) for name in (b"UIDVALIDITY", b"HIGHESTMODSEQ")
    )
    unchanged = []
    for _ in range(5):
        with Clock() as clock:
            answer = c.cmd(f"SELECT {box} (QRESYNC ({validity} {modseq}))")
        unchanged.append(clock.ms)
        check(b" FETCH " not in answer and b"VANISHED" not in answer, "told of changes that were not made")
    sign = "+-"[rnd % 2]
    c.cmd(f"UID STORE {','.join(str(n) for n in range(1, size, size // 1000))} {sign}FLAGS.SILENT (\\Flagged)")
    with Clock() as clock:
        answer = c.cmd(f"SELECT {box} (QRESYNC ({validity} {modseq}))")
    check(answer.count(b" FETCH (") == 1000, f"told of {answer.count(b' FETCH (')} changes instead of 1,000")
    c.quit()
    return {
        "imap_select_huge": statistics.mean(times[1:]),
        "imap_qresync_unchanged": statistics.mean(unchanged),
        "imap_qresync_1000": clock.ms,
    }


def search(b: Bench, t: Target, name: str, criteria: str, expected: list[int]) -> dict:
    c, times = b.big(t), []
    for _ in range(3):
        with Clock() as clock:
            hits = c.search(criteria)
        check(sorted(hits) == expected, f"SEARCH {criteria}: {len(hits)} hits, expected {len(expected)}")
        times.append(clock.ms)
    c.quit()
    return {name + "_cold": times[0], name + "_warm": statistics.mean(times[1:])}


@workload(imap_store_single_16="ops/s", imap_store_bulk="msg/s")
def imap_store_flags(b: Bench, t: Target, rnd: int) -> dict:
    """imap_store_single_16: STORE n +FLAGS (flag) one message per command, 16 connections, each in its own user's
    40-message mailbox, waiting for each answer.  imap_store_bulk: STORE 1:* +FLAGS.SILENT on the large mailbox."""
    box, clients = f"st{b.run_id}{rnd}", [Imap(t, t.user(300 + k)) for k in range(16)]
    for c in clients:
        b.fill(c, box, 0, 40, 3000)
        c.cmd(f"SELECT {box}")

    def work(k: int) -> None:
        for flag in ("\\Flagged", "\\Answered"):
            for n in range(1, 41):
                check(
                    flag.encode().lower() in clients[k].cmd(f"STORE {n} +FLAGS ({flag})").lower(),
                    "STORE without the new flag",
                )

    single = 16 * 80 / parallel(16, work).s
    for c in clients:
        check(len(c.search("FLAGGED ANSWERED")) == 40, "flags were not stored")
        c.cmd("CLOSE")
        c.cmd(f"DELETE {box}")
        c.quit()
    c = b.big(t)
    with Clock() as clock:
        c.cmd("STORE 1:* +FLAGS.SILENT (\\Flagged)")
    check(len(c.search("FLAGGED")) == b.big_size, "bulk STORE missed messages")
    c.cmd("STORE 1:* -FLAGS.SILENT (\\Flagged)")
    check(not c.search("FLAGGED"), "bulk STORE -FLAGS missed messages")
    c.quit()
    return {"imap_store_single_16": single, "imap_store_bulk": b.big_size / clock.s}


@workload(imap_append="msg/s")
def imap_append(b: Bench, t: Target, rnd: int) -> dict:
    """One-message APPENDs with the general size distribution over 16 connections of 16 users, each waiting for its OK."""
    each, box = b.scale(40, 10), f"ap{b.run_id}{rnd}"
    clients = [Imap(t, t.user(320 + k)) for k in range(16)]
    mails = [[b.corpus.message(rnd * 16 * each + k * each + j) for j in range(each)] for k in range(16)]
    for c in clients:
        c.cmd(f"CREATE {box}")

    def work(k: int) -> None:
        for m in mails[k]:
            clients[k].append(box, [m])

    clock = parallel(16, work)
    for c, sent in zip(clients, mails):
        check(c.count(box) == each, "APPENDed messages are missing")
        c.cmd(f"SELECT {box}")
        check(literals(c.cmd("FETCH 1:* BODY.PEEK[]")) == sent, "APPENDed messages came back different")
        c.cmd("CLOSE")
        c.cmd(f"DELETE {box}")
        c.quit()
    return {"imap_append": 16 * each / clock.s}


@workload(imap_copy="ms", imap_move="ms", imap_expunge="ms")
def imap_copy_move_expunge(b: Bench, t: Target, rnd: int) -> dict:
    """COPY 1:*, then MOVE 1:* of the copies, then EXPUNGE of them after an untimed STORE \\Deleted: ms for each command
    on 1000 messages of the general size distribution."""
    t.need("MOVE")
    n, result = b.scale(1000, 200), {}
    src = b.once(t, 340, "source", n)
    c, d1, d2 = Imap(t, t.user(340)), f"cm{b.run_id}{rnd}a", f"cm{b.run_id}{rnd}b"
    for box in (d1, d2):
        c.cmd(f"CREATE {box}")
    for verb, box, dest in (("COPY", src, d1), ("MOVE", d1, d2)):
        c.cmd(f"SELECT {box}")
        with Clock() as clock:
            c.cmd(f"{verb} 1:* {dest}")
        check(c.count(dest) == n, f"{verb} did not arrive completely")
        result["imap_" + verb.lower()] = clock.ms
    check(b"\n* 0 EXISTS" in b"\n" + c.cmd(f"SELECT {d1}"), "MOVE left messages behind")
    c.cmd(f"SELECT {d2}")
    check(literals(c.cmd(f"FETCH {n} BODY.PEEK[]")) == [b.corpus.message(n - 1)], "moved message came back different")
    c.cmd("STORE 1:* +FLAGS.SILENT (\\Deleted)")
    with Clock() as clock:
        answer = c.cmd("EXPUNGE")
    check(len(re.findall(rb"(?mi)^\* \d+ EXPUNGE", answer)) == n, "EXPUNGE responses are missing")
    result["imap_expunge"] = clock.ms
    c.cmd("CLOSE")
    check(c.count(d2) == 0, "EXPUNGE left messages behind")
    for box in (d1, d2):
        c.cmd(f"DELETE {box}")
    c.quit()
    return result


@workload(imap_list_status="ms")
def imap_list_status(b: Bench, t: Target, rnd: int) -> dict:
    """LIST "" "*" RETURN (STATUS (MESSAGES UNSEEN)) of a user with 200 folders, ten of them with two messages: ms, mean of
    five on one connection."""
    t.need("LIST-STATUS")
    prefix, c = f"ls{b.run_id}{t.name}", Imap(t, t.user(341))
    if "list" not in t.boxes:
        for k in range(200):
            c.cmd(f"CREATE {prefix}{k:03d}")
            for i in range(2 if k < 10 else 0):
                c.append(f"{prefix}{k:03d}", [b.corpus.message(i, 3000)])
        t.boxes["list"] = prefix
    with Clock() as clock:
        answers = [c.cmd('LIST "" "*" RETURN (STATUS (MESSAGES UNSEEN))') for _ in range(5)]
    for answer in answers:
        listed = set(re.findall(rb'(?mi)^\* LIST .* "?(%s\d+)"?\r$' % prefix.encode(), answer))
        status = {
            m[0]: m[1].upper()
            for m in re.findall(rb'(?mi)^\* STATUS "?(%s\d+)"? \((.*)\)\r$' % prefix.encode(), answer)
        }
        check(
            len(listed) == 200 and set(status) == listed,
            f"{len(listed)} LIST and {len(status)} STATUS responses, expected 200",
        )
        for k in range(200):
            got = status[f"{prefix}{k:03d}".encode()]
            check(
                all(b"%s %d" % (w, 2 if k < 10 else 0) in got for w in (b"MESSAGES", b"UNSEEN")),
                f"wrong STATUS: {got!r}",
            )
    c.quit()
    return {"imap_list_status": clock.ms / 5}


@contextlib.contextmanager
def idlers(b: Bench, t: Target, first: int, n: int):
    """n connections of n users, INBOX selected, IDLE begun and confirmed; afterwards ended with DONE and LOGOUT."""
    t.need("IDLE")
    clients, tags = [], []
    try:
        for k in range(n):
            clients.append(c := Imap(t, t.user(first + k), select="INBOX"))
            tags.append(c.send("IDLE"))
            check(c.readline().startswith(b"+"), "IDLE not confirmed")
        yield clients
        for c, tag in zip(clients, tags):
            c.sock.sendall(b"DONE\r\n")
            c.wait(tag, "IDLE")
            c.cmd("LOGOUT")
    finally:
        for c in clients:
            c.close()


@workload(idle_notify_p50="ms", idle_notify_p99="ms", idle_notify_from_data_p50="ms")
def idle_notify(b: Bench, t: Target, rnd: int) -> dict:
    """200 idle connections of 200 users; 40 messages (at most 3 KB) are delivered by LMTP one after the other to random
    ones.  ms from the LMTP 250 to "* n EXISTS" on that user's connection (0.01 if it came first), and from the last
    byte of the message to EXISTS (p50)."""
    if not t.lmtp:
        raise Unsupported("no --lmtp")
    n, rng, after, total = b.scale(200, 50), random.Random(f"{b.seed}:{rnd}"), [], []
    lmtp = Lmtp(t.lmtp)
    with idlers(b, t, 400, n) as clients:
        for k in range(b.scale(40, 20)):
            at = rng.randrange(n)
            c, sent, mail = clients[at], [], dot_stuff(b.corpus.message(400_000 + rnd * 100 + k, 3000, t.name))
            with Clock():
                lmtp.deliver([t.address(t.user(400 + at))], mail, lambda: sent.append(time.perf_counter()))
                acked = time.perf_counter()
                while not re.search(rb"(?mi)^\* \d+ EXISTS\r\n", c.buf):
                    check(bool(select.select([c.sock], [], [], 10)[0]), "no EXISTS within 10 s of the delivery")
                    c.more()
                seen = time.perf_counter()
            c.buf.clear()
            after.append(max(0.01, (seen - acked) * 1000))
            total.append((seen - sent[0]) * 1000)
    lmtp.close()
    b.empty(t, [t.user(400 + k) for k in range(n)])
    return {
        "idle_notify_p50": statistics.median(after),
        "idle_notify_p99": sorted(after)[len(after) * 99 // 100],
        "idle_notify_from_data_p50": statistics.median(total),
    }


def process_tree_pss(root: int) -> int:
    """Sum of PSS, in KiB, over a process and all its descendants."""
    parent = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # the process has ended meanwhile
    tree, grew = {root}, True
    while grew:
        more = {p for p, q in parent.items() if q in tree} - tree
        tree, grew = tree | more, bool(more)
    total = 0
    for p in tree:
        try:
            total += int(re.search(r"^Pss:\s+(\d+)", Path(f"/proc/{p}/smaps_rollup").read_text(), re.M)[1])
        except (OSError, TypeError):
            continue
    check(total > 0, f"cannot read the memory of process {root}")
    return total


@workload(select_cold="ms", select_warm="ms", select_memory="KiB/conn", select_memory_readers="KiB/conn")
def select_memory(b: Bench, t: Target, rnd: int) -> dict:
    """A mailbox of 100,000 messages that nobody has selected since it was made: the first SELECT, and the mean of five more.
    Then 1,000 connections sign in and select it as its owner: growth of the server's PSS since before the first round, the
    mailbox and all that was done to make it included, for each of them; and with these still there, by each of 200 users
    who may read it and have seen 50 messages of it, every one others."""
    if not t.pid:
        raise Unsupported("no --pid")
    t.need("UNSELECT")
    t.base_pss = t.base_pss or process_tree_pss(t.pid)
    size, owner = b.scale(100_000, 4000), t.user(1)
    first = Imap(t, owner)
    box = copied(b, t, first, f"sm{b.run_id}{rnd}")

    def select(c: Imap, name: str) -> float:
        with Clock() as clock:
            answer = c.cmd(f"SELECT {name}")
        check(b"* %d EXISTS" % size in answer, f"{name} has not {size} messages")
        return clock.ms

    def selected(user: str, name: str) -> Imap:
        clients.append(c := Imap(t, user))
        select(c, name)
        return c

    clients: list[Imap] = []
    times = [select(first, box) for _ in range(7)]
    owners, readers = b.scale(1000, 100), b.scale(200, 50)
    for _ in range(owners):
        selected(owner, box)
    time.sleep(1)
    theirs = process_tree_pss(t.pid)
    result = {"select_cold": times[0], "select_warm": statistics.mean(times[2:])}
    result["select_memory"] = (theirs - t.base_pss) / owners
    if b'"Other Users/"' in first.cmd("NAMESPACE"):
        first.cmd(f"SETACL {box} anyone lrs")
        for k in range(readers):
            c = selected(t.user(400 + k), f'"Other Users/{owner}/{box}"')
            seen = [k + 1 + n * (size // 50) for n in range(50)]
            c.cmd(f"UID STORE {','.join(map(str, seen))} +FLAGS.SILENT (\\Seen)")
            check(c.search("SEEN") == seen, "a reader's marks are not the reader's")
        time.sleep(1)
        result["select_memory_readers"] = (process_tree_pss(t.pid) - theirs) / readers
    for c in clients:
        c.quit()
    first.cmd("UNSELECT")
    first.cmd(f"DELETE {box}")
    first.quit()
    return result


@workload(idle_memory="KiB/conn", idle_memory_base="MiB")
def idle_memory(b: Bench, t: Target, rnd: int) -> dict:
    """500 connections of 500 users, INBOX selected, in IDLE: growth of the server's PSS (whole process tree under --pid)
    since before the first round, divided by 500; and the PSS before the first round.  Runs before all other workloads;
    start the server freshly for it, because new connections reuse memory that a process has kept."""
    if not t.pid:
        raise Unsupported("no --pid")
    n = b.scale(500, 100)
    t.base_pss = t.base_pss or process_tree_pss(t.pid)
    with idlers(b, t, 400, n):
        time.sleep(2)
        after = process_tree_pss(t.pid)
    time.sleep(1)
    return {"idle_memory": (after - t.base_pss) / n, "idle_memory_base": t.base_pss / 1024}


@workload(mixed="cmd/s")
def mixed(b: Bench, t: Target, rnd: int) -> dict:
    """50 clients, each its own user, for 20 s: sessions of LOGIN, LIST, STATUS, SELECT, FETCH (headers of all, one body),
    STORE, APPEND (at most 20 KB), COPY, \\Deleted + EXPUNGE down to 20 messages, LOGOUT, with imaptest-like
    probabilities: tagged OKs per second.  Each client keeps count of its mailbox and checks every EXISTS."""
    n, seconds, box, done = 50, b.scale(20, 5), f"mx{b.run_id}{rnd}", [0] * 50
    mails = [b.corpus.message(i, 20_000) for i in range(200)]
    for k in range(n):
        c = Imap(t, t.user(900 + k))
        c.cmd(f"CREATE {box}")
        c.quit()
    stop = time.perf_counter() + seconds

    def work(k: int) -> None:
        rng, have = random.Random(f"{b.seed}:{rnd}:{k}"), 0
        while time.perf_counter() < stop:
            c = Imap(t, t.user(900 + k))
            if rng.random() < 0.5:
                check(b"INBOX" in c.cmd('LIST "" "*"').upper(), "LIST without INBOX")
            if rng.random() < 0.5:
                check(c.count(box) == have, "wrong STATUS")
            check(b"\n* %d EXISTS" % have in b"\n" + c.cmd(f"SELECT {box}"), f"SELECT: not {have} EXISTS")
            for _ in range(rng.randint(1, 6)):
                if time.perf_counter() > stop:
                    break
                c.append(box, [rng.choice(mails)])
                have += 1
                c.cmd("NOOP")
                answer = c.cmd(f"FETCH 1:{have} (UID FLAGS ENVELOPE RFC822.SIZE)")
                check(len(re.findall(rb"(?mi)^\* \d+ FETCH", answer)) == have, "FETCH responses are missing")
                check(len(literals(c.cmd(f"FETCH {rng.randint(1, have)} (BODY.PEEK[])"))) == 1, "no body")
                if rng.random() < 0.5:
                    c.cmd(f"STORE {rng.randint(1, have)} +FLAGS (\\Seen)")
                if rng.random() < 0.33:
                    c.cmd(f"COPY {rng.randint(1, have)} {box}")
                    have += 1
                if have > 20:
                    c.cmd(f"STORE 1:{have - 20} +FLAGS.SILENT (\\Deleted)")
                    gone = len(re.findall(rb"(?mi)^\* \d+ EXPUNGE", c.cmd("EXPUNGE")))
                    check(gone == have - 20, f"EXPUNGE of {have - 20} messages announced {gone}")
                    have = 20
            c.quit()
            done[k] += c.n

    clock = parallel(n, work)
    for k in range(n):
        c = Imap(t, t.user(900 + k))
        c.cmd(f"DELETE {box}")
        c.quit()
    return {"mixed": sum(done) / clock.s}
