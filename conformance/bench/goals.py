"""What is to be reached: each metric of the table beside Dovecot, and how costs may grow."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from conformance.bench.results import Better, Goal


class Metric(NamedTuple):
    """Which way is better, and what is to be reached, if anything, from some size of its curve on."""

    better: Better
    goal: Goal | None = None
    since: int = 0

    def goal_at(self, size: int) -> Goal | None:
        """What is to be reached at this size."""
        return self.goal if size >= self.since else None


def at_least(ratio: float) -> Metric:
    return Metric("more", Goal(bound=ratio, of="ratio"))


def at_most(ratio: float) -> Metric:
    return Metric("less", Goal(bound=ratio, of="ratio"))


def within(value: float, *, since: int = 0) -> Metric:
    """At most so much, whatever Dovecot takes."""
    return Metric("less", Goal(bound=value, of="value"), since)


ENOUGH: Final = 100  # connections: what a process takes once, for all of them, is shared among so many
MORE, LESS = Metric("more"), Metric("less")

TABLE: Final[Mapping[str, Metric]] = {
    "lmtp_deliver_1": MORE,
    "lmtp_deliver_16": at_least(2.0),
    "lmtp_fanout": at_least(5.0),
    "imap_login_select": at_least(2.0),
    "imap_fetch_headers_cold": at_least(3.0),
    "imap_fetch_headers_warm": at_least(1.0),
    "imap_fetch_bodies_1": at_least(0.7),
    "imap_fetch_bodies_16": at_least(0.7),
    "imap_search_header_cold": LESS,
    "imap_search_header_warm": LESS,
    "imap_search_text_cold": LESS,
    "imap_search_text_warm": LESS,
    "imap_search_body_cold": LESS,
    "imap_search_body_warm": LESS,
    "beside_fetch_idle_p50": LESS,
    "beside_fetch_idle_p95": LESS,
    "beside_fetch_p50": LESS,
    "beside_fetch_p95": LESS,
    "beside_fetch_ratio": LESS,
    "beside_searches": MORE,
    "imap_sort_date": at_most(1.0),
    "imap_sort_subject": at_most(1.0),
    "imap_thread_references": at_most(1.0),
    "imap_select_huge": LESS,
    "imap_qresync_unchanged": LESS,
    "imap_qresync_1000": at_most(1.0),
    "imap_store_single_16": at_least(0.5),
    "imap_store_bulk": MORE,
    "imap_append": at_least(1.5),
    "imap_copy": LESS,
    "imap_move": LESS,
    "imap_expunge": LESS,
    "imap_list_status": at_most(1.5),
    "idle_notify_p50": LESS,
    "idle_notify_p99": LESS,
    "idle_notify_from_data_p50": LESS,
    "select_cold": LESS,
    "select_warm": LESS,
    "select_memory": LESS,
    "select_memory_readers": LESS,
    "idle_memory": LESS,
    "idle_memory_base": LESS,
    "mixed": at_least(1.2),
}

# A start is to take 2 s whatever the store holds, an open folder of a million messages half a second, then 5 ms.
CURVES: Final[Mapping[str, Mapping[str, Metric]]] = {
    "folder": {
        "deliver": LESS,
        "fetch_one": LESS,
        "store_one": LESS,
        "notice": LESS,
        "select_cold": within(500),
        "select_warm": within(5),
        "start": within(2000),
        "memory": LESS,
    },
    "mailboxes": {
        "rcpt_cold": LESS,
        "rcpt_warm": LESS,
        "deliver": LESS,
        "login_cold": LESS,
        "login_warm": LESS,
        "start": within(2000),
        "memory": LESS,
    },
    "connections": {
        "memory_each": within(40, since=ENOUGH),
        "notice_p50": within(10),
        "notice_p99": within(50),
        "noop": LESS,
    },
    "tls": {
        "memory_each": within(80, since=ENOUGH),
        "notice_p50": within(10),
        "notice_p99": within(50),
        "noop": LESS,
    },
    "workers": {
        "lmtp_deliver_16": MORE,
        "imap_store_single_16": MORE,
        "imap_fetch_bodies_16": MORE,
        "mixed": MORE,
    },
}

# Over four powers of ten what grows with the logarithm stays below twice, and what grows with the size is far above.
_FLAT: Final = 2.0

FLAT: Final[Mapping[str, Mapping[str, float]]] = {
    "folder": dict.fromkeys(("deliver", "fetch_one", "store_one", "notice"), _FLAT),
    "mailboxes": dict.fromkeys(("rcpt_cold", "rcpt_warm", "deliver"), _FLAT),
}
