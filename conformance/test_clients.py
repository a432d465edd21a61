"""Other people's clients at work on Penfold: each does what its users do all day."""

import imaplib
import mailbox
import re
import smtplib
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.support.corpus import NASTY, corpus, with_crlf
from conformance.support.mail import message
from conformance.support.postfix import Postfix
from conformance.support.processes import eventually, run, succeed
from conformance.support.screen import Screen
from conformance.support.servers import HOST, PASSWORD, Penfold

LARGEST = 300_000  # octets of a message that the server for refusals takes


@pytest.fixture(scope="module")
def small(directory: Path) -> Iterator[Penfold]:
    """A server that takes little: messages up to LARGEST, and hardly any for u2; LMTP also on a Unix socket."""
    socket_path = directory / "lmtp.sock"
    options = ("--largest", str(LARGEST), "--full", "u2", "--lmtp-socket", str(socket_path))
    server = Penfold(directory / "small", users=4, options=options).start()
    socket_path.chmod(0o777)
    yield server
    server.stop()


def subjects(server: Penfold, user: str, folder: str = "INBOX") -> list[str]:
    with server.client(user) as client:
        client.ok(f"SELECT {folder}")
        return [_subject(values) for values in client.fetch("1:*", "(ENVELOPE)").values()]


def _subject(values: dict[bytes, object]) -> str:
    return bytes(values[b"ENVELOPE"][1] or b"").decode("latin-1")  # type: ignore[index]


def flags(server: Penfold, user: str, subject: str, folder: str = "INBOX") -> set[str]:
    with server.client(user) as client:
        client.ok(f"EXAMINE {folder}")
        for values in client.fetch("1:*", "(ENVELOPE FLAGS)").values():
            if _subject(values) == subject:
                return {bytes(flag).decode() for flag in values[b"FLAGS"]} - {r"\Recent"}  # type: ignore[attr-defined]
    raise AssertionError(f"{user} has no message {subject!r} in {folder}")


def fill(server: Penfold, user: str, messages: dict[str, bytes], folder: str = "INBOX") -> None:
    with server.client(user) as client:
        for name, octets in messages.items():
            answer = client.append(folder, octets)
            assert answer.status == b"OK", f"{name}: {answer.tagged!r}"


def fill_up(server: Penfold, user: str) -> None:
    """Until the quota lets no more in."""
    with server.client(user) as client:
        for octets in (1000, 500, 200, 100, 50, 20, 10, 5, 2, 1):
            while client.append("INBOX", b"x" * octets).status == b"OK":
                pass


