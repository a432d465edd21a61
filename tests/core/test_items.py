import pytest
from msgspec.structs import replace

from core import copying, folders, items
from core.changes import FolderChange
from core.commands import (
    Append,
    Appended,
    ClaimRecent,
    Copied,
    Copy,
    Expunge,
    Filing,
    FlagMode,
    Flags,
    ForgetTombstones,
    Replace,
    Stored,
    StoreFlags,
)
from core.errors import LimitExceeded, MessageExpunged, NoSuchFolder, OverQuota
from core.model import ALL_SYSTEM_FLAGS, ANSWERED, DELETED, DRAFT, FLAGGED, SEEN, UID, Entry, FolderId, ModSeq
from tests.support.store import ALL, ONE, Store, folder_change, incoming

NOWHERE = FolderId(999)


def tombstones(store: Store, folder_id: int) -> list[tuple[int, int, int]]:
    """(MODSEQ, low UID, high UID)."""
    statement = "SELECT modseq, uid_low, uid_high FROM expunged WHERE folder_id = :folder ORDER BY modseq, uid_low"
    return store.rows(statement, {"folder": folder_id})


class TestAppend:
    def test_the_message_gets_the_next_uid_and_its_flags(self, store: Store) -> None:
        appended = store.do(store.appending("INBOX", b"one", SEEN | DRAFT, "$Junk"))
        folder = store.folder("INBOX")
        assert appended == Appended(folder.uidvalidity, 1)
        assert store.append("inbox", b"two") == 2
        assert store.flags("INBOX") == {1: (SEEN | DRAFT, {"$Junk"}), 2: (0, set())}
        assert store.body("INBOX", 1) == b"one"

    def test_the_counters_follow(self, store: Store) -> None:
        store.append("INBOX", b"four", SEEN)
        store.append("INBOX", b"sixsix", DELETED)
        folder = store.folder("INBOX")
        assert (folder.n_exists, folder.n_unseen, folder.n_deleted, folder.n_bytes) == (2, 1, 1, 10)
        assert store.used() == (2, 10)

    def test_what_it_was_told_is_stored(self, store: Store) -> None:
        store.append("INBOX", b"body")
        inbox = store.folder("INBOX").folder_id
        with store.read() as tx:
            (item,) = tx.items(ONE, inbox, 1, 9)
            assert (item.internal_at, item.internal_zone, item.saved_at) == (store.clock.now(), 60, store.clock.now())
            assert (item.size, item.prefix, item.sent_at, item.utf8) == (4, b"", 7, None)
            assert list(tx.sizes(ONE, inbox, 1, 9)) == [(1, 4, store.clock.now(), 60)]
            assert list(tx.summaries(ONE, inbox, 1, 9)) == [(1, b"Y" + item.hash.hex()[:8].encode())]

    def test_the_change_says_what_came(self, store: Store) -> None:
        before = store.folder("INBOX")
        change = folder_change(store.changes(store.appending("INBOX", b"x", SEEN, "word")))
        modseq = ModSeq(before.modseq + 1)
        entry = store.entries("INBOX")[0]
        assert entry == Entry(entry.uid, SEEN, 1, modseq)
        assert change == FolderChange(ONE, before.folder_id, before.modseq, modseq, (entry,), keywords=("word",))

    def test_a_failure_leaves_the_folder_as_it_was(self, store: Store) -> None:
        """RFC 9051 6.3.12."""
        store.append("INBOX", b"12345")
        store.refuses(store.appending("INBOX", b"123456", 0, "new", quota=10), OverQuota)
        store.refuses(store.appending("absent", b"x"), NoSuchFolder)
        assert store.keywords("INBOX") == ()
        assert store.append("INBOX", b"x") == 2, "no UID was lost"

    def test_a_folder_that_has_given_out_its_uids_takes_no_more(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """RFC 9051 2.3.1.1: UIDs, and so UIDNEXT, are 32-bit numbers."""
        monkeypatch.setattr(items, "MAX_UID", 3)
        assert [store.append("INBOX", body) for body in (b"one", b"two")] == [1, 2]
        store.refuses(store.appending("INBOX", b"three"), LimitExceeded)
        assert store.folder("INBOX").uidnext == 3

    def test_a_message_that_just_fits_is_taken(self, store: Store) -> None:
        """T-1.2: the quota is a number of octets that may be used."""
        store.append("INBOX", b"12345")
        assert store.do(store.appending("INBOX", b"67890", quota=10)).uid == 2
        store.refuses(store.appending("INBOX", b"x", quota=10), OverQuota)

    def test_the_same_bytes_are_kept_once_but_counted_twice(self, store: Store) -> None:
        store.append("INBOX", b"same")
        store.append("INBOX", b"same")
        assert len(store.rows("SELECT hash FROM blob")) == 1
        assert store.used() == (2, 8)

    def test_an_empty_body_is_a_message(self, store: Store) -> None:
        store.append("INBOX", b"")
        assert store.body("INBOX", 1) == b""


class TestAppendOfSeveral:
    def _several(self, store: Store, *bodies: bytes, words: tuple[str, ...] = (), quota: int | None = None) -> Append:
        now = store.clock.now()
        filings = [Filing(incoming(body), Flags(SEEN, words), now - n, n) for n, body in enumerate(bodies)]
        return Append(ONE, "INBOX", tuple(filings), now, quota)

    def test_they_have_consecutive_uids_and_one_modseq(self, store: Store) -> None:
        store.append("INBOX", b"before")
        before = store.folder("INBOX")
        change = folder_change(store.changes(self._several(store, b"a", b"bc", b"a", words=("one", "two"))))
        modseq = ModSeq(before.modseq + 1)
        entries = tuple(store.entries("INBOX")[1:])
        assert entries == tuple(Entry(UID(uid), SEEN, 3, modseq) for uid in (2, 3, 4))
        keywords = ("one", "two")
        assert change == FolderChange(ONE, before.folder_id, before.modseq, modseq, entries, keywords=keywords)
        assert [store.body("INBOX", uid) for uid in (2, 3, 4)] == [b"a", b"bc", b"a"]
        assert store.used() == (4, 10)

    def test_the_result_says_where_they_are(self, store: Store) -> None:
        assert store.do(self._several(store, b"a", b"b")) == Appended(store.folder("INBOX").uidvalidity, 1, 2)

    def test_all_of_them_or_none(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        """RFC 3502 6.3.11: no partial appending is permitted."""
        store.append("INBOX", b"12345")
        store.refuses(self._several(store, b"1", b"2345", b"6", quota=10), OverQuota)
        assert store.do(self._several(store, b"1", b"2345", quota=10)).count == 2
        store.refuses(replace(self._several(store, b"x"), path="absent"), NoSuchFolder)
        store.refuses(self._several(store, b"x", words=tuple(f"k{n}" for n in range(501))), LimitExceeded)
        monkeypatch.setattr(items, "MAX_UID", 5)
        store.refuses(self._several(store, b"3", b"4"), LimitExceeded)
        assert store.uids("INBOX") == [1, 2, 3]

    def test_keywords_are_numbered_as_they_are_first_named(self, store: Store) -> None:
        now = store.clock.now()
        words: list[tuple[str, ...]] = [("b", "a"), (), ("A", "c"), ("b", "a")]
        filings = tuple(Filing(incoming(b"x"), Flags(0, names), now, 0) for names in words)
        store.do(Append(ONE, "INBOX", filings, now))
        assert store.keywords("INBOX") == ("b", "a", "c")
        assert [entry.keywords for entry in store.entries("INBOX")] == [3, 0, 6, 3]

    def test_messages_of_one_command_may_be_of_one_conversation(self, store: Store) -> None:
        now = store.clock.now()
        message = replace(incoming(b"x"), thread_keys=(b"key",))
        inbox = store.folder("INBOX").folder_id
        store.do(Append(ONE, "INBOX", (Filing(message, Flags(), now, 0),) * 2, now))
        with store.read() as tx:
            threads = [thread for _, _, thread, _ in tx.objects(ONE, inbox, 1, 9)]
        assert threads[0] == threads[1]


class TestReplace:
    def _replacing(
        self, store: Store, uid: int, body: bytes, to: str = "INBOX", *words: str, quota: int | None = None
    ) -> Replace:
        now, source = store.clock.now(), store.folder("INBOX").folder_id
        append = (ONE, to, (Filing(incoming(body), Flags(DRAFT, words), now, 60),), now, quota)
        return Replace(*append, folder_id=source, uid=UID(uid))

    @pytest.mark.parametrize("flags", [0, DELETED])
    def test_the_old_message_goes_whatever_its_flags(self, store: Store, flags: int) -> None:
        """RFC 8508 3.4: only that message, and it need not be marked."""
        store.append("INBOX", b"one", flags, "old")
        store.append("INBOX", b"two", DELETED)
        before = store.folder("INBOX")
        arrived, gone = store.changes(self._replacing(store, 1, b"three", "INBOX", "new"))
        assert store.flags("INBOX") == {2: (DELETED, set()), 3: (DRAFT, {"new"})}
        entry = store.entries("INBOX")[1]
        at = before.modseq
        place = (ONE, before.folder_id)
        keywords = ("old", "new")
        assert arrived == FolderChange(*place, at, ModSeq(at + 1), (entry,), keywords=keywords)
        assert gone == FolderChange(*place, ModSeq(at + 1), ModSeq(at + 2), expunged=((1, 1),))
        assert store.used() == (2, 8)

    def test_the_new_message_may_be_in_another_folder(self, store: Store) -> None:
        store.create("Sent")
        store.append("INBOX", b"draft")
        appended = store.do(self._replacing(store, 1, b"sent", "Sent"))
        assert appended == Appended(store.folder("Sent").uidvalidity, 1)
        assert (store.uids("INBOX"), store.uids("Sent")) == ([], [1])

    def test_only_what_is_gained_counts(self, store: Store) -> None:
        """RFC 8508 3.4: net quota consumption."""
        store.append("INBOX", b"12345")
        store.refuses(self._replacing(store, 1, b"1234567", quota=6), OverQuota)
        store.do(self._replacing(store, 1, b"123456", quota=6))
        store.do(self._replacing(store, 2, b"12345", quota=3))

    def test_a_refusal_leaves_both(self, store: Store) -> None:
        store.append("INBOX", b"one")
        store.refuses(self._replacing(store, 2, b"x"), MessageExpunged)
        store.refuses(self._replacing(store, 1, b"x", "absent"), NoSuchFolder)
        store.refuses(replace(self._replacing(store, 1, b"x"), folder_id=NOWHERE), NoSuchFolder)
        assert store.uids("INBOX") == [1]

    def test_a_message_that_is_also_elsewhere_stays_there(self, store: Store) -> None:
        store.create("copy")
        store.append("INBOX", b"one")
        store.copy("INBOX", "copy")
        store.do(self._replacing(store, 1, b"two"))
        assert store.body("copy", 1) == b"one"
        assert store.used() == (2, 6)


class TestKeywords:
    def test_their_case_does_not_count_and_the_first_spelling_stays(self, store: Store) -> None:
        """RFC 9051 2.3.2."""
        store.append("INBOX", b"x", 0, "Word", "wORD")
        store.mark("INBOX", 0, "WORD", "other")
        assert len(store.keywords("INBOX")) == 2
        assert store.keywords("INBOX")[1] == "other"
        store.do(store.storing("INBOX", FlagMode.REMOVE, 0, "word"))
        assert store.flags("INBOX")[1] == (0, {"other"})

    def test_more_than_63_spill_and_all_modes_know_them(self, store: Store) -> None:
        words = [f"k{n}" for n in range(70)]
        store.append("INBOX", b"x", 0, *words)
        assert store.flags("INBOX")[1] == (0, set(words))
        assert store.rows("SELECT bit FROM entry_keyword ORDER BY bit") == [(bit,) for bit in range(63, 70)]

        store.do(store.storing("INBOX", FlagMode.REMOVE, 0, "k0", "k62", "k63", "k69"))
        assert store.flags("INBOX")[1] == (0, set(words) - {"k0", "k62", "k63", "k69"})
        store.mark("INBOX", SEEN, "K69", "k70")
        assert store.flags("INBOX")[1] == (SEEN, (set(words) | {"k70"}) - {"k0", "k62", "k63"})
        store.do(store.storing("INBOX", FlagMode.REPLACE, 0, "k1"))
        assert store.flags("INBOX")[1] == (0, {"k1"})
        assert store.rows("SELECT bit FROM entry_keyword") == []
        store.do(store.storing("INBOX", FlagMode.REPLACE, FLAGGED, "k1", "k65"))
        assert store.flags("INBOX")[1] == (FLAGGED, {"k1", "k65"})
        store.do(store.storing("INBOX", FlagMode.REPLACE))
        assert store.flags("INBOX")[1] == (0, set())
        assert store.rows("SELECT bit FROM entry_keyword") == []

    def test_the_63rd_and_the_64th_are_told_apart(self, store: Store) -> None:
        words = [f"k{n}" for n in range(64)]
        store.append("INBOX", b"x", 0, *words)
        for number in range(64):
            store.append("INBOX", b"x", 0, words[number])
        flags = store.flags("INBOX")
        assert [flags[uid][1] for uid in range(2, 66)] == [{word} for word in words]
        assert store.entries("INBOX")[63].keywords == 1 << 62
        assert store.entries("INBOX")[64].keywords == 1 << 63

    def test_changing_one_message_with_wide_keywords_leaves_the_others(self, store: Store) -> None:
        words = [f"k{n}" for n in range(66)]
        for body in (b"a", b"b", b"c"):
            store.append("INBOX", body, 0, *words)
        modseqs = [entry.modseq for entry in store.entries("INBOX")]
        store.do(store.storing("INBOX", FlagMode.REMOVE, 0, "k65", uids=((2, 2),)))
        flags = store.flags("INBOX")
        assert flags[1] == flags[3] == (0, set(words))
        assert flags[2] == (0, set(words) - {"k65"})
        assert [entry.modseq for entry in store.entries("INBOX")][::2] == modseqs[::2]

    def test_they_go_with_their_message(self, store: Store) -> None:
        words = [f"k{n}" for n in range(66)]
        store.append("INBOX", b"a", DELETED, *words)
        store.append("INBOX", b"b", 0, *words)
        store.expunge("INBOX")
        assert store.rows("SELECT DISTINCT uid FROM entry_keyword") == [(2,)]
        store.create("a")
        store.move("INBOX", "a")
        store.delete("a")
        assert store.rows("SELECT uid FROM entry_keyword") == []

    def test_a_folder_may_have_only_500(self, store: Store) -> None:
        words = [f"k{n}" for n in range(500)]
        store.append("INBOX", b"x", 0, *words)
        store.refuses(store.appending("INBOX", b"y", 0, "k500"), LimitExceeded)
        store.refuses(store.storing("INBOX", FlagMode.ADD, 0, "k1", "k500"), LimitExceeded)
        store.append("INBOX", b"y", 0, "K499")
        assert store.flags("INBOX")[2] == (0, {"k499"})

    def test_names_are_never_forgotten_and_never_renumbered(self, store: Store) -> None:
        store.append("INBOX", b"x", DELETED, "a", "b")
        store.expunge("INBOX")
        store.append("INBOX", b"y", 0, "c", "b")
        assert store.keywords("INBOX") == ("a", "b", "c")

    def test_removing_an_unknown_one_teaches_nothing(self, store: Store) -> None:
        store.append("INBOX", b"x", SEEN)
        assert store.changes(store.storing("INBOX", FlagMode.REMOVE, 0, "never")) == []
        assert store.keywords("INBOX") == ()


class TestStoreFlags:
    @pytest.mark.parametrize(
        ("mode", "flags"),
        [
            (FlagMode.ADD, {1: SEEN | FLAGGED, 2: FLAGGED | DELETED, 3: SEEN | FLAGGED | DELETED}),
            (FlagMode.REMOVE, {1: 0, 2: 0, 3: SEEN}),
            (FlagMode.REPLACE, {1: FLAGGED | DELETED, 2: FLAGGED | DELETED, 3: FLAGGED | DELETED}),
        ],
    )
    def test_each_mode(self, store: Store, mode: FlagMode, flags: dict[int, int]) -> None:
        """RFC 9051 6.4.6."""
        for system in (FLAGGED, DELETED, SEEN | FLAGGED):
            store.append("INBOX", b"x", system)
        mask = FLAGGED | DELETED
        store.do(store.storing("INBOX", mode, mask))
        got = {uid: system for uid, (system, _) in store.flags("INBOX").items()}
        expected = {
            FlagMode.ADD: {1: mask, 2: mask, 3: SEEN | mask},
            FlagMode.REMOVE: {1: 0, 2: 0, 3: SEEN},
            FlagMode.REPLACE: flags,
        }[mode]
        assert got == expected

    def test_only_the_uids_named_are_changed(self, store: Store) -> None:
        for _ in range(6):
            store.append("INBOX", b"x")
        store.mark("INBOX", SEEN, uids=((2, 3), (5, 5), (7, 99)))
        assert [uid for uid, (system, _) in store.flags("INBOX").items() if system] == [2, 3, 5]

    def test_what_would_not_change_keeps_its_modseq(self, store: Store) -> None:
        """RFC 7162 3.1.3."""
        store.append("INBOX", b"x", SEEN, "word")
        store.append("INBOX", b"y")
        before = store.entries("INBOX")
        change = folder_change(store.changes(store.storing("INBOX", FlagMode.ADD, SEEN, "word")))
        after = store.entries("INBOX")
        assert after[0] == before[0]
        assert change.changed == (after[1],)
        assert after[1].modseq == store.folder("INBOX").modseq == change.modseq == change.since + 1

    @pytest.mark.parametrize("mode", FlagMode)
    def test_a_store_that_changes_nothing_takes_no_modseq(self, store: Store, mode: FlagMode) -> None:
        store.append("INBOX", b"x", SEEN, "a")
        store.append("INBOX", b"y", SEEN, "a", "b")
        system, words = (ANSWERED, ["c"]) if mode is FlagMode.REMOVE else (SEEN, ["a"])
        uids = ((1, 1), (50, 60))
        before = store.dump()
        assert store.changes(store.storing("INBOX", mode, system, *words, uids=uids)) == []
        assert store.dump() == before

    def test_the_counters_follow(self, store: Store) -> None:
        for system in (0, SEEN, DELETED):
            store.append("INBOX", b"x", system)
        counted = []
        for mode, system in ((FlagMode.ADD, SEEN), (FlagMode.REPLACE, DELETED), (FlagMode.REMOVE, DELETED)):
            store.do(store.storing("INBOX", mode, system))
            folder = store.folder("INBOX")
            counted.append((folder.n_unseen, folder.n_deleted))
        assert counted == [(0, 1), (3, 3), (3, 0)]

    def test_the_result_is_the_modseq_of_the_change(self, store: Store) -> None:
        """RFC 7162 3.1.3: the answer to a conditional STORE names it."""
        store.append("INBOX", b"x")
        add = store.storing("INBOX", FlagMode.ADD, SEEN)
        assert store.do(add) == Stored(store.folder("INBOX").modseq)
        assert store.do(add) == Stored(ModSeq(0))

    def test_what_has_changed_since_is_left_alone(self, store: Store) -> None:
        """RFC 7162 3.1.3, UNCHANGEDSINCE: the others are changed all the same."""
        for _ in range(5):
            store.append("INBOX", b"x")
        since = store.folder("INBOX").modseq
        store.mark("INBOX", FLAGGED, uids=((2, 3), (5, 5)))
        add = replace(store.storing("INBOX", FlagMode.ADD, SEEN, uids=((1, 3), (5, 9))), unchanged_since=since)
        assert store.do(add) == Stored(store.folder("INBOX").modseq, ((2, 3), (5, 5)))
        assert {uid for uid, (system, _) in store.flags("INBOX").items() if system & SEEN} == {1}
        assert store.do(replace(add, uids=((2, 2),))) == Stored(ModSeq(0), ((2, 2),))

    def test_since_zero_asks_whether_there_is_such_a_flag(self, store: Store) -> None:
        """RFC 7162 3.1.3: a system flag always is, a keyword where it is set."""
        store.append("INBOX", b"x", 0, "$MDNSent")
        store.append("INBOX", b"y")
        ask = replace(store.storing("INBOX", FlagMode.ADD, 0, "$MDNSent"), unchanged_since=0)
        assert store.do(ask) == Stored(store.folder("INBOX").modseq, ((1, 1),))
        assert store.flags("INBOX")[2] == (0, {"$MDNSent"})
        ask = replace(store.storing("INBOX", FlagMode.ADD, SEEN), unchanged_since=0)
        assert store.do(ask) == Stored(ModSeq(0), ((1, 2),))

    def test_a_new_keyword_is_told_even_when_no_message_has_it(self, store: Store) -> None:
        before = store.folder("INBOX")
        change = folder_change(store.changes(store.storing("INBOX", FlagMode.ADD, 0, "word")))
        assert (change.changed, change.keywords) == ((), ("word",))
        assert store.folder("INBOX").modseq == change.modseq == before.modseq + 1

    def test_every_command_has_a_modseq_of_its_own(self, store: Store) -> None:
        """RFC 7162 3.1: each STORE a different value."""
        store.append("INBOX", b"x")
        modseqs = []
        for system in (SEEN, FLAGGED, DRAFT):
            store.mark("INBOX", system)
            modseqs.append(store.entries("INBOX")[0].modseq)
        assert modseqs == sorted(set(modseqs))

    def test_a_folder_that_is_not_there_is_refused(self, store: Store) -> None:
        store.refuses(StoreFlags(ONE, NOWHERE, ALL, FlagMode.ADD, Flags(SEEN)), NoSuchFolder)


class TestCopy:
    def test_flags_and_dates_go_along_and_the_bytes_are_shared(self, store: Store) -> None:
        """RFC 9051 6.4.7: copies keep flags and internal date."""
        store.create("a")
        store.append("INBOX", b"one", SEEN, "word")
        store.append("INBOX", b"two", FLAGGED | DELETED)
        store.clock.advance(1000)
        copied = store.copy("INBOX", "a", ((1, 9),))
        assert copied == Copied(store.folder("a").uidvalidity, ((1, 2),), ((1, 2),))
        assert store.flags("a") == {1: (SEEN, {"word"}), 2: (FLAGGED | DELETED, set())}
        assert store.used() == (4, 12)
        assert store.rows("SELECT n_entries FROM message") == [(2,), (2,)]
        folder = store.folder("a")
        with store.read() as tx:
            (item,) = tx.items(ONE, folder.folder_id, 1, 1)
        assert item.saved_at == store.clock.now() == item.internal_at + 1000
        assert (folder.n_exists, folder.n_unseen, folder.n_deleted, folder.n_bytes) == (2, 1, 1, 6)

    def test_uids_that_are_gone_are_passed_over(self, store: Store) -> None:
        store.create("a")
        for number in range(6):
            store.append("INBOX", b"%d" % number, DELETED if number in (1, 3) else 0)
        store.expunge("INBOX")
        copied = store.copy("INBOX", "a", ((1, 3), (4, 5), (6, 8)))
        assert (copied.source, copied.target) == (((1, 1), (3, 3), (5, 6)), ((1, 4),))
        assert [store.body("a", uid) for uid in store.uids("a")] == [b"0", b"2", b"4", b"5"]

    def test_nothing_to_copy_changes_nothing(self, store: Store) -> None:
        store.create("a")
        before = store.dump()
        assert store.copy("INBOX", "a") == Copied(store.folder("a").uidvalidity, (), ())
        assert store.dump() == before

    def test_keywords_get_the_numbers_of_the_target(self, store: Store) -> None:
        store.create("a")
        store.append("a", b"x", 0, "three", "TWO")
        store.append("INBOX", b"1", 0, "one", "two")
        store.append("INBOX", b"2", 0, "three", "unused")
        store.append("INBOX", b"3")
        change = folder_change(store.changes(store.copying("INBOX", "a", ((1, 1), (3, 3)))))
        assert change.keywords == ("three", "TWO", "one")
        assert store.flags("a") == {1: (0, {"three", "TWO"}), 2: (0, {"one", "TWO"}), 3: (0, set())}
        store.copy("INBOX", "a", ((2, 2),))
        assert store.flags("a")[4] == (0, {"three", "unused"})

    def test_wide_keywords_cross_between_mask_and_rows(self, store: Store) -> None:
        store.create("narrow")
        words = [f"k{n}" for n in range(70)]
        store.append("INBOX", b"x", 0, *words)
        store.append("INBOX", b"y", 0, "k69", "k3")
        store.copy("INBOX", "narrow", ((2, 2),))
        assert store.flags("narrow")[1] == (0, {"k69", "k3"})
        assert max(entry.keywords for entry in store.entries("narrow")) < 4
        store.copy("INBOX", "narrow", ((1, 1),))
        assert store.flags("narrow")[2] == (0, set(words))
        store.copy("narrow", "INBOX", ALL)
        assert store.flags("INBOX")[3] == (0, {"k69", "k3"})
        store.copy("INBOX", "INBOX", ((3, 3),))
        assert store.flags("INBOX")[5] == (0, {"k69", "k3"})

    def test_a_target_that_cannot_learn_the_keywords_gets_nothing(self, store: Store) -> None:
        store.create("full")
        store.append("full", b"x", 0, *(f"k{n}" for n in range(500)))
        store.append("INBOX", b"y", 0, "k1")
        store.append("INBOX", b"z", 0, "new")
        store.refuses(store.copying("INBOX", "full"), LimitExceeded)
        store.refuses(store.copying("INBOX", "full", move=True), LimitExceeded)
        store.copy("INBOX", "full", ((1, 1),))

    def test_a_copy_within_the_folder_is_another_message(self, store: Store) -> None:
        store.append("INBOX", b"x", SEEN, "word")
        assert store.copy("INBOX", "INBOX").target == ((2, 2),)
        assert store.copy("INBOX", "INBOX").target == ((3, 4),)
        assert set(store.flags("INBOX").values()) == {(SEEN, frozenset({"word"}))}
        assert store.rows("SELECT n_entries FROM message") == [(4,)]

    def test_a_full_mailbox_refuses_a_copy_and_allows_a_move(self, store: Store) -> None:
        """T-1.2: a copy uses space, a move does not."""
        store.create("a")
        store.append("INBOX", b"12345")
        store.refuses(store.copying("INBOX", "a", quota=9), OverQuota)
        store.do(store.copying("INBOX", "a", quota=10))
        store.do(store.copying("INBOX", "a", quota=1, move=True))
        assert store.used() == (2, 10)

    def test_a_missing_target_or_source_is_refused(self, store: Store) -> None:
        store.append("INBOX", b"x")
        store.create("p/q")
        store.delete("p")
        store.refuses(store.copying("INBOX", "absent"), NoSuchFolder)
        store.refuses(store.copying("INBOX", "p"), NoSuchFolder)
        store.refuses(Copy(ONE, NOWHERE, ALL, "INBOX", 0), NoSuchFolder)

    def test_too_many_messages_are_refused_before_anything_is_copied(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(copying, "COPY_ROWS", 3)
        store.create("a")
        for _ in range(4):
            store.append("INBOX", b"x", 0, "word")
        store.refuses(store.copying("INBOX", "a"), LimitExceeded)
        store.refuses(store.copying("INBOX", "a", ((1, 2), (3, 3), (4, 9))), LimitExceeded)
        assert store.copy("INBOX", "a", ((1, 2), (4, 9))).target == ((1, 3),)


class TestMove:
    def test_messages_leave_tombstones_and_their_bytes_stay(self, store: Store) -> None:
        """RFC 6851 3.3."""
        store.create("a")
        for body in (b"1", b"2", b"3"):
            store.append("INBOX", body, SEEN, "word")
        before = (store.folder("INBOX"), store.folder("a"))
        changes = store.changes(store.copying("INBOX", "a", ((1, 1), (3, 3)), move=True))
        arrived, gone = (change for change in changes if isinstance(change, FolderChange))
        assert (arrived.folder_id, [entry.uid for entry in arrived.arrived]) == (before[1].folder_id, [1, 2])
        assert arrived.keywords == ("word",)
        assert (gone.folder_id, gone.expunged) == (before[0].folder_id, ((1, 1), (3, 3)))
        assert (gone.since, gone.modseq) == (before[0].modseq, before[0].modseq + 1)
        assert tombstones(store, before[0].folder_id) == [(gone.modseq, 1, 1), (gone.modseq, 3, 3)]
        assert (store.uids("INBOX"), store.uids("a")) == ([2], [1, 2])
        assert store.body("a", 2) == b"3"
        assert store.used() == (3, 3)
        assert store.rows("SELECT n_entries FROM message") == [(1,)] * 3

    def test_a_move_within_the_folder_gives_new_uids(self, store: Store) -> None:
        """RFC 6851 4.3: the messages are there once, under UIDs that were never used."""
        for body in (b"1", b"2"):
            store.append("INBOX", body, FLAGGED)
        before = store.folder("INBOX")
        changes = store.changes(store.copying("INBOX", "INBOX", ((1, 1),), move=True))
        assert store.uids("INBOX") == [2, 3]
        assert store.body("INBOX", 3) == b"1"
        first, second = (change for change in changes if isinstance(change, FolderChange))
        assert (first.since, first.modseq, second.since, second.modseq) == (
            before.modseq,
            before.modseq + 1,
            before.modseq + 1,
            before.modseq + 2,
        )
        assert store.used() == (2, 2)

    def test_both_entries_of_one_message_can_move_together(self, store: Store) -> None:
        store.create("a")
        store.append("INBOX", b"x")
        store.copy("INBOX", "INBOX")
        store.move("INBOX", "a")
        assert store.rows("SELECT n_entries FROM message") == [(2,)]
        store.mark("a", DELETED)
        assert store.expunge("a") == 2
        assert store.rows("SELECT n_entries FROM message") == []


class TestExpunge:
    def test_only_what_is_marked_deleted_goes(self, store: Store) -> None:
        r"""RFC 9051 6.4.3: EXPUNGE removes messages that have \Deleted set."""
        for number in range(7):
            store.append("INBOX", b"%d" % number, DELETED if number != 4 else ALL_SYSTEM_FLAGS & ~DELETED)
        before = store.folder("INBOX")
        changes = store.changes(Expunge(ONE, before.folder_id, ((2, 3), (5, 6), (50, 60))))
        change = folder_change(changes)
        assert change.expunged == ((2, 3), (6, 6))
        assert store.uids("INBOX") == [1, 4, 5, 7]
        assert tombstones(store, before.folder_id) == [(change.modseq, 2, 3), (change.modseq, 6, 6)]

    def test_the_count_is_the_result_and_nothing_marked_takes_no_modseq(self, store: Store) -> None:
        store.append("INBOX", b"x", SEEN)
        before = store.dump()
        assert store.expunge("INBOX") == 0
        assert store.dump() == before
        store.mark("INBOX", DELETED)
        assert store.expunge("INBOX") == 1

    def test_a_uid_is_never_used_again(self, store: Store) -> None:
        """RFC 9051 2.3.1.1."""
        for uid in (1, 2, 3):
            assert store.append("INBOX", b"x", DELETED) == uid
            store.expunge("INBOX")
        assert store.folder("INBOX").uidnext == 4

    def test_a_shared_message_stays_for_its_other_entries(self, store: Store) -> None:
        store.append("INBOX", b"shared", DELETED)
        store.copy("INBOX", "INBOX")
        store.expunge("INBOX", ((1, 1),))
        assert store.body("INBOX", 2) == b"shared"
        store.expunge("INBOX")
        assert store.rows("SELECT message_id FROM message") == []
        assert store.used() == (0, 0)

    def test_more_than_a_command_may_take_is_refused_not_half_done(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(items, "COPY_ROWS", 2)
        for _ in range(3):
            store.append("INBOX", b"x", DELETED)
        store.refuses(Expunge(ONE, store.folder("INBOX").folder_id, ALL), LimitExceeded)
        assert store.expunge("INBOX", ((1, 2),)) == 2

    def test_a_folder_that_is_not_there_is_refused(self, store: Store) -> None:
        store.refuses(Expunge(ONE, NOWHERE, ALL), NoSuchFolder)


class TestClaimRecent:
    def test_each_message_is_claimed_once(self, store: Store) -> None:
        """RFC 3501 2.3.2."""
        store.append("INBOX", b"x")
        store.append("INBOX", b"y")
        folder = store.folder("INBOX")
        claim = ClaimRecent(ONE, folder.folder_id, 3)
        assert store.do(claim) == 1
        assert store.do(claim) == 3
        assert store.folder("INBOX").recent_from == 3

    def test_a_late_claim_takes_nothing_back_and_nobody_is_told(self, store: Store) -> None:
        folder = store.folder("INBOX")
        store.do(ClaimRecent(ONE, folder.folder_id, 5))
        assert store.changes(ClaimRecent(ONE, folder.folder_id, 2)) == []
        assert store.folder("INBOX").recent_from == 5
        assert store.folder("INBOX").modseq == folder.modseq

    def test_a_folder_that_is_not_there_is_refused(self, store: Store) -> None:
        store.refuses(ClaimRecent(ONE, NOWHERE, 5), NoSuchFolder)


def test_keywords_learned_for_a_command_that_is_refused_are_forgotten(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its neighbours in the group must not inherit them, nor lose a MODSEQ."""

    def fail(*_: object, **__: object) -> None:
        raise OverQuota("at the last moment")

    before = store.folder("INBOX")
    with monkeypatch.context() as patch:
        patch.setattr(items, "_insert", fail)
        store.refuses(store.appending("INBOX", b"x", 0, "lost"), OverQuota)
    assert store.keywords("INBOX") == ()
    assert store.folder("INBOX") == before


def test_keyword_names_that_differ_in_case_in_one_command_are_one(store: Store) -> None:
    with store.read() as tx:
        folder = tx.folders(ONE)[0]
        assert folders.keyword_mask(tx, folder, ["a", "A"]) == (0, ["a", "A"])
    store.append("INBOX", b"x", 0, "a", "A")
    assert len(store.keywords("INBOX")) == 1


class TestTombstones:
    def _expunged(self, store: Store, *uids: int) -> None:
        """Expunges each of these UIDs on its own, so that each has a tombstone and a MODSEQ."""
        for uid in uids:
            store.mark("INBOX", DELETED, uids=((uid, uid),))
            store.expunge("INBOX", ((uid, uid),))

    def _vanished(self, store: Store, since: int) -> list[tuple[int, int]]:
        inbox = store.folder("INBOX").folder_id
        with store.read() as tx:
            return list(tx.vanished(ONE, inbox, since))

    def test_what_vanished_since_a_modseq(self, store: Store) -> None:
        """RFC 7162 3.2.6."""
        for _ in range(6):
            store.append("INBOX", b"x")
        self._expunged(store, 4)
        since = store.folder("INBOX").modseq
        self._expunged(store, 2, 6)
        assert self._vanished(store, 0) == [(4, 4), (2, 2), (6, 6)]
        assert self._vanished(store, since) == [(2, 2), (6, 6)]
        assert self._vanished(store, store.folder("INBOX").modseq) == []

    def test_the_oldest_are_forgotten_and_the_floor_tells(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        """RFC 7162 5.3."""
        monkeypatch.setattr(items, "TOMBSTONES_PER_FOLDER", 3)
        monkeypatch.setattr(items, "ROWS_PER_COMMAND", 2)
        for _ in range(12):
            store.append("INBOX", b"x")
        self._expunged(store, 1, 3, 5, 7, 9, 11)
        forget = ForgetTombstones(ONE, store.folder("INBOX").folder_id)
        kept = self._vanished(store, 0)
        assert [store.do(forget) for _ in range(3)] == [2, 1, 0]
        assert self._vanished(store, 0) == kept[3:]
        floor = store.folder("INBOX").tombstone_floor
        assert self._vanished(store, floor) == kept[3:]

    def test_those_of_one_modseq_go_together(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(items, "TOMBSTONES_PER_FOLDER", 1)
        for _ in range(7):
            store.append("INBOX", b"x")
        store.mark("INBOX", DELETED, uids=((1, 1), (3, 3), (5, 5)))
        store.expunge("INBOX")
        assert store.do(ForgetTombstones(ONE, store.folder("INBOX").folder_id)) == 3
        assert self._vanished(store, 0) == []


class TestThreads:
    def _file(self, store: Store, body: bytes, *keys: bytes) -> int:
        """Appends a message with these thread keys; its conversation."""
        append = store.appending("INBOX", body)
        (filing,) = append.filings
        filing = replace(filing, message=replace(filing.message, thread_keys=keys))
        uid = store.do(replace(append, filings=(filing,))).uid
        inbox = store.folder("INBOX").folder_id
        with store.read() as tx:
            ((_, _, thread, _),) = tx.objects(ONE, inbox, uid, uid)
            return int(thread)

    def test_a_message_joins_the_oldest_conversation_that_it_knows(self, store: Store) -> None:
        """RFC 8474 5.2."""
        first, other = self._file(store, b"1", b"a"), self._file(store, b"2", b"b")
        assert first != other
        assert self._file(store, b"3", b"c", b"b") == other
        assert self._file(store, b"4", b"d", b"c") == other
        assert self._file(store, b"5", b"e", b"a", b"b") == first, "both are known: the older one"
        assert self._file(store, b"6", b"b") == other, "and it stays what it was"

    def test_without_keys_each_is_its_own(self, store: Store) -> None:
        assert self._file(store, b"1") != self._file(store, b"2")

    def test_a_copy_is_the_same_object(self, store: Store) -> None:
        """RFC 8474 5.1: EMAILID and THREADID go along with COPY."""
        self._file(store, b"1", b"a")
        copied = store.copy("INBOX", "INBOX")
        inbox = store.folder("INBOX").folder_id
        with store.read() as tx:
            (one, two) = tx.objects(ONE, inbox, 1, 9)
        assert (copied.target, one[1:]) == (((2, 2),), two[1:])
