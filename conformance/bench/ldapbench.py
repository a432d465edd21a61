#!/usr/bin/env python3
"""ldapbench: a small LDAP v3 load driver (standard library only).

Measures what a mailbox server's recipient resolver and address book do to a
directory server, and checks that every answer is complete:

  eq1        connect once, simple bind, then equality searches one after another
             (alternating ``(mail=...)`` and ``(proxyAddresses=...)``), 1 connection
  eq16       the same on 16 connections driven by one event loop (one request in
             flight on each)
  bindeq1    a new TCP connection + simple bind + one equality search + unbind, each time
  bindeq16   the same, 16 at a time
  anr        prefix search ``(|(cn=ab*)(sn=ab*)(mail=ab*))`` with rotating two-letter
             prefixes, 1 connection; counts are compared with the dump
  paged      full dump of every entry with the paged results control (RFC 2696)

Each workload reports operations (or entries) per second, the median and the 99th
percentile latency, and how busy the driver itself was (near 100% means that the driver, one
Python process, is the limit and the server could do more).  ``--vs`` runs the same workloads against a second server,
alternating between the two (A B A B ...), and prints the ratio A / B.

The values that are searched for are read from the server under test first (one paged
dump), so any directory can be used; the two servers must hold the same entries
for a comparison, and the driver refuses to compare when the counts differ.

Exit status: 0 all counts right, 1 a wrong answer, 2 could not run.

Example
    ldapbench.py --ldap 127.0.0.1:10389 --base dc=example,dc=com \\
        --bind-dn uid=u1,ou=people,dc=example,dc=com --password pass \\
        --vs 127.0.0.1:11389 --seconds 5 --json out.json
"""

from __future__ import annotations

import argparse
import json
import random
import selectors
import socket
import statistics
import sys
import time

# --------------------------------------------------------------------------- BER

PAGED_OID = b"1.2.840.113556.1.4.319"