def some_mails(count: int) -> dict[str, bytes]:
    """Mails of every corpus as a hub hands them over."""
    everything = {name: with_crlf(octets) for name, octets in corpus().items()} | NASTY
    return {name: everything[name] for name in sorted(everything)[:: len(everything) // count]}


# ---------------------------------------------------------------------------------------------- synchronizers


def mbsyncrc(server: Penfold, directory: Path, user: str) -> Path:
    path = directory / "mbsyncrc"
    path.write_text(f"""\
IMAPStore far
Host localhost
Port {server.imaps}
User {user}
Pass {PASSWORD}
SSLType IMAPS
CertificateFile {server.certificate}

MaildirStore near
Path {directory}/mail/
Inbox {directory}/mail/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
SyncState *
""")
    (directory / "mail").mkdir()
    return path


def test_mbsync_keeps_a_maildir_and_a_mailbox_the_same(penfold: Penfold, tmp_path: Path) -> None:
    """Over TLS, with the certificate: new mail and flags go both ways, and a second run has nothing to do."""
    mails = {
        name: octets for name, octets in some_mails(100).items() if re.match(rb"[\w-]+: .*\r\n\r\n", octets, re.DOTALL)
    }
    assert len(mails) > 60
    fill(penfold, "u1", mails)
    config = mbsyncrc(penfold, tmp_path, "u1")

    def sync() -> str:
        return succeed("mbsync", "-c", config, "-V", "all", timeout=60)

    sync()
    inbox = mailbox.Maildir(tmp_path / "mail" / "INBOX", create=False)
    # mbsync adds a field of its own to each copy that it makes.
    kept = sorted(re.sub(rb"X-TUID: \S+\n", b"", inbox.get_bytes(key)) for key in inbox.keys())  # noqa: SIM118
    assert kept == sorted(octets.replace(b"\r\n", b"\n") for octets in mails.values())
    state = (tmp_path / "mail" / "INBOX" / ".mbsyncstate").read_bytes()
    sync()
    assert (tmp_path / "mail" / "INBOX" / ".mbsyncstate").read_bytes() == state, "a second run has nothing to do"
    assert len(inbox) == len(mails)

    inbox.add(mailbox.MaildirMessage(message("from the maildir").replace(b"\r\n", b"\n")))
    fill(penfold, "u1", {"": message("from the server")})
    sync()
    assert "from the maildir" in subjects(penfold, "u1")
    near = {str(found["Subject"]): key for key, found in inbox.items()}
    assert "from the server" in near

    seen = inbox[near["from the server"]]
    seen.set_flags("FS")
    inbox[near["from the server"]] = seen
    with penfold.client("u1") as client:
        client.ok("SELECT INBOX")
        found = client.ok('SEARCH SUBJECT "from the maildir"').untagged[-1].split()[-1].decode()
        client.ok(rf"STORE {found} +FLAGS (\Answered)")
    sync()
    assert flags(penfold, "u1", "from the server") == {r"\Flagged", r"\Seen"}
    inbox = mailbox.Maildir(tmp_path / "mail" / "INBOX", create=False)
    assert "R" in next(m for m in inbox if m["Subject"] == "from the maildir").get_flags()

    with penfold.client("u1") as client:
        client.ok("SELECT INBOX")
        client.ok(r"STORE 1 +FLAGS (\Deleted)")
    sync()
    assert len(mailbox.Maildir(tmp_path / "mail" / "INBOX", create=False)) == len(mails) + 1


def test_offlineimap_copies_a_mailbox_and_sends_changes_back(penfold: Penfold, tmp_path: Path) -> None:
    mails = some_mails(25)
    fill(penfold, "u2", mails)
    config = tmp_path / "offlineimaprc"
    config.write_text(f"""\
[general]
metadata = {tmp_path}/metadata
accounts = a
ui = basic
socktimeout = 20
[Account a]
localrepository = near
remoterepository = far
[Repository near]
type = Maildir
localfolders = {tmp_path}/mail
[Repository far]
type = IMAP
remotehost = localhost
remoteport = {penfold.imaps}
remoteuser = u2
remotepass = {PASSWORD}
ssl = yes
sslcacertfile = {penfold.certificate}
""")

    def sync() -> None:
        output = succeed("offlineimap", "-c", config, "-o", "-1", timeout=60)
        assert "ERROR" not in output, output

    sync()
    inbox = mailbox.Maildir(tmp_path / "mail" / "INBOX", create=False)
    assert len(inbox) == len(mails)
    inbox.add(mailbox.MaildirMessage(message("by offlineimap").replace(b"\r\n", b"\n")))
    fill(penfold, "u2", {"": message("for offlineimap")})
    sync()
    assert "by offlineimap" in subjects(penfold, "u2")
    inbox = mailbox.Maildir(tmp_path / "mail" / "INBOX", create=False)
    key, changed = next((key, found) for key, found in inbox.items() if found["Subject"] == "for offlineimap")
    changed.set_subdir("cur")
    changed.set_flags("F")
    inbox[key] = changed
    sync()
    assert r"\Flagged" in flags(penfold, "u2", "for offlineimap")


def test_fetchmail_brings_mail_byte_for_byte(penfold: Penfold, tmp_path: Path) -> None:
    """T-12.11: what fetchmail hands to the local delivery program is what was delivered, under its own Received."""
    text = message("for fetchmail", body="From the start\n.\n..\n>From quoted\nend")
    fill(penfold, "u3", {"": text})
    (tmp_path / "deliver").write_text(f"#!/bin/sh\ncat > {tmp_path}/got\n")
    (tmp_path / "deliver").chmod(0o755)
    config = tmp_path / "fetchmailrc"
    config.write_text(
        f"poll localhost service {penfold.imaps} protocol imap username u3 password {PASSWORD} ssl "
        f'sslcertfile {penfold.certificate} sslcertck mda "{tmp_path}/deliver"\n'
    )
    config.chmod(0o600)
    succeed("fetchmail", "-f", config, "--pidfile", tmp_path / "pid", "--nosyslog", "-v", env={"HOME": str(tmp_path)})
    got = (tmp_path / "got").read_bytes().replace(b"\r\n", b"\n")
    assert got.endswith(text.replace(b"\r\n", b"\n").split(b"\n\n", 1)[1])
    for line in text.replace(b"\r\n", b"\n").split(b"\n\n", 1)[0].split(b"\n"):
        assert line in got
    assert not subjects(penfold, "u3"), "fetchmail deletes what it has fetched"


def test_imapfilter_moves_what_it_finds(penfold: Penfold, tmp_path: Path) -> None:
    fill(penfold, "u4", {name: message(f"imapfilter {name}") for name in ("keep", "file this", "keep too")})
    config = tmp_path / "config.lua"
    config.write_text(f"""\
options.timeout = 20
options.create = true
account = IMAP {{ server = '{HOST}', port = {penfold.imap}, username = 'u4', password = '{PASSWORD}' }}
found = account['INBOX']:contain_subject('file this') + account['INBOX']:contain_body('no such words')
found:mark_flagged()
found:move_messages(account['Filed'])
""")
    succeed("imapfilter", "-c", config, "-t", penfold.certificate, env={"HOME": str(tmp_path)})
    assert subjects(penfold, "u4", "Filed") == ["imapfilter file this"]
    assert r"\Flagged" in flags(penfold, "u4", "imapfilter file this", "Filed")
    assert sorted(subjects(penfold, "u4")) == ["imapfilter keep", "imapfilter keep too"]


# ---------------------------------------------------------------------------------------------- programs for people


def test_mutt_opens_reads_and_flags(penfold: Penfold, tmp_path: Path) -> None:
    fill(penfold, "u5", {name: message(f"mutt {name}", body=f"words of {name}") for name in ("one", "two")})
    config = tmp_path / "muttrc"
    config.write_text(f"""\
set folder=imap://u5@{HOST}:{penfold.imap}/ spoolfile=imap://u5@{HOST}:{penfold.imap}/INBOX
set imap_user=u5 imap_pass={PASSWORD} ssl_starttls=no ssl_force_tls=no
set header_cache={tmp_path}/cache sort=mailbox-order beep=no mark_old=no timeout=5
""")
    with Screen(tmp_path, ["mutt", "-n", "-F", config], env={"HOME": str(tmp_path)}) as screen:
        screen.waits_for("mutt two")
        screen.press("=", "Enter")
        screen.waits_for("words of one")
        screen.press("i")
        screen.waits_for("mutt two")
        screen.press("=", "F", "$")
        eventually(lambda: r"\Flagged" in flags(penfold, "u5", "mutt one"), what="mutt flags a message")
        fill(penfold, "u5", {"": message("mutt three")})
        screen.waits_for("mutt three")
        screen.press("q")
        eventually(screen.is_over, what="mutt ends")
    assert flags(penfold, "u5", "mutt one") == {r"\Flagged", r"\Seen"}


def test_alpine_opens_reads_deletes_and_shows_the_quota(penfold: Penfold, tmp_path: Path) -> None:
    """c-client, the reference implementation of IMAP, over TLS without asking; T-9.1: how it reads a quota."""
    succeed(Path(sys.executable).parent / "penfold", "mailbox", "set", "u6", "--quota", "10MB", "--dir",
            penfold.directory)  # fmt: skip
    fill(penfold, "u6", {name: message(f"alpine {name}", body=f"words of {name}") for name in ("one", "two")})
    config = tmp_path / "pinerc"
    inbox = f"{{{HOST}:{penfold.imaps}/imap/ssl/novalidate-cert/user=u6}}INBOX"
    config.write_text(
        f"inbox-path={inbox}\nuser-domain=example.com\n"
        "feature-list=enable-msg-view-urls,quit-without-confirm,expunge-without-confirm\n"
    )
    with Screen(tmp_path, ["alpine", "-p", config, "-i"], env={"HOME": str(tmp_path)}) as screen:
        until = time.monotonic() + 30
        while "alpine two" not in (shown := screen.text()):
            assert time.monotonic() < until, shown
            if "PASSWORD" in shown:
                screen.press(*PASSWORD, "Enter")
            elif "Preserve password" in shown:
                screen.press("n")
            elif "[y]" in shown or "(y/n)" in shown.lower() or "Create" in shown:
                screen.press("y")
            elif "E]xit" in shown or "Exit this greeting" in shown or "[E]" in shown:
                screen.press("E")
            time.sleep(0.3)
        screen.press("Enter")
        screen.waits_for("words of ")
        screen.press("D")
        eventually(lambda: _has_deleted(penfold, "u6"), what="alpine deletes a message")
        screen.press("<")
        screen.waits_for("MESSAGE INDEX")
        screen.press("@")
        shown = screen.waits_for("ALL of Quota Resources Summary")
        assert re.search(r"Resource : STORAGE\s+Usage    : 1 KiB .*\s+Limit    : 10240 KiB", shown), shown
        screen.press("E")
        screen.waits_for("MESSAGE INDEX")
        screen.press("q")
        for _ in range(20):
            if screen.is_over():
                break
            time.sleep(0.25)
            if not screen.is_over() and "?" in screen.text():
                screen.press("y")
        eventually(screen.is_over, what="alpine ends")


def _has_deleted(server: Penfold, user: str) -> bool:
    with server.client(user) as client:
        client.ok("EXAMINE INBOX")
        return any(
            line.startswith(b"* SEARCH ") and line != b"* SEARCH" for line in client.ok("SEARCH DELETED").untagged
        )


# ---------------------------------------------------------------------------------------------- libraries


@pytest.mark.parametrize("security", ["plain", "starttls", "tls"])
def test_curl_lists_searches_fetches_and_appends(penfold: Penfold, tmp_path: Path, security: str) -> None:
    text = message(f"curl {security}")
    fill(penfold, "u7", {"": text})
    uid = len(subjects(penfold, "u7"))
    scheme, port = ("imaps", penfold.imaps) if security == "tls" else ("imap", penfold.imap)
    base = f"{scheme}://{HOST}:{port}"
    options = ["-sS", "-m", "15", "-u", f"u7:{PASSWORD}", "--cacert", str(penfold.certificate)]
    if security != "plain":
        options.append("--ssl-reqd")
    assert "INBOX" in succeed("curl", *options, f"{base}/")
    assert re.search(r"\* SEARCH [\d ]+", succeed("curl", *options, f"{base}/INBOX?SUBJECT%20curl"))
    got = tmp_path / "got"
    succeed("curl", *options, f"{base}/INBOX;UID={uid}", "-o", got)
    assert got.read_bytes() == text
    succeed("curl", *options, f"{base}/INBOX;UID={uid};SECTION=HEADER.FIELDS%20(SUBJECT)", "-o", got)
    assert got.read_bytes() == f"Subject: curl {security}\r\n\r\n".encode()
    (tmp_path / "up").write_bytes(message(f"uploaded {security}"))
    succeed("curl", *options, f"{base}/Drafts", "-T", tmp_path / "up")
    assert f"uploaded {security}" in subjects(penfold, "u7", "Drafts")
    wrong = run("curl", *[o.replace(PASSWORD, "wrong") for o in options], f"{base}/")
    assert wrong.code == 67, f"curl's code for a refused login: {wrong}"


def test_imaplib_does_what_it_can(penfold: Penfold) -> None:
    context = penfold.tls()
    client = imaplib.IMAP4(HOST, penfold.imap, timeout=15)
    try:
        date = imaplib.Time2Internaldate(1e9)
        client.starttls(context)
        client.login("u8", PASSWORD)
        for name in ("one", "two", "three"):
            assert client.append("INBOX", r"(\Seen)", date, message(f"imaplib {name}"))[0] == "OK"
        assert client.select("INBOX") == ("OK", [b"3"])
        assert client.search(None, "SUBJECT", "two") == ("OK", [b"2"])
        assert (
            client.uid("FETCH", "2", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1][0][1] == b"Subject: imaplib two\r\n\r\n"
        )
        shown = client.fetch("1", "(INTERNALDATE)")[1][0]
        assert isinstance(shown, bytes)
        assert imaplib.Internaldate2tuple(shown) == time.localtime(1e9)
        assert client.store("1", "+FLAGS", r"(\Deleted)")[0] == "OK"
        assert client.copy("2:3", "Archive")[0] == "OK"
        assert client.expunge() == ("OK", [b"1"])
        assert client.status("Archive", "(MESSAGES UNSEEN)") == ("OK", [b'"Archive" (MESSAGES 2 UNSEEN 0)'])
        assert client.create("Other")[0] == client.rename("Other", "Another")[0] == client.delete("Another")[0] == "OK"
        namespaces = b'(("" "/")) (("Other Users/" "/")) (("Public Folders/" "/"))'
        assert client.namespace() == ("OK", [namespaces])
        assert client.list('""', "INBOX")[0] == "OK"
        assert client.close()[0] == "OK"
    finally:
        client.logout()


def test_mail_is_seen_by_an_idle_client_within_a_second(penfold: Penfold) -> None:
    """T-12.9: over raw sockets, p95 of twenty deliveries by LMTP."""
    times = []
    with penfold.client("u9", tls=True) as idle, smtplib.LMTP(HOST, penfold.lmtp, timeout=15) as lmtp:
        idle.ok("SELECT INBOX")
        idle.send(b"i IDLE\r\n")
        assert idle.response().startswith(b"+")
        for number in range(20):
            lmtp.sendmail("joe@example.net", ["u9@example.com"], message(f"idle {number}"))
            sent = time.monotonic()
            while b"EXISTS" not in idle.response():
                pass
            times.append(time.monotonic() - sent)
        idle.send(b"DONE\r\n")
        assert idle.finish(b"i").status == b"OK"
    assert sorted(times)[18] < 1.0, f"IDLE took {times}"


def test_smtplib_delivers_by_smtp_and_lmtp(penfold: Penfold) -> None:
    with smtplib.SMTP(HOST, penfold.smtp, local_hostname="hub.example.net", timeout=15) as smtp:
        smtp.ehlo()
        assert {"size", "8bitmime", "pipelining", "enhancedstatuscodes", "starttls"} <= set(smtp.esmtp_features)
        smtp.starttls(context=penfold.tls())
        smtp.ehlo()
        assert "starttls" not in smtp.esmtp_features, "STARTTLS is offered once (RFC 3207 4.2)"
        refused = smtp.sendmail("joe@example.net", ["u3@example.com", "nobody@example.com"], message("smtplib"))
        assert refused["nobody@example.com"][0] == 550
    with smtplib.LMTP(HOST, penfold.lmtp, timeout=15) as lmtp:
        lmtp.sendmail("joe@example.net", ["u3@example.com"], message("lmtplib"))
    assert {"smtplib", "lmtplib"} <= set(subjects(penfold, "u3"))


def test_what_lmtp_delivers_is_fetched_byte_for_byte_behind_the_trace_headers(penfold: Penfold) -> None:
    """T-12.11 over LMTP, every corpus mail: our trace headers, then the octets as they came."""
    mails = {name: with_crlf(octets) for name, octets in corpus().items()} | {k: with_crlf(v) for k, v in NASTY.items()}
    kept = {name: octets if octets.endswith(b"\r\n") else octets + b"\r\n" for name, octets in mails.items()}
    distinct = {octets: name for name, octets in kept.items()}
    with penfold.client("u9") as client:
        client.ok("SELECT INBOX")
        client.ok(r"UID STORE 1:* +FLAGS.SILENT (\Deleted)")
        client.ok("CLOSE")
    with smtplib.LMTP(HOST, penfold.lmtp, timeout=30) as lmtp:
        lmtp.ehlo()
        for octets in distinct:
            lmtp.mail("joe@example.net")
            lmtp.rcpt("u9@example.com")
            code, reply = lmtp.data(octets)
            assert code == 250, f"{distinct[octets]}: {code} {reply!r}"
    missing = set(distinct)
    with penfold.client("u9") as client:
        client.ok("SELECT INBOX")
        for values in client.fetch("1:*", "(BODY.PEEK[])").values():
            body = bytes(values[b"BODY[]"])  # type: ignore[call-overload]
            # The longest, because the trace headers of one may be above those that another came with.
            found = [octets for octets in missing if body.endswith(octets) and TRACE.fullmatch(body[: -len(octets)])]
            assert found, f"nothing of the kind was sent: {body[:300]!r}"
            missing.remove(max(found, key=len))
    assert not missing, [distinct[octets] for octets in missing]


TRACE = re.compile(
    rb"Return-Path: <joe@example\.net>\r\n(Delivered-To: u9@example\.com\r\n)?Received: (.+\r\n)([ \t].+\r\n)*"
)


# ---------------------------------------------------------------------------------------------- swaks


def swaks(server: Penfold, *options: str, protocol: str = "ESMTP", port: int = 0) -> tuple[int, str]:
    done = run("swaks", "--server", HOST, "--port", str(port or server.smtp), "--protocol", protocol, "--timeout", "15",
               "--helo", "hub.example.net", "--from", "joe@example.net", *options)  # fmt: skip
    return done.code, done.output


def test_swaks_delivers_by_smtp_lmtp_and_starttls(small: Penfold) -> None:
    """T-7.1 in its simplest form, by the tool of mail administrators."""
    code, said = swaks(small, "--to", "u1@example.com", "--header", "Subject: swaks smtp")
    assert code == 0, said
    code, said = swaks(small, "--to", "u1@example.com", "--header", "Subject: swaks tls", "--tls")
    assert code == 0, said
    assert "=== TLS started" in said
    code, said = swaks(
        small, "--to", "u1@example.com", "--header", "Subject: swaks lmtp", protocol="LMTP", port=small.lmtp
    )
    assert code == 0, said
    code, said = swaks(small, "--to", "u1@example.com", "--header", "Subject: swaks pipelined", "--pipeline")
    assert code == 0, said
    assert sorted(subjects(small, "u1")) == ["swaks lmtp", "swaks pipelined", "swaks smtp", "swaks tls"]


def test_swaks_sees_the_refusals(small: Penfold) -> None:
    """T-7.1: unknown and over-quota recipients at RCPT, with their enhanced codes; foreign domains are not relayed."""
    code, said = swaks(small, "--to", "nobody@example.com")
    assert (code, "550 5.1.1" in said) == (24, True), said
    code, said = swaks(small, "--to", "someone@example.org")
    assert (code, bool(re.search(r"55\d 5\.[71]\.", said))) == (24, True), said
    fill_up(small, "u2")
    code, said = swaks(small, "--to", "u2@example.com", protocol="LMTP", port=small.lmtp)
    assert (code != 0, "552 5.2.2" in said) == (True, True), said


def test_too_large_a_message_is_refused(small: Penfold, tmp_path: Path) -> None:
    """T-7.9: by SIZE before DATA, after DATA when the size was not told, and in APPEND."""
    large = message("too large", body=("x" * 70 + "\n") * 5000)
    with smtplib.SMTP(HOST, small.smtp, local_hostname="hub.example.net", timeout=15) as smtp:
        smtp.ehlo()
        assert smtp.esmtp_features["size"] == str(LARGEST)
        code, reply = smtp.mail("joe@example.net", [f"size={len(large)}"])
        assert (code, reply[:5]) == (552, b"5.3.4")
        smtp.mail("joe@example.net")
        smtp.rcpt("u1@example.com")
        code, reply = smtp.data(large)
        assert (code, reply[:5]) == (552, b"5.3.4")
        smtp.mail("joe@example.net")
        smtp.rcpt("u1@example.com")
        assert smtp.data(message("small enough"))[0] == 250
    (tmp_path / "large").write_bytes(large)
    code, said = swaks(small, "--to", "u1@example.com", "--data", f"@{tmp_path}/large")
    assert (code != 0, "552 5.3.4" in said) == (True, True), said
    with small.client("u1") as client:
        assert f"APPENDLIMIT={LARGEST}".encode() in b" ".join(client.ok("CAPABILITY").untagged)
        answer = client.append("INBOX", large)
        assert (answer.status, answer.code) in ((b"NO", b"TOOBIG"), (b"NO", b"LIMIT")), answer
        client.ok("NOOP")
    assert "too large" not in subjects(small, "u1")


# ---------------------------------------------------------------------------------------------- Postfix


@pytest.fixture(scope="module", params=["tcp", "unix"])
def postfix(request: pytest.FixtureRequest, small: Penfold, directory: Path) -> Iterator[Postfix]:
    destination = f"inet:{HOST}:{small.lmtp}" if request.param == "tcp" else f"unix:{directory}/lmtp.sock"
    server = Postfix(directory / f"postfix-{request.param}", destination).start()
    yield server
    server.stop()


def test_postfix_hands_mail_on_byte_for_byte(postfix: Postfix, small: Penfold) -> None:
    """T-12.11: what Postfix got is, behind its Received and our trace headers, what is fetched."""
    mails = {name: octets for name, octets in some_mails(40).items() if len(octets) < LARGEST // 2}
    texts = {}
    with smtplib.SMTP(HOST, postfix.smtp, local_hostname="client.example.net", timeout=30) as smtp:
        for number, (name, octets) in enumerate(mails.items()):
            body = octets.split(b"\r\n\r\n", 1)[-1]
            # Postfix may mend headers, and breaks lines over 998 octets; bodies it keeps.
            if max(map(len, body.split(b"\r\n"))) > 990 or not body.endswith(b"\r\n"):
                continue
            text = message(f"postfix {postfix.smtp} {number}").split(b"\r\n\r\n", 1)[0] + b"\r\n\r\n" + body
            smtp.sendmail("joe@example.net", ["u3@example.com"], text, ["body=8bitmime"])
            texts[name] = text
    assert len(texts) > 20
    postfix.sendmail(message(f"sendmail {postfix.smtp}").replace(b"\r\n", b"\n"), "u3@example.com")

    def arrived() -> int:
        return sum(str(postfix.smtp) in subject for subject in subjects(small, "u3"))

    eventually(lambda: arrived() == len(texts) + 1, seconds=40, every=0.5, what="all mail has come")
    with small.client("u3") as client:
        client.ok("SELECT INBOX")
        found = [bytes(v[b"BODY[]"]) for v in client.fetch("1:*", "(BODY.PEEK[])").values()]  # type: ignore[call-overload]
    for name, text in texts.items():
        assert sum(octets.endswith(b"\r\n" + text) for octets in found) == 1, f"{name} is not as it was sent"
    assert "status=sent (250" in postfix.log()


def test_postfix_bounces_what_is_refused(postfix: Postfix, small: Penfold) -> None:
    """T-7.1: 5.1.1 and 5.2.2 make Postfix bounce at once, and the good recipients of the same mail get theirs."""
    fill_up(small, "u2")
    recipients = ["u4@example.com", "nobody@example.com", "u2@example.com"]
    with smtplib.SMTP(HOST, postfix.smtp, local_hostname="client.example.net", timeout=30) as smtp:
        smtp.sendmail("joe@example.net", recipients, message(f"bounce {postfix.smtp}", body="y" * 4000))
    eventually(lambda: postfix.log().count("status=bounced") >= 2, seconds=20, what="two recipients have bounced")
    log = postfix.log()
    assert re.search(r"to=<nobody@example.com>.*dsn=5\.1\.1, status=bounced", log), log
    assert re.search(r"to=<u2@example.com>.*dsn=5\.2\.2, status=bounced", log), log
    assert f"bounce {postfix.smtp}" in subjects(small, "u4")
