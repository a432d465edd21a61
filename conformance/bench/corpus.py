"""The mail that a benchmark sends: message number i is a pure function of (seed, i), but for a tag of the run."""

import base64
import datetime
import email.utils
import random
import textwrap


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
