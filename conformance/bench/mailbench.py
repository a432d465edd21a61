#!/usr/bin/env python3
"""mailbench: black-box performance benchmark for any IMAP + LMTP server.

    mailbench.py --imap 127.0.0.1:143 --lmtp 127.0.0.1:24 --users u1..u1000 --password pass --domain example.com
    mailbench.py --imap A:143 --lmtp A:24 --vs-imap B:143 --vs-lmtp B:24      # interleaved A,B,A,B, prints the ratio A/B
    mailbench.py ... --only imap_append,imap_search_text --quick --json out.json

Only the Python 3.11 standard library is used; the load comes from this one process (blocking sockets, one thread per
connection), so every result also shows how much of one core the *client* used ("client CPU"): near 100 % the
number is a floor set by this program, not by the server.

Rules every workload keeps:
  * what is timed is only the protocol exchange; making mails, filling mailboxes and checking answers is outside;
  * the answers are checked (reply codes, counts, sizes, bytes): a wrong answer is a FAILED workload, never a number;
  * each round uses a fresh mailbox/users where the state matters, and rounds alternate between the two targets;
  * a server without a needed capability gets "n/a", with the reason.

Mail corpus: message number i is a pure function of (seed, i), but for a tag of the run in its Message-IDs.  Sizes are lognormal, median 8 KiB, mean about 40 KB,
cut at 600 B .. 4 MB: small ones text/plain (one in five UTF-8 base64), middle ones multipart/alternative with HTML in
quoted-printable, large ones multipart/mixed with base64 attachments; four-message threads with References, DKIM-like
and Received headers, and lines that need dot-stuffing.  Search words are planted: 1 message in 100 has a given rare
body word, subject word and body phrase.
"""

import argparse
import base64
import contextlib
import datetime
import email.utils
import json
import os
import random
import re
import resource
import select
import socket
import statistics
import sys
import tempfile
import textwrap
import threading
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path


class BenchError(Exception):
    """The server answered wrongly (or not at all): the workload has failed."""


class Unsupported(Exception):
    """The server does not offer what the workload needs."""


