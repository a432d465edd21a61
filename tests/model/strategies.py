"""Commands with few names and small numbers, so that they meet."""

from hypothesis import strategies as st

from core.commands import FlagMode, Flags
from core.model import ALL_SYSTEM_FLAGS, MailboxId, UIDRanges, ranges

MAILBOXES = st.sampled_from([MailboxId(1), MailboxId(1), MailboxId(1), MailboxId(2)])
LEVELS = st.sampled_from(["a", "b", "INBOX", "inbox", "é", "e\N{COMBINING ACUTE ACCENT}"])
PATHS = st.one_of(
    st.just("INBOX"),
    LEVELS,
    st.lists(LEVELS, min_size=2, max_size=5).map("/".join),
    st.sampled_from(["", "a//b", " a"]),
)
BODIES = st.sampled_from([b"", b"x", b"eight oc", b"more than eight octets", b"z" * 100])
PREFIXES = st.sampled_from([b"", b"prefix\r\n"])
WORDS = st.lists(st.sampled_from(["k1", "K1", "k2", "k3", "k4", "k5", "k6"]), max_size=3).map(tuple)
FLAGS = st.builds(Flags, st.integers(0, ALL_SYSTEM_FLAGS), WORDS)
MODES = st.sampled_from(FlagMode)
QUOTAS = st.one_of(st.none(), st.none(), st.integers(0, 400))
TOKENS = st.one_of(st.none(), st.sampled_from([b"token 1", b"token 2", b"token 3"]))
MODSEQS = st.one_of(st.none(), st.none(), st.integers(0, 12))
SPECIAL_USES = st.one_of(st.none(), st.sampled_from(["\\Sent", "\\Trash"]))


def _uid_ranges(uids: set[int]) -> UIDRanges:
    return ranges(sorted(uids))


UIDS = st.one_of(st.just(((1, 4_294_967_295),)), st.sets(st.integers(1, 12), max_size=8).map(_uid_ranges))
