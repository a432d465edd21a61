"""What the curves are along, in words for people: titles, labels, and what was done for each point."""

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple


class Axis(NamedTuple):
    title: str
    label: str
    scale: Literal["log", "linear"]
    metrics: Mapping[str, str]  # metric -> its name for people
    text: str


AXES: Final[Mapping[str, Axis]] = {
    "folder": Axis(
        "Size of a folder",
        "messages in the folder",
        "log",
        {
            "deliver": "LMTP delivery of one message",
            "fetch_one": "UID FETCH of one message",
            "store_one": "UID STORE of one message",
            "notice": "Notice in IDLE, after the 250",
            "select_cold": "SELECT after a restart",
            "select_warm": "SELECT again",
            "start": "Start, until the greeting",
            "memory": "Memory of all processes",
        },
        "One INBOX grows, by COPY of itself: its messages share a hundred bodies, as copies do, so this is about lists of\n"
        "messages and not about gigabytes. At each size, on one connection: delivery of a message of at most 3 KB (from MAIL\n"
        "to the last 250), FETCH of the body, flags and envelope of a random message, STORE of a flag on one, and what an\n"
        "IDLE connection waits for its EXISTS after the 250 (0.01 ms if it came before). Then the server is ended and\n"
        "started: Penfold by SIGKILL of all its processes, Dovecot by SIGTERM. The start is measured until a client has\n"
        "the greeting; the first SELECT after it is the cold one, the next five are the warm ones. The system's cache of\n"
        "files stays as it is. Memory is the PSS of all processes after that.",
    ),
    "mailboxes": Axis(
        "Number of mailboxes",
        "mailboxes",
        "log",
        {
            "rcpt_cold": "RCPT of a recipient never named before",
            "rcpt_warm": "RCPT of the same recipient again",
            "deliver": "LMTP delivery to a random mailbox",
            "login_cold": "LOGIN for the first time",
            "login_warm": "LOGIN again",
            "start": "Start, until the greeting",
            "memory": "Memory of all processes",
        },
        "All users have one password and share one hash of it, which makes thousands of them in reasonable time; that a\n"
        "LOGIN for the first time verifies the hash, and what it costs, is the same. Each mailbox holds three messages, by\n"
        "deliveries to a hundred recipients at once. After a start (Penfold: by SIGKILL and start): RCPT is timed from the\n"
        "command to its 250, for users spread over all; then a message of at most 3 KB to each of them; then LOGIN of\n"
        "some users who have not signed in since the start, and of the same again. Dovecot's users are a file of\n"
        "passwords in plain text, so its LOGIN verifies no hash, and its RCPT asks whether there is such a line in that file.",
    ),
    "connections": Axis(
        "Idle connections",
        "connections in IDLE",
        "log",
        {
            "memory_each": "Memory of each connection",
            "notice_p50": "Notice after the 250, median",
            "notice_p99": "Notice after the 250, p99",
            "noop": "NOOP on one more connection",
        },
        "Connections over TCP without TLS, INBOX selected, in IDLE: a hundred users have one each, the others are those of\n"
        "200 more users. Forty messages go to some of the hundred, one after the other: ms from the 250 to EXISTS (0.01 if\n"
        "it came before); the p99 of forty is the slowest. Memory is how much the PSS of all processes has grown since\n"
        "before the first connection, for each of them; of less than a hundred it says little. At the end each connection\n"
        "says DONE and is answered. Dovecot has a process for each connection, of some 700 KiB, and is measured up to a\n"
        "thousand.",
    ),
    "tls": Axis(
        "Idle connections with TLS",
        "TLS connections in IDLE",
        "log",
        {
            "memory_each": "Memory of each connection",
            "notice_p50": "Notice after the 250, median",
            "notice_p99": "Notice after the 250, p99",
            "noop": "NOOP on one more connection",
        },
        "The same over TLS 1.3 at the port for it, certificates verified. Dovecot beside it has no TLS configured and is\n"
        "not measured here.",
    ),
    "workers": Axis(
        "Number of worker processes",
        "worker processes",
        "linear",
        {
            "lmtp_deliver_16": "LMTP delivery, 16 connections",
            "imap_store_single_16": "STORE of one message, 16 connections",
            "imap_fetch_bodies_16": "FETCH of bodies, 16 connections",
            "mixed": "50 clients with sessions of all kinds",
        },
        "Workloads of the table above, with Penfold started anew for each number of workers; Dovecot stays as it is. The\n"
        "clients and both servers share the {cores} cores of this machine, so more workers than that cannot be quicker.",
    ),
}