# ------------------------------------------------------------------------------------------------ mail corpus
class Corpus:
    """Deterministic generator of realistic RFC 5322 messages."""

    MU, SIGMA, MIN, MAX = 9.0109, 1.794, 600, 4_000_000  # exp(MU) = 8192; exp(MU + SIGMA**2/2) = 41 000

    def __init__(self, seed: int, domain: str, run_id: str = "000000"):
        self.seed, self.domain, self.run_id = seed, domain, run_id
        rng = random.Random(f"corpus:{seed}")
        onset, nucleus, coda = (
            ["b", "c", "d", "f", "g", "h", "l", "m", "n", "p", "r", "s", "t", "v", "w", "st", "tr", "pl"],
            ["a", "e", "i", "o", "u", "ai", "ea", "ou"],
            ["", "", "n", "r", "s", "t", "l", "nd", "ck"],
        )
        common = [
            "the",
            "to",
            "and",
            "of",
            "a",
            "in",
            "is",
            "for",
            "on",
            "we",
            "you",
            "with",
            "this",
            "that",
            "be",
            "are",
            "it",
            "as",
            "not",
            "have",
            "will",
            "at",
            "from",
            "by",
            "or",
            "if",
            "our",
            "please",
            "meeting",
            "report",
            "invoice",
            "project",
            "budget",
            "schedule",
            "attached",
            "review",
            "team",
            "customer",
            "server",
            "update",
            "thanks",
            "regards",
            "draft",
            "contract",
            "quarter",
            "issue",
            "deadline",
            "office",
            "call",
            "agenda",
            "order",
            "delivery",
        ]
        words = common + [
            "".join(rng.choice(onset) + rng.choice(nucleus) + rng.choice(coda) for _ in range(rng.choice((1, 2, 2, 3))))
            for _ in range(3000)
        ]
        weights = [1 / (k + 3) for k in range(len(words))]  # Zipf-like
        self.subjects = [" ".join(rng.choices(words, weights, k=rng.randint(2, 8))).capitalize() for _ in range(2000)]
        self.people = [
            (" ".join(w.capitalize() for w in rng.sample(words[60:], 2)), f"person{k}@{rng.choice(words[60:])}.example")
            for k in range(400)
        ]
        self.paragraphs = []  # (plain lines, HTML in quoted-printable)
        for k in range(3000):
            text = " ".join(rng.choices(words, weights, k=rng.randint(20, 120))).capitalize() + "."
            plain = (
                "\r\n".join(textwrap.wrap(text, 72)) + "\r\n" + (".. dotted line\r\n" if k % 40 == 0 else "") + "\r\n"
            )
            html = '<p class=3D"MsoNormal">' + " =\r\n".join(textwrap.wrap(text, 60)) + "</p>=20\r\n"
            self.paragraphs.append((plain, html))

    @staticmethod
    def planted(i: int) -> tuple[str, str, str]:
        """(body word, subject word, body phrase) that message i contains; each is in 1 message of 100."""
        return f"kvasir{i % 100:02d}q", f"Zephyrion{i * 7 % 100:02d}x", f"amber falcon ledger {i * 3 % 100:02d} signed"

    def size_target(self, i: int) -> int:
        return int(
            min(max(random.Random(f"size:{self.seed}:{i}").lognormvariate(self.MU, self.SIGMA), self.MIN), self.MAX)
        )

    def message(self, i: int, max_size: int = MAX, copy: str = "0") -> bytes:
        """Message number i.  run_id and copy (one letter) only go into the Message-IDs, so that a server that drops
        duplicate deliveries takes every one; they do not change any size."""
        rng, target = random.Random(f"{self.seed}:{i}"), min(self.size_target(i), max_size)
        word, subject_word, phrase = self.planted(i)
        root, sender, to = i - i % 4, rng.choice(self.people), rng.choices(self.people, k=rng.choice((1, 1, 1, 2, 5)))
        ids = [
            f"<{self.seed}.{n}.{n * 2654435761 % 2**32:08x}.{self.run_id}{copy}@{self.domain}>"
            for n in range(root, i + 1)
        ]
        when = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(minutes=17 * i)
        stamp = email.utils.format_datetime(when)
        subject = (
            f"{'Re: ' if i > root else ''}{random.Random(f'{self.seed}:s{root}').choice(self.subjects)} {subject_word}"
        )
        name = f"=?utf-8?q?{sender[0].replace(' ', '_')}_=C3=A9?=" if i % 10 == 3 else f'"{sender[0]}"'
        head = [
            f"Received: from mx{k}.example (mx{k}.example [192.0.2.{k}])\r\n\tby relay{k}.{self.domain} with ESMTPS id "
            f"{rng.getrandbits(48):012x}\r\n\tfor <someone@{self.domain}>; {stamp}"
            for k in (1, 2)
        ]
        head += (
            [
                "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example; s=s1;\r\n\tbh="
                + base64.b64encode(rng.randbytes(32)).decode()
                + ";\r\n\tb="
                + "\r\n\t ".join(textwrap.wrap(base64.b64encode(rng.randbytes(192)).decode(), 70))
            ]
            if target > 2000
            else []
        )
        head += [
            f"From: {name} <{sender[1]}>",
            "To: " + ",\r\n\t".join(f'"{n}" <{a}>' for n, a in to),
            f"Subject: {subject}",
            f"Date: {stamp}",
            f"Message-ID: {ids[-1]}",
        ]
        if i > root:
            head += [f"In-Reply-To: {ids[-2]}", "References: " + "\r\n\t".join(ids[:-1])]
        head += ["User-Agent: mailbench", "MIME-Version: 1.0"]
        line = f"{word}\r\n{phrase}\r\n"
        if target < 4000:
            text = line + self._text(rng, max(0, target - 900), 0)
            if i // 100 % 5 == 2:  # independent of the planted words, so each has some
                body = (
                    base64.encodebytes((text + "Gr\u00fc\u00dfe aus K\u00f6ln\r\n").encode())
                    .replace(b"\n", b"\r\n")
                    .decode()
                )
                head += ["Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: base64"]
            else:
                body = text
                head += ["Content-Type: text/plain; charset=us-ascii; format=flowed", "Content-Transfer-Encoding: 7bit"]
            return ("\r\n".join(head) + "\r\n\r\n" + body).encode()
        size = max(500, min(target, 60_000) - 2500) if target < 60_000 else 6000
        alt = f"=_alt_{rng.getrandbits(64):016x}"
        body = (
            f"--{alt}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\n{line}"
            f"{self._text(rng, size * 35 // 100, 0)}\r\n--{alt}\r\nContent-Type: text/html; charset=utf-8\r\n"
            f"Content-Transfer-Encoding: quoted-printable\r\n\r\n<html><body>=20\r\n<p>{word}</p>\r\n"
            f"{self._text(rng, size * 65 // 100, 1)}</body></html>\r\n--{alt}--\r\n"
        )
        ctype = f'Content-Type: multipart/alternative;\r\n\tboundary="{alt}"'
        if target < 60_000:
            return ("\r\n".join([*head, ctype]) + "\r\n\r\n" + body).encode()
        mixed, kind = (
            f"=_mix_{rng.getrandbits(64):016x}",
            rng.choice(("application/pdf", "image/png", "application/octet-stream")),
        )
        data = base64.encodebytes(rng.randbytes((target - 9000) * 73 // 100)).replace(b"\n", b"\r\n")
        return (
            (
                "\r\n".join(head)
                + f'\r\nContent-Type: multipart/mixed;\r\n\tboundary="{mixed}"\r\n\r\nThis is MIME.\r\n--{mixed}\r\n'
                f'{ctype}\r\n\r\n{body}--{mixed}\r\nContent-Type: {kind}; name="file{i}.bin"\r\nContent-Transfer-Encoding: base64\r\n'
                f'Content-Disposition: attachment; filename="file{i}.bin"\r\n\r\n'
            ).encode()
            + data
            + f"--{mixed}--\r\n".encode()
        )

    def _text(self, rng: random.Random, size: int, which: int) -> str:
        return "".join(p[which] for p in rng.choices(self.paragraphs, k=size // (430 if which == 0 else 460)))


# ------------------------------------------------------------------------------------------------ protocol clients
class Line:
    """A TCP connection read in large pieces, with the rest of each piece kept for the next read."""

    def __init__(self, addr: tuple[str, int], timeout: float = 180):
        self.sock = socket.create_connection(addr, timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buf = bytearray()

    def more(self) -> None:
        try:
            data = self.sock.recv(1 << 18)
        except TimeoutError as e:
            raise BenchError(f"no answer in time; last received {bytes(self.buf[-200:])!r}") from e
        if not data:
            raise BenchError(f"server closed the connection; last received {bytes(self.buf[-200:])!r}")
        self.buf += data

    def readline(self) -> bytes:
        while (end := self.buf.find(b"\r\n")) < 0:
            self.more()
        line = bytes(self.buf[:end])
        del self.buf[: end + 2]
        return line

    def close(self) -> None:
        self.sock.close()


class Imap(Line):
    """Minimal IMAP client.  cmd() returns everything up to the tagged line and insists on OK."""

    _tags = 0

    def __init__(self, target: "Target", user: str | None = None, select: str | None = None):
        super().__init__(target.imap)
        self.target, self.prefix, self.n = target, f"x{uuid.uuid4().hex[:6]}".encode(), 0
        self.greeting = self.readline()
        if not self.greeting.startswith(b"* OK"):
            raise BenchError(f"greeting: {self.greeting!r}")
        if user:
            self.cmd(f"LOGIN {target.login_name(user)} {target.password}")
        if select:
            self.cmd(f"SELECT {select}")

    def send(self, command: str | bytes) -> bytes:
        self.n += 1
        tag = self.prefix + b".%d" % self.n
        self.sock.sendall(tag + b" " + (command.encode() if isinstance(command, str) else command) + b"\r\n")
        return tag

    def wait(self, tag: bytes, what: str | bytes = "") -> bytes:
        mark, scanned = b"\r\n" + tag + b" ", 0
        while True:
            pos = 0 if self.buf.startswith(mark[2:]) else self.buf.find(mark, max(0, scanned - len(mark)))
            start = 0 if pos == 0 and self.buf.startswith(mark[2:]) else pos + 2
            if pos >= 0 and (end := self.buf.find(b"\r\n", start)) >= 0:
                break
            scanned = len(self.buf) if pos < 0 else pos
            self.more()
        untagged, tagged = bytes(self.buf[:start]), bytes(self.buf[start + len(tag) + 1 : end])
        del self.buf[: end + 2]
        if not tagged.upper().startswith(b"OK"):
            raise BenchError(f"{what!r:.200} answered {tagged!r:.300}")
        return untagged

    def cmd(self, command: str | bytes) -> bytes:
        return self.wait(self.send(command), command)

    def append(self, box: str, messages: list[bytes]) -> bytes:
        """One APPEND; several messages make it a MULTIAPPEND.  Non-synchronising literals are used where offered."""
        plus = "LITERAL+" in self.target.capabilities()
        self.n += 1
        tag, line = self.prefix + b".%d" % self.n, f"APPEND {box}".encode()
        out = [tag + b" " + line]
        for m in messages:
            out.append(b' () "01-Feb-2024 10:00:00 +0000" {%d%s}\r\n' % (len(m), b"+" if plus else b""))
            if not plus:
                self.sock.sendall(b"".join(out))
                if not (line := self.readline()).startswith(b"+"):
                    raise BenchError(f"APPEND literal refused: {line!r:.200}")
                out = []
            out.append(m)
        self.sock.sendall(b"".join(out) + b"\r\n")
        return self.wait(tag, "APPEND")

    def count(self, box: str, item: str = "MESSAGES") -> int:
        if not (
            m := re.search(rb"\* STATUS .*\b%s (\d+)" % item.encode(), r := self.cmd(f"STATUS {box} ({item})"), re.I)
        ):
            raise BenchError(f"STATUS {box}: {r!r:.200}")
        return int(m[1])

    def search(self, criteria: str) -> list[int]:
        return [
            int(x)
            for line in re.findall(rb"^\* SEARCH([ \d]*)\r\n", self.cmd(f"SEARCH {criteria}"), re.M | re.I)
            for x in line.split()
        ]

    def quit(self) -> None:
        self.cmd("LOGOUT")
        self.close()


class Lmtp(Line):
    """Minimal LMTP client that keeps one connection for many transactions, pipelining where the server offers it."""

    def __init__(self, addr: tuple[str, int]):
        super().__init__(addr)
        self.reply(220)
        self.sock.sendall(b"LHLO bench.example\r\n")
        self.pipelining = b"PIPELINING" in self.reply(250).upper()

    def reply(self, want: int) -> bytes:
        text = self.readline()
        while text[-1:] and text.splitlines()[-1][3:4] == b"-":
            text += b"\r\n" + self.readline()
        if text[:3] != b"%d" % want:
            raise BenchError(f"LMTP: wanted {want}, got {text!r:.300}")
        return text

    def deliver(self, recipients: list[str], stuffed: bytes, on_sent=None) -> None:
        """One transaction; returns when every recipient has its own 250.  `stuffed` comes from dot_stuff()."""
        lines = [b"MAIL FROM:<bench@sender.example>", *(b"RCPT TO:<%s>" % r.encode() for r in recipients), b"DATA"]
        if self.pipelining:
            self.sock.sendall(b"\r\n".join(lines) + b"\r\n")
        for line in lines:
            if not self.pipelining:
                self.sock.sendall(line + b"\r\n")
            self.reply(354 if line == b"DATA" else 250)
        self.sock.sendall(stuffed)
        if on_sent:
            on_sent()
        for _ in recipients:
            self.reply(250)


def dot_stuff(message: bytes) -> bytes:
    return (b"." if message.startswith(b".") else b"") + message.replace(b"\r\n.", b"\r\n..") + b".\r\n"


def literals(response: bytes) -> list[bytes]:
    """The contents of all BODY[] literals in a FETCH response, in order."""
    found, pos = [], 0
    while m := re.compile(rb"BODY\[\] \{(\d+)\}\r\n").search(response, pos):
        pos = m.end() + int(m[1])
        found.append(response[m.end() : pos])
    return found


# ------------------------------------------------------------------------------------------------ harness
@dataclass
class Target:
    """One server under test."""

    name: str
    imap: tuple[str, int]
    lmtp: tuple[str, int] | None
    pid: int | None
    password: str
    domain: str
    login_domain: bool
    users: list[str]
    caps: set[str] = field(default_factory=set)
    boxes: dict[str, str] = field(default_factory=dict)  # mailboxes that are filled once per run
    base_pss: int = 0  # KiB before the first idle_memory round
    uids: dict[str, list[int]] = field(default_factory=dict)  # UIDs in them: message number i has uids[key][i]

    def login_name(self, user: str) -> str:
        return f"{user}@{self.domain}" if self.login_domain else user

    def capabilities(self) -> set[str]:
        if not self.caps:
            c = Imap(self, self.users[0])
            self.caps = set(c.cmd("CAPABILITY").decode().upper().split())
            c.quit()
        return self.caps

    def user(self, k: int) -> str:
        return self.users[k % len(self.users)]

    def address(self, user: str) -> str:
        return f"{user}@{self.domain}"

    def need(self, capability: str) -> None:
        if capability not in self.capabilities():
            raise Unsupported(f"no {capability}")


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
            for t in self.targets:  # A, B, A, B, ...
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


# ------------------------------------------------------------------------------------------------ workloads
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


# ------------------------------------------------------------------------------------------------ command line
def report(rows: dict[str, dict], names: list[str]) -> list[str]:
    """Table lines for some metrics; adds to each row its medians and, with two targets, the ratio A/B."""
    lines = []
    for metric, row in rows.items():
        row["median"] = {
            n: statistics.median(v) if (v := row["values"][n]) and n not in row["trouble"] else None for n in names
        }
        text = f"{metric:27} {row['unit']:9}"
        for n in names:
            v = row["values"][n]
            if n in row["trouble"] or not v:  # one bad round spoils the workload
                text += f" {row['trouble'].get(n, 'no value')[:160]}"
            else:
                text += f" {row['median'][n]:>10.4g} [{min(v):.4g}..{max(v):.4g}] cpu{100 * (row['client_cpu'][n] or 0):3.0f}%"
        if len(names) == 2 and all(row["median"].values()):
            row["ratio"] = statistics.median(x / y for x, y in zip(*(row["values"][n] for n in names)) if y)
            quicker = row["ratio"] if row["unit"].endswith("/s") else 1 / row["ratio"]
            text += (
                f"  A/B = {row['ratio']:.3f} ({'A' if quicker >= 1 else 'B'} better x{max(quicker, 1 / quicker):.2f})"
            )
        lines.append(text)
    return lines


def calibrate(directory: str) -> dict:
    """What this machine does at the moment, so that numbers of different days can be judged: fsync of an 8 KB append
    (median of 30, on the disk of --probe-dir) and a fixed pure-Python loop."""
    times = []
    with tempfile.TemporaryFile(dir=directory, buffering=0) as f:
        for _ in range(30):
            f.write(b"x" * 8192)
            t0 = time.perf_counter()
            os.fsync(f.fileno())
            times.append(time.perf_counter() - t0)
    t0 = time.perf_counter()
    sum(k * k for k in range(1_000_000))
    return {
        "fsync_ms": round(statistics.median(times) * 1000, 2),
        "python_loop_ms": round((time.perf_counter() - t0) * 1000, 1),
        "load_1min": os.getloadavg()[0],
    }


def endpoint(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def user_range(text: str) -> list[str]:
    m = re.fullmatch(r"(.*?)(\d+)\.\.\1(\d+)", text)
    if not m:
        raise argparse.ArgumentTypeError("write users as u1..u1000")
    return [f"{m[1]}{k}" for k in range(int(m[2]), int(m[3]) + 1)]


def main() -> int:
    ap = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0],
        epilog="Workloads: " + ", ".join(WORKLOADS),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    ap.add_argument("--imap", type=endpoint, required=True, metavar="HOST:PORT")
    ap.add_argument("--lmtp", type=endpoint, metavar="HOST:PORT")
    ap.add_argument("--pid", type=int, help="server's main process, for idle_memory")
    ap.add_argument(
        "--vs-imap", type=endpoint, metavar="HOST:PORT", help="second target (B): rounds alternate A, B, A, B"
    )
    ap.add_argument("--vs-lmtp", type=endpoint, metavar="HOST:PORT")
    ap.add_argument("--vs-pid", type=int)
    ap.add_argument(
        "--users",
        type=user_range,
        default=user_range("u1..u1000"),
        help="u1..u1000; every workload has its own slice of the first 950",
    )
    ap.add_argument("--password", default="pass")
    ap.add_argument("--domain", default="example.com", help="for recipient addresses")
    ap.add_argument("--login-domain", action="store_true", help="log in as user@domain")
    ap.add_argument("--only", default="", help="comma-separated workloads")
    ap.add_argument("--rounds", type=int, default=3)
    ap.add_argument("--messages", type=int, help="size of the large mailbox (10000; 1000 with --quick)")
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--quick", action="store_true", help="about a tenth of the work: a smoke test, not a measurement")
    ap.add_argument(
        "--probe-dir", default=tempfile.gettempdir(), help="where to measure fsync (the disk of the server)"
    )
    ap.add_argument("--json", type=Path)
    args = ap.parse_args()
    chosen = [w for w in args.only.split(",") if w] or list(WORKLOADS)
    if unknown := set(chosen) - set(WORKLOADS):
        ap.error(f"unknown workloads {sorted(unknown)}; there are {', '.join(WORKLOADS)}")
    if len(args.users) < 950:
        ap.error("--users must name at least 950 users")
    chosen.sort(key=lambda w: w != "idle_memory")  # first: it wants a fresh server
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    sys.setswitchinterval(0.0005)  # many short-running threads
    common = (args.password, args.domain, args.login_domain, args.users)
    targets = [Target("A", args.imap, args.lmtp, args.pid, *common)]
    if args.vs_imap:
        targets.append(Target("B", args.vs_imap, args.vs_lmtp, args.vs_pid, *common))
    bench, names, everything = Bench(args, targets), [t.name for t in targets], {}
    about = {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "cpus": os.cpu_count(),
        "python": sys.version.split()[0],
        "seed": args.seed,
        "quick": args.quick,
        "rounds": args.rounds,
        "messages": bench.big_size,
        "machine": calibrate(args.probe_dir),
        "targets": {},
    }
    print("machine:", about["machine"])
    for t in targets:
        c = Imap(t)
        about["targets"][t.name] = {
            "imap": t.imap,
            "lmtp": t.lmtp,
            "greeting": c.greeting.decode(errors="replace"),
            "capabilities": sorted(t.capabilities()),
        }
        print(f"{t.name}: {t.imap} {c.greeting.decode(errors='replace')[:100]}")
        c.close()
    failed = False
    for name in chosen:
        rows = bench.run(name)
        print("\n".join(report(rows, names)), flush=True)
        everything |= rows
        failed |= any(reason.startswith("FAILED") for row in rows.values() for reason in row["trouble"].values())
    for t in targets:  # leave nothing behind
        for user, key in ((0, "big"), (340, "source")):
            if key in t.boxes:
                c = Imap(t, t.user(user))
                c.cmd(f"DELETE {t.boxes[key]}")
                c.quit()
        if "list" in t.boxes:
            c = Imap(t, t.user(341))
            for k in range(200):
                c.cmd(f"DELETE {t.boxes['list']}{k:03d}")
            c.quit()
    if args.json:
        args.json.write_text(json.dumps({"about": about, "results": everything}, indent=1))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