def _len(n: int) -> bytes:
    if n < 0x80:
        return bytes((n,))
    b = n.to_bytes((n.bit_length() + 7) // 8, "big")
    return bytes((0x80 | len(b),)) + b


def tlv(tag: int, body: bytes) -> bytes:
    return bytes((tag,)) + _len(len(body)) + body


def ber_int(n: int, tag: int = 0x02) -> bytes:
    return tlv(tag, n.to_bytes(n.bit_length() // 8 + 1, "big", signed=True))


def octets(s: bytes | str, tag: int = 0x04) -> bytes:
    return tlv(tag, s.encode() if isinstance(s, str) else s)


def read_tlv(buf, pos: int) -> tuple[int, int, int] | None:
    """(tag, start of value, end of value), or None when the buffer is too short."""
    n = len(buf)
    if pos + 2 > n:
        return None
    tag, ln, p = buf[pos], buf[pos + 1], pos + 2
    if ln & 0x80:
        k = ln & 0x7F
        if k == 0 or k > 4:
            raise ValueError("bad BER length")
        if p + k > n:
            return None
        ln, p = int.from_bytes(buf[p : p + k], "big"), p + k
    return None if p + ln > n else (tag, p, p + ln)


def children(buf, pos: int, end: int):
    while pos < end:
        item = read_tlv(buf, pos)
        if item is None:
            raise ValueError("truncated BER element")
        yield item
        pos = item[2]


# ---------------------------------------------------------------- LDAP messages


def f_eq(attr: str, value: str) -> bytes:
    return tlv(0xA3, octets(attr) + octets(value))


def f_prefix(attr: str, value: str) -> bytes:
    return tlv(0xA4, octets(attr) + tlv(0x30, octets(value, 0x80)))


def f_or(*parts: bytes) -> bytes:
    return tlv(0xA1, b"".join(parts))


def f_present(attr: str) -> bytes:
    return octets(attr, 0x87)


def message(mid: int, op: bytes, controls: bytes = b"") -> bytes:
    return tlv(0x30, ber_int(mid) + op + (tlv(0xA0, controls) if controls else b""))


def bind_op(dn: str, password: str) -> bytes:
    return tlv(0x60, ber_int(3) + octets(dn) + octets(password, 0x80))


def search_op(base: str, flt: bytes, attrs: list[str]) -> bytes:
    return tlv(
        0x63,
        octets(base)
        + ber_int(2, 0x0A)
        + ber_int(0, 0x0A)
        + ber_int(0)
        + ber_int(0)
        + b"\x01\x01\x00"
        + flt
        + tlv(0x30, b"".join(octets(a) for a in attrs)),
    )


UNBIND = tlv(0x42, b"")


def paged_control(size: int, cookie: bytes) -> bytes:
    # not critical: a server without the control then answers with everything at once
    return tlv(0x30, octets(PAGED_OID) + octets(tlv(0x30, ber_int(size) + octets(cookie))))


class WrongAnswer(Exception):
    """The server answered, but not what the data says it should have."""


class Conn:
    """One LDAP connection; a blocking request/response helper over a socket."""

    def __init__(self, addr: tuple[str, int], timeout: float = 60.0):
        self.sock = socket.create_connection(addr, timeout=timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buf = bytearray()
        self.mid = 0

    def close(self, unbind: bool = True) -> None:
        try:
            if unbind:
                self.mid += 1
                self.sock.sendall(message(self.mid, UNBIND))
        except OSError:
            pass
        self.sock.close()

    def send(self, op: bytes, controls: bytes = b"") -> None:
        self.mid += 1
        self.sock.sendall(message(self.mid, op, controls))

    def parse(self):
        """Yield complete messages in the buffer as (tag, op bytes, controls bytes)."""
        pos, out, buf = 0, [], self.buf
        while True:
            m = read_tlv(buf, pos)
            if m is None:
                break
            parts = list(children(buf, m[1], m[2]))
            if int.from_bytes(buf[parts[0][1] : parts[0][2]], "big") != self.mid:
                raise WrongAnswer("message id does not match the request")
            op = parts[1]
            ctl = bytes(buf[parts[2][1] : parts[2][2]]) if len(parts) > 2 else b""
            out.append((op[0], bytes(buf[op[1] : op[2]]), ctl))
            pos = m[2]
        if pos:
            del buf[:pos]
        return out

    def recv(self) -> None:
        data = self.sock.recv(262144)
        if not data:
            raise WrongAnswer("server closed the connection")
        self.buf += data

    def wait(self, want: int):
        """Read until the final op `want`; returns (entries, result code, controls)."""
        entries = []
        while True:
            for tag, body, ctl in self.parse():
                if tag == 0x64:
                    entries.append(body)
                elif tag == want:
                    _, a, b = read_tlv(body, 0)
                    return entries, int.from_bytes(body[a:b], "big"), ctl
                elif tag != 0x73:
                    raise WrongAnswer(f"unexpected response tag 0x{tag:02x}")
            self.recv()

    def bind(self, dn: str, password: str) -> None:
        self.send(bind_op(dn, password))
        _, rc, _ = self.wait(0x61)
        if rc:
            raise WrongAnswer(f"bind failed with result code {rc}")

    def search(self, base: str, flt: bytes, attrs: list[str], controls: bytes = b""):
        self.send(search_op(base, flt, attrs), controls)
        entries, rc, ctl = self.wait(0x65)
        if rc:
            raise WrongAnswer(f"search failed with result code {rc}")
        return entries, ctl


def entry_attrs(body: bytes) -> tuple[str, dict[str, list[str]]]:
    it = list(children(body, 0, len(body)))
    dn = body[it[0][1] : it[0][2]].decode()
    attrs: dict[str, list[str]] = {}
    for _, a, b in children(body, it[1][1], it[1][2]):
        name, vals = list(children(body, a, b))
        attrs[body[name[1] : name[2]].decode().lower()] = [
            body[x:y].decode("utf-8", "replace") for _, x, y in children(body, vals[1], vals[2])
        ]
    return dn, attrs


def page_cookie(ctl: bytes) -> bytes | None:
    """The cookie out of a paged results response control; None if there is none."""
    for _, a, b in children(ctl, 0, len(ctl)):
        parts = list(children(ctl, a, b))
        if ctl[parts[0][1] : parts[0][2]] == PAGED_OID:
            v = ctl[parts[-1][1] : parts[-1][2]]
            _, x, y = read_tlv(v, 0)
            seq = list(children(v, x, y))
            return v[seq[1][1] : seq[1][2]]
    return None


def paged_dump(c: Conn, base: str, flt: bytes, attrs: list[str], size: int):
    """All entries; a server without the control gives them in one answer. Returns (entries, pages)."""
    out, cookie, pages = [], b"", 0
    while True:
        got, ctl = c.search(base, flt, attrs, paged_control(size, cookie))
        out += got
        pages += 1
        cookie = page_cookie(ctl) or b""
        if not cookie:
            return out, pages


# -------------------------------------------------------------------- workloads


class Target:
    """A server, its data set (read from it) and the workloads."""

    def __init__(self, hostport: str, o):
        host, _, port = hostport.rpartition(":")
        self.name, self.addr, self.o = hostport, (host or "127.0.0.1", int(port)), o
        self.flt = f_present(o.present)
        c = self.open()
        entries, self.pages = paged_dump(c, o.base, self.flt, ["mail", "proxyAddresses", "cn", "sn"], o.page)
        c.close()
        self.people = []
        for e in entries:
            dn, a = entry_attrs(e)
            self.people.append((dn, a.get("mail", []), a.get("proxyaddresses", []), a.get("cn", []), a.get("sn", [])))
        self.people.sort()
        if not self.people:
            raise WrongAnswer("the directory holds no matching entries")
        rnd = random.Random(1)
        keys = [("mail", p[0], v) for p in self.people for v in p[1]]
        keys += [("proxyAddresses", p[0], v) for p in self.people for v in p[2]]
        self.keys = rnd.sample(keys, min(4000, len(keys)))
        firsts = sorted({v[:2].lower() for p in self.people for v in p[3] + p[4] + p[1] if v[:2].isalpha()})
        self.prefixes = rnd.sample(firsts, min(len(firsts), 24))
        self.expect = {
            x: sum(any(v.lower().startswith(x) for v in p[1] + p[3] + p[4]) for p in self.people) for x in self.prefixes
        }

    def open(self) -> Conn:
        c = Conn(self.addr)
        if self.o.bind_dn:
            c.bind(self.o.bind_dn, self.o.password)
        return c

    def ask(self, i: int) -> tuple[bytes, str]:
        attr, dn, value = self.keys[i % len(self.keys)]
        return search_op(self.o.base, f_eq(attr, value), ["mail", "displayName"]), dn

    @staticmethod
    def check_one(entries, dn: str) -> None:
        if len(entries) != 1 or entry_attrs(entries[0])[0].lower() != dn.lower():
            raise WrongAnswer(f"expected exactly {dn}, got {len(entries)} entries")

    def eq(self, conns: int, secs: float):
        lat: list[float] = []
        if conns == 1:
            c, i = self.open(), 0
            t0 = time.perf_counter()
            while (t := time.perf_counter()) - t0 < secs:
                op, dn = self.ask(i)
                c.send(op)
                entries, rc, _ = c.wait(0x65)
                if rc:
                    raise WrongAnswer(f"search failed with result code {rc}")
                self.check_one(entries, dn)
                lat.append(time.perf_counter() - t)
                i += 1
            t1 = time.perf_counter()
            c.close()
            return len(lat), t1 - t0, lat
        sel, i = selectors.DefaultSelector(), 0
        state = {}
        for _ in range(conns):
            c = self.open()
            sel.register(c.sock, selectors.EVENT_READ, c)
        t0 = time.perf_counter()
        for key in list(sel.get_map().values()):
            op, dn = self.ask(i)
            i += 1
            key.data.send(op)
            state[key.data] = (time.perf_counter(), dn, [])
        while state:
            ready = sel.select(30)
            if not ready:
                raise WrongAnswer("no answer for 30 s")
            for key, _ in ready:
                c = key.data
                c.recv()
                began, dn, got = state[c]
                for tag, body, _ctl in c.parse():
                    if tag == 0x64:
                        got.append(body)
                        continue
                    if tag != 0x65 or body[2] != 0:
                        raise WrongAnswer("search failed")
                    self.check_one(got, dn)
                    now = time.perf_counter()
                    lat.append(now - began)
                    if now - t0 < secs:
                        op, dn2 = self.ask(i)
                        i += 1
                        c.send(op)
                        state[c] = (now, dn2, [])
                    else:
                        del state[c]
                        sel.unregister(c.sock)
                        c.close()
        return len(lat), time.perf_counter() - t0, lat

    def bindeq(self, conns: int, secs: float):
        """Connection + bind + search + unbind; `conns` of them interleaved in one event loop."""
        lat, i, sel, t0, live = [], 0, selectors.DefaultSelector(), time.perf_counter(), 0

        def start():
            nonlocal i, live
            began = time.perf_counter()
            c = Conn(self.addr)
            _, dn, _ = self.keys[i % len(self.keys)]
            c.send(bind_op(self.o.bind_dn, self.o.password))
            sel.register(c.sock, selectors.EVENT_READ, [c, began, i, "bind", []])
            i, live = i + 1, live + 1

        for _ in range(conns):
            start()
        while live:
            ready = sel.select(30)
            if not ready:
                raise WrongAnswer("no answer for 30 s")
            for key, _ in ready:
                st = key.data
                c = st[0]
                c.recv()
                for tag, body, _ctl in c.parse():
                    if tag == 0x64:
                        st[4].append(body)
                    elif tag == 0x61:
                        if body[2] != 0:
                            raise WrongAnswer("bind failed")
                        st[3] = "search"
                        c.send(self.ask(st[2])[0])
                    else:
                        if tag != 0x65 or body[2] != 0:
                            raise WrongAnswer("search failed")
                        self.check_one(st[4], self.ask(st[2])[1])
                        sel.unregister(c.sock)
                        c.close()
                        live -= 1
                        now = time.perf_counter()
                        lat.append(now - st[1])
                        if now - t0 < secs:
                            start()
                        break
        return len(lat), time.perf_counter() - t0, lat

    def anr(self, secs: float):
        c, lat, i = self.open(), [], 0
        t0 = time.perf_counter()
        while (t := time.perf_counter()) - t0 < secs:
            x = self.prefixes[i % len(self.prefixes)]
            got, _ = c.search(
                self.o.base, f_or(f_prefix("cn", x), f_prefix("sn", x), f_prefix("mail", x)), ["displayName", "mail"]
            )
            if len(got) != self.expect[x]:
                raise WrongAnswer(f"prefix {x!r}: expected {self.expect[x]} entries, got {len(got)}")
            lat.append(time.perf_counter() - t)
            i += 1
        t1 = time.perf_counter()
        c.close()
        return len(lat), t1 - t0, lat

    def paged(self, secs: float):
        c, lat, n = self.open(), [], 0
        t0 = time.perf_counter()
        while (t := time.perf_counter()) - t0 < secs:
            got, _ = paged_dump(c, self.o.base, self.flt, ["mail", "proxyAddresses", "displayName", "cn"], self.o.page)
            if len(got) != len(self.people):
                raise WrongAnswer(f"paged dump: expected {len(self.people)}, got {len(got)}")
            n += len(got)
            lat.append(time.perf_counter() - t)
        t1 = time.perf_counter()
        c.close()
        return n, t1 - t0, lat

    def run(self, w: str, secs: float):
        if w.startswith("bindeq"):
            return self.bindeq(int(w[6:]), secs)
        if w.startswith("eq"):
            return self.eq(int(w[2:]), secs)
        return getattr(self, w)(secs)


WORKLOADS = ["eq1", "eq16", "bindeq1", "bindeq16", "anr", "paged"]
UNIT = {"paged": "entries/s"}


def main(argv=None) -> int:
    ap = argparse.ArgumentParser(description=__doc__.split("\n\n")[0], epilog="Workloads: " + ", ".join(WORKLOADS))
    ap.add_argument("--ldap", required=True, metavar="HOST:PORT", help="server under test")
    ap.add_argument("--vs", metavar="HOST:PORT", help="second server to compare with (same entries)")
    ap.add_argument("--base", required=True, help="search base DN")
    ap.add_argument("--bind-dn", default="", help="simple bind DN (empty: anonymous)")
    ap.add_argument("--password", default="")
    ap.add_argument("--vs-bind-dn", help="bind DN for --vs when it differs")
    ap.add_argument("--vs-password")
    ap.add_argument("--present", default="mail", help="attribute that marks a recipient entry (default mail)")
    ap.add_argument("--expect", type=int, help="refuse to run unless exactly this many entries are found")
    ap.add_argument("--page", type=int, default=500, help="page size (default 500)")
    ap.add_argument("--seconds", type=float, default=3.0, help="seconds per workload and round (default 3)")
    ap.add_argument("--rounds", type=int, default=3, help="rounds; the median is reported (default 3)")
    ap.add_argument("--only", help="comma-separated workloads")
    ap.add_argument("--json", metavar="FILE", help="write results as JSON ('-' for standard output)")
    o = ap.parse_args(argv)
    work = o.only.split(",") if o.only else WORKLOADS
    if set(work) - set(WORKLOADS):
        ap.error("unknown workload")
    try:
        targets = [Target(o.ldap, o)]
        if o.vs:
            o2 = argparse.Namespace(**vars(o))
            o2.bind_dn = o.vs_bind_dn if o.vs_bind_dn is not None else o.bind_dn
            o2.password = o.vs_password if o.vs_password is not None else o.password
            targets.append(Target(o.vs, o2))
            if len(targets[0].people) != len(targets[1].people):
                print(f"entry counts differ: {len(targets[0].people)} and {len(targets[1].people)}", file=sys.stderr)
                return 1
    except (OSError, WrongAnswer, ValueError) as e:
        print(f"cannot start: {e}", file=sys.stderr)
        return 2
    if o.expect is not None and len(targets[0].people) != o.expect:
        print(f"expected {o.expect} entries, found {len(targets[0].people)}", file=sys.stderr)
        return 1
    status, results = 0, {}
    for t in targets:
        results[t.name] = {"entries": len(t.people), "pages_in_dump": t.pages, "workloads": {}}
    for w in work:
        rows = {t.name: [] for t in targets}
        for _ in range(o.rounds):
            for t in targets:
                try:
                    cpu = time.process_time()
                    n, wall, lat = t.run(w, o.seconds)
                    rows[t.name].append((n / wall, n, lat, (time.process_time() - cpu) / wall))
                except (WrongAnswer, OSError, ValueError) as e:
                    status = 1
                    results[t.name]["workloads"][w] = {"error": str(e)}
                    print(f"{w:9} {t.name:22} WRONG: {e}", flush=True)
        for t in targets:
            if not rows[t.name] or "error" in results[t.name]["workloads"].get(w, {}):
                continue
            rates = [r[0] for r in rows[t.name]]
            lat = sorted(x for r in rows[t.name] for x in r[2])
            results[t.name]["workloads"][w] = r = {
                "rate": round(statistics.median(rates), 1),
                "unit": UNIT.get(w, "ops/s"),
                "rates": [round(x, 1) for x in rates],
                "count": sum(x[1] for x in rows[t.name]),
                "driver_cpu": round(statistics.median(r[3] for r in rows[t.name]), 2),
                "p50_ms": round(lat[len(lat) // 2] * 1e3, 3),
                "p99_ms": round(lat[min(len(lat) - 1, int(len(lat) * 0.99))] * 1e3, 3),
            }
            print(
                f"{w:9} {t.name:22} {r['rate']:>10.1f} {r['unit']:<9} p50 {r['p50_ms']:.3f} ms"
                f"  p99 {r['p99_ms']:.3f} ms  (n={r['count']}, driver cpu {r['driver_cpu']:.0%})",
                flush=True,
            )
        if len(targets) == 2:
            a, b = (results[t.name]["workloads"].get(w, {}).get("rate") for t in targets)
            if a and b:
                print(f"{w:9} ratio {targets[0].name} / {targets[1].name} = {a / b:.2f}", flush=True)
                results.setdefault("ratios", {})[w] = round(a / b, 3)
    if o.json:
        text = json.dumps(results, indent=1)
        if o.json == "-":
            print(text)
        else:
            with open(o.json, "w") as f:
                f.write(text + "\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
