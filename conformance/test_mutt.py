"""mutt and neomutt: headers that they keep, brought up to date by QRESYNC; keywords, which are Thunderbird's tags."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from conformance.support.mail import message
from conformance.support.processes import becomes, eventually
from conformance.support.screen import Screen
from conformance.support.servers import HOST, PASSWORD, Penfold
from conformance.support.sessions import at_server, deliver
from conformance.thunderbird.driver import Thunderbird
from conformance.thunderbird.mail import ImapAccount

AddAccount = Callable[[str], ImapAccount]


class Mutt:
    """One of the two, with a home of its own; each run of it leaves a log."""

    def __init__(self, program: str, directory: Path, server: Penfold, user: str) -> None:
        self._home = directory
        self._logs = 0
        url = f"imap://{user}@{HOST}:{server.imap}/"
        (directory / "cache").mkdir()
        (directory / "muttrc").write_text(f"""\
set folder={url} spoolfile={url}INBOX imap_user={user} imap_pass={PASSWORD} ssl_starttls=no ssl_force_tls=no
set imap_qresync=yes header_cache={directory}/cache/ sort=mailbox-order beep=no mark_old=no timeout=5
set index_format="%4C %S %s {"%g" if program == "neomutt" else ""}"
{"bind index B modify-tags" if program == "neomutt" else ""}
""")
        self._command = [program, "-n", "-F", directory / "muttrc", "-d", "5"]

    def start(self) -> Screen:
        self._logs += 1
        return Screen(self._home, self._command, env={"HOME": str(self._home), "LC_ALL": "C.UTF-8"})

    def said(self) -> list[str]:
        """What the last run has said over IMAP and heard: lines with C or S before them."""
        # Each keeps the logs of some runs under numbers, and the last one has 0.
        (log,) = [path for path in self._home.glob(".*debug0") if path.is_file()]
        text = log.read_text(errors="replace")
        found = re.finditer(r"^(?:\[.*\d([<>]) )?(\* .*|a\d{4} .*)$", text, re.MULTILINE)
        return [f"{'S' if match[1] == '<' else 'C'}: {match[2]}" for match in found]


def shown(screen: Screen) -> dict[int, str]:
    """The lines of the index: number, and the rest."""
    return {int(line[1]): line[2].strip() for line in re.finditer(r"^ *(\d+) (.+)$", screen.text(), re.MULTILINE)}


def look(mutt: Mutt, *, last: str) -> dict[int, str]:
    """The first page of INBOX and the one that ends with this subject, in a run of its own."""
    with mutt.start() as screen:
        screen.waits_for(" mail 1\n")
        found = shown(screen)
        screen.press("*")
        screen.waits_for(f" {last}\n")
        found |= shown(screen)
        screen.press("q")
        eventually(screen.is_over, what="mutt ends")
    return found


def change(server: Penfold, user: str, *commands: str) -> None:
    with server.client(user) as client:
        client.ok("SELECT INBOX")
        for command in commands:
            client.ok(command)


def fetched(said: list[str]) -> dict[int, bool]:
    """The UIDs that the server has told of, and whether with more than flags."""
    found = (re.match(r"S: \* \d+ FETCH \(.*\bUID (\d+)", line) for line in said)
    return {int(line[1]): "BODY[HEADER" in line.string for line in found if line}


@pytest.mark.parametrize(("program", "user", "starts_over"), [("mutt", "u1", False), ("neomutt", "u2", True)])
def test_a_folder_that_was_left_is_brought_up_to_date(
    penfold: Penfold, tmp_path: Path, program: str, user: str, starts_over: bool
) -> None:
    """RFC 7162 3.2.6: with what has come, changed and gone meanwhile, and no other message is spoken of.

    Neither says SELECT (QRESYNC ...), but UID FETCH (CHANGEDSINCE ... VANISHED).  Debian's neomutt gives its numbers
    up when something has gone, as it does with Dovecot, and reads all flags anew.
    """
    with penfold.client(user) as client:
        for number in range(1, 301):
            assert client.append("INBOX", message(f"mail {number}")).status == b"OK"
    mutt = Mutt(program, tmp_path, penfold, user)
    found = look(mutt, last="mail 300")
    assert (found[5], found[10], found[300]) == ("N mail 5", "N mail 10", "N mail 300")
    assert fetched(mutt.said()) == dict.fromkeys(range(1, 301), True)

    change(penfold, user, r"STORE 5 +FLAGS (\Seen)", r"STORE 10 +FLAGS (\Flagged)")
    deliver(penfold.lmtp, f"{user}@example.com", message("mail 301"), message("mail 302"))
    found = look(mutt, last="mail 302")
    assert (found[5], found[10], found[301], found[302]) == ("- mail 5", "! mail 10", "N mail 301", "N mail 302")
    said = mutt.said()
    assert any(re.fullmatch(r"C: a\d+ ENABLE QRESYNC", line) for line in said)
    assert any(re.search(r"C: a\d+ UID FETCH 1:300 \(FLAGS\) \(CHANGEDSINCE \d+ VANISHED\)", line) for line in said)
    assert fetched(said) == {5: False, 10: False, 301: True, 302: True}

    change(penfold, user, r"STORE 20:30 +FLAGS (\Deleted)", "EXPUNGE", r"STORE 5 -FLAGS (\Seen)")
    deliver(penfold.lmtp, f"{user}@example.com", message("mail 303"))
    found = look(mutt, last="mail 303")
    assert (found[5], found[10], found[19], found[20]) == ("N mail 5", "! mail 10", "N mail 19", "N mail 31")
    assert (found[291], found[292], max(found)) == ("N mail 302", "N mail 303", 292)
    said = mutt.said()
    assert "S: * VANISHED (EARLIER) 20:30" in said
    assert starts_over or fetched(said) == {5: False, 303: True}
    assert at_server(penfold, user)["mail 10"] == {r"\Flagged"}, "it has changed nothing itself"


def test_tags_of_thunderbird_are_tags_of_neomutt(
    thunderbird: Thunderbird, add_account: AddAccount, penfold: Penfold, tmp_path: Path
) -> None:
    """T-12.5: more than 64 of them, with names of any letters, and both ways.

    Thunderbird writes a name's other letters as =c3=b6; until some years ago it wrote them in modified UTF-7.
    """
    names = {"Größe & Maß (50%)", *(f"Vorgang № {number}" for number in range(70))}
    for name in names:
        thunderbird.add_tag(name)
    thunderbird.add_tag("Über", key="&apy-ber")
    deliver(penfold.lmtp, "u3@example.com", message("mine"), message("theirs"))
    account = add_account("u3")
    account.keep_nothing()
    account.open("INBOX")
    account.wait_for_message("INBOX", "theirs")
    for name in names:
        account.tag("INBOX", "mine", tag=name)
    becomes(lambda: len(at_server(penfold, "u3")["mine"]), len(names))
    account.wait_for_idle("INBOX")

    with Mutt("neomutt", tmp_path, penfold, "u3").start() as screen:
        screen.waits_for("theirs")
        # ~Y finds tags with something in them; the prompt shows what was typed there before.
        for pattern, found in (("gr=c3=b6=c3=9fe", ["mine"]), ("label", []), ("=2069", ["mine"])):
            screen.press("l", "C-u", *f'~Y "{pattern}"', "Enter")
            becomes(lambda: [line.split()[1] for line in shown(screen).values()], found)
        screen.press("l", "C-u", *"all", "Enter")
        screen.waits_for("theirs")
        screen.press("*", "B", "C-u", *"$label2 &apy-ber", "Enter")
        becomes(lambda: at_server(penfold, "u3")["theirs"], {"$label2", "&apy-ber"})
        assert re.search(r"N theirs \$label2 &apy-ber", screen.waits_for("theirs $"))
        screen.press("x")
        eventually(screen.is_over, what="neomutt ends")
    becomes(lambda: account.messages("INBOX")["theirs"].tags, {"Work", "Über"})
    assert account.messages("INBOX")["mine"].tags == names
