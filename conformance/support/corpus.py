"""Mails of other projects (tests/corpus), and some that were made to be difficult."""

from pathlib import Path

CORPUS = Path(__file__).parents[2] / "tests" / "corpus" / "mail"


def corpus() -> dict[str, bytes]:
    """Name -> octets of every corpus mail, as they are."""
    found = {
        f"{path.parent.name}/{path.name}": path.read_bytes()
        for path in sorted(CORPUS.rglob("*"))
        if path.is_file() and path.stat().st_size
    }
    assert len(found) > 500, f"the corpus is not in {CORPUS}"
    return found


def with_crlf(octets: bytes) -> bytes:
    """With the line ends of the wire, as a mail hub would hand it over; and without NUL, which RFC 5322 forbids."""
    return octets.replace(b"\r\n", b"\n").replace(b"\r", b"").replace(b"\0", b"").replace(b"\n", b"\r\n")


def _mail(header: str, body: str = "text\n") -> bytes:
    return (header.strip("\n") + "\n\n" + body).replace("\n", "\r\n").encode("utf-8", "surrogateescape")


_ORDINARY = "From: a@example.com\nDate: Mon, 23 Nov 2026 09:00:00 +0000\nMIME-Version: 1.0\n"

NASTY: dict[str, bytes] = {
    "nasty/no-header": b"\r\nonly a body\r\n",
    "nasty/no-body": _ORDINARY.replace("\n", "\r\n").encode(),
    "nasty/no-blank-line": b"Subject: ends here",
    "nasty/one-octet": b"x",
    "nasty/blank-line-only": b"\r\n",
    "nasty/no-final-newline": b"Subject: x\r\n\r\nno newline at the end",
    "nasty/header-only-newline": b"Subject: x\r\n\r\n",
    "nasty/folded-subject": _mail("Subject: one\n two\n\tthree\nFrom: a@b"),
    "nasty/quotes-in-subject": _mail('Subject: say "cheese" \\ backslash\nFrom: a@b'),
    "nasty/empty-fields": _mail("Subject:\nFrom:\nTo: \nCc: ,\nDate:\nMessage-ID:"),
    "nasty/group": _mail("From: a@b\nTo: A Group:Ed <ed@example.org>,joe@example.org, \n John <j@example.org>;, x@y"),
    "nasty/empty-group": _mail("From: a@b\nTo: undisclosed-recipients:;\nCc: Nobody:;, b@c"),
    "nasty/comments": _mail(
        "From: (first) a (who) @ (where) b.example (last)\nTo: Pete(A \\) chap) <pete(x)@silly.test>"
    ),
    "nasty/route": _mail("From: <@hop1,@hop2:user@final.example>\nTo: joe@[127.0.0.1]"),
    "nasty/quoted-local": _mail('From: "quoted local"@example.com\nTo: "Joe Q. Public" <john.q.public@example.com>'),
    "nasty/encoded-words": _mail("Subject: =?utf-8?q?a=20b?= =?iso-8859-1?b?5A==?=\nFrom: =?utf-8?b?w6Q=?= <a@b>"),
    "nasty/bare-name": _mail("From: just a name\nTo: a@b c@d\nCc: <>"),
    "nasty/utf8-header": _mail("Subject: Grüße aus Köln\nFrom: Zoë <zoe@example.net>"),
    "nasty/latin1-header": _mail("Subject: Gr\udcfc\udcdfe\nFrom: Zo\udceb <zoe@example.net>"),
    "nasty/twice": _mail(
        "Subject: one\nSubject: two\nFrom: a@b\nFrom: c@d\nTo: e@f\nTo: g@h\nMessage-ID: <1>\nMessage-ID: <2>"
    ),
    "nasty/long-line": _mail("Subject: " + "x" * 5000 + "\nFrom: a@b", "y" * 20000 + "\n"),
    "nasty/many-recipients": _mail("From: a@b\nTo: " + ",\n ".join(f"user {n} <u{n}@example.com>" for n in range(300))),
    "nasty/space-before-colon": _mail("Subject : spaced\nFrom : a@b"),
    "nasty/garbage-in-header": _mail("Subject: x\nthis is no field\nFrom: a@b"),
    "nasty/mbox-from": _mail("From a@b Mon Nov 23 09:00:00 2026\nSubject: x\nFrom: a@b"),
    "nasty/8bit-body": _mail(
        _ORDINARY + "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit", "ünï\n"
    ),
    "nasty/content-type-garbage": _mail(_ORDINARY + "Content-Type: garbage"),
    "nasty/content-type-empty": _mail(_ORDINARY + "Content-Type:"),
    "nasty/content-type-no-subtype": _mail(_ORDINARY + "Content-Type: text/"),
    "nasty/content-type-parameters": _mail(
        _ORDINARY
        + 'Content-Type: text/plain; charset="us-ascii"; x; y=; =z; format=flowed; name="a\\"b"; charset=utf-8'
    ),
    "nasty/rfc2231": _mail(
        _ORDINARY + "Content-Type: application/x-stuff; title*0*=us-ascii'en'This%20is%20even%20more%20; "
        "title*1*=%2A%2A%2Afun%2A; "
        "title*2=\"isn't it!\"\nContent-Disposition: attachment; filename*=utf-8''%e2%82%ac.txt"
    ),
    "nasty/disposition": _mail(
        _ORDINARY
        + 'Content-Disposition: inline; filename=x.txt; size=12; creation-date="Mon, 23 Nov 2026 09:00:00 +0000"\n'
        "Content-Language: en, de\nContent-Location: http://example.com/x\nContent-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==\n"
        "Content-ID: <part@example.com>\nContent-Description: =?utf-8?q?a_description?="
    ),
    "nasty/mixed": _mail(
        _ORDINARY + "Content-Type: multipart/mixed; boundary=b1\nContent-Language: en",
        "preamble\n--b1\n\nfirst\n--b1\nContent-Type: text/html; charset=utf-8\n\n<p>second\n\n--b1  \n"
        "Content-Type: image/png\n"
        "Content-Transfer-Encoding: base64\n\niVBORw0KGgo=\n--b1--\nepilogue\n",
    ),
    "nasty/nested": _mail(
        _ORDINARY + 'Content-Type: multipart/mixed; boundary="outer"',
        '--outer\nContent-Type: multipart/alternative; boundary="outer2"\n\n--outer2\n\nplain\n--outer2\n'
        "Content-Type: text/html\n\n"
        "<b>html</b>\n--outer2--\n\n--outer\nContent-Type: multipart/related; type=text/html; boundary=r\n\n"
        "--r\nContent-Type: text/html"
        "\n\nroot\n--r\nContent-Type: image/gif\nContent-ID: <gif@x>\nContent-Transfer-Encoding: base64\n\n"
        "R0lG\n--r--\n--outer--\n",
    ),
    "nasty/unclosed": _mail(
        _ORDINARY + "Content-Type: multipart/mixed; boundary=b", "--b\n\nfirst\n--b\nContent-Type: text/html\n\nno end"
    ),
    "nasty/inner-unclosed": _mail(
        _ORDINARY + "Content-Type: multipart/mixed; boundary=a",
        "--a\nContent-Type: multipart/alternative; boundary=b\n\n--b\n\nx\n--a\n\nthis ends both\n--a--\n",
    ),
    "nasty/no-boundary": _mail(_ORDINARY + "Content-Type: multipart/mixed", "--b\n\nfirst\n--b--\n"),
    "nasty/no-parts": _mail(_ORDINARY + "Content-Type: multipart/mixed; boundary=b", "nothing of that kind\n"),
    "nasty/end-only": _mail(_ORDINARY + "Content-Type: multipart/mixed; boundary=b", "--b--\n"),
    "nasty/empty-parts": _mail(
        _ORDINARY + "Content-Type: multipart/mixed; boundary=b", "--b\n--b\n\n--b\nContent-Type: text/x\n--b--\n"
    ),
    "nasty/digest": _mail(
        _ORDINARY + "Content-Type: multipart/digest; boundary=d",
        "--d\n\nFrom: inner@example.com\nSubject: one\n\nfirst\n--d\nContent-Type: text/plain\n\nnot a message\n"
        "--d--\n",
    ),
    "nasty/message-rfc822": _mail(
        _ORDINARY + "Content-Type: multipart/mixed; boundary=b",
        "--b\nContent-Type: message/rfc822\nContent-Disposition: attachment\n\nFrom: in@example.com\nSubject: inner\n"
        "Content-Type: multipart/mixed; boundary=i\n\n--i\n\none\n--i\nContent-Type: message/rfc822\n\n"
        "Subject: deep\n\ndeep body\n--i--\n--b--\n",
    ),
    "nasty/message-at-top": _mail(
        _ORDINARY + "Content-Type: message/rfc822", "Subject: inner\nFrom: x@y\n\ninner body\nline two\n"
    ),
    "nasty/message-global": _mail(_ORDINARY + "Content-Type: message/global", "Subject: ünner\n\nbody\n"),
    "nasty/message-base64": _mail(
        _ORDINARY + "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64",
        "U3ViamVjdDogaGlkZGVuCgpib2R5Cg==\n",
    ),
    "nasty/message-partial": _mail(
        _ORDINARY + "Content-Type: message/partial; id=1; number=1; total=2", "Subject: x\n\nbody\n"
    ),
    "nasty/report": _mail(
        _ORDINARY + "Content-Type: multipart/report; report-type=delivery-status; boundary=r",
        "--r\n\nIt failed.\n--r\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\n"
        "Action: failed\n--r\n"
        "Content-Type: text/rfc822-headers\n\nSubject: returned\n--r--\n",
    ),
    "nasty/base64": _mail(
        _ORDINARY + "Content-Type: application/octet-stream\nContent-Transfer-Encoding: BASE64", "AAECAwQFBgcICQ==\n"
    ),
    "nasty/base64-broken": _mail(_ORDINARY + "Content-Transfer-Encoding: base64", "AAE*CAwQ\nFBg===garbage\n"),
    "nasty/quoted-printable": _mail(
        _ORDINARY + "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable",
        "Gr=C3=BC=C3=9Fe=20soft =\nbreak  \nbad =XY and =\n",
    ),
    "nasty/uuencode": _mail(_ORDINARY + "Content-Transfer-Encoding: x-uuencode", "begin 644 x\n#0V%T\n`\nend\n"),
    "nasty/deep": _mail(
        _ORDINARY + "Content-Type: multipart/mixed; boundary=b0",
        "".join(f"--b{n}\nContent-Type: multipart/mixed; boundary=b{n + 1}\n\n" for n in range(12))
        + "--b12\n\nat the bottom\n"
        + "".join(f"--b{n}--\n" for n in range(12, -1, -1)),
    ),
    "nasty/boundary-prefix": _mail(
        _ORDINARY + "Content-Type: multipart/mixed; boundary=ab",
        "--ab\nContent-Type: multipart/mixed; boundary=abc\n\n--abc\n\nx\n--abc--\n--ab\n\ny\n--ab--\n",
    ),
    "nasty/boundary-with-spaces": _mail(
        _ORDINARY + 'Content-Type: multipart/mixed; boundary="gc0p4Jq0M2Yt08j34c0p "',
        "--gc0p4Jq0M2Yt08j34c0p\n\nx\n--gc0p4Jq0M2Yt08j34c0p--\n",
    ),
}
NASTY["nasty/dates"] = _mail("Date: 23 Nov 26 9:00 EST\nFrom: a@b\nSubject: =?x?y?z?= re: Re[2]: (fwd)")
