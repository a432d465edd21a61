from core.changes import FolderChange
from core.commands import Delivered, Delivery, SweepDeliveries
from core.errors import LimitExceeded, NoSuchFolder, OverQuota, Refusal
from core.model import MailboxId
from tests.support.store import DAY, MORNING, ONE, TWO, Store, incoming

TOKEN = b"message-id and date"


def kinds(outcomes: list[Delivered | Refusal]) -> list[type]:
    return [type(outcome) for outcome in outcomes]


def test_every_recipient_has_an_outcome_of_its_own(store: Store) -> None:
    """T-7.1, RFC 2033 4.2."""
    store.create_mailbox(TWO)
    outcomes = store.deliver(
        incoming(b"12345678"),
        Delivery(ONE, b"To: one\r\n"),
        Delivery(TWO, b"To: two\r\n", quota=10),
        Delivery(MailboxId(3), b"To: three\r\n"),
        Delivery(TWO, b"", quota=8),
        Delivery(ONE, b"", folder="absent"),
    )
    assert kinds(outcomes) == [Delivered, OverQuota, NoSuchFolder, Delivered, NoSuchFolder]
    assert outcomes[0] == outcomes[3] == Delivered(1)
    assert store.body("INBOX", 1) == b"To: one\r\n12345678"
    assert store.body("INBOX", 1, TWO) == b"12345678"


def test_a_refusal_of_all_writes_and_publishes_nothing(store: Store) -> None:
    before = store.dump()
    command = store.delivering(incoming(b"x"), Delivery(MailboxId(9), b""), Delivery(ONE, b"", quota=0), token=TOKEN)
    assert store.changes(command) == []
    assert store.dump() == before
    assert store.rows("SELECT hash FROM blob") == []


def test_the_message_is_unseen_dated_now_and_counted_with_its_prefix(store: Store) -> None:
    (change,) = store.changes(store.delivering(incoming(b"body"), Delivery(ONE, b"prefix:")))
    inbox = store.folder("INBOX")
    assert isinstance(change, FolderChange)
    assert (change.folder_id, change.modseq) == (inbox.folder_id, inbox.modseq)
    assert [(entry.uid, entry.flags) for entry in change.arrived] == [(1, 0)]
    assert (inbox.n_exists, inbox.n_unseen, inbox.n_bytes) == (1, 1, 11)
    assert store.used() == (1, 11)
    with store.read() as tx:
        (item,) = tx.items(ONE, inbox.folder_id, 1, 1)
    assert (item.size, item.internal_at, item.internal_zone) == (11, MORNING, 0)


def test_a_retry_is_answered_like_the_first_and_changes_nothing(store: Store) -> None:
    """T-7.2: one copy, and the sender hears that it was delivered."""
    command = store.delivering(incoming(b"x"), Delivery(ONE, b""), token=TOKEN)
    assert store.do(command) == [Delivered(1)]
    before = store.dump()
    assert store.changes(command) == []
    assert store.do(command) == [Delivered(None)]
    assert store.dump() == before


def test_a_retry_is_answered_also_when_the_mailbox_is_full_by_now(store: Store) -> None:
    """T-7.2: an OverQuota now would bounce a message that the recipient has."""
    delivery = Delivery(ONE, b"", quota=5)
    assert store.deliver(incoming(b"12345"), delivery, token=TOKEN) == [Delivered(1)]
    assert store.deliver(incoming(b"12345"), delivery, token=TOKEN) == [Delivered(None)]
    assert kinds(store.deliver(incoming(b"12345"), delivery, token=b"other")) == [OverQuota]


def test_a_retry_reaches_those_that_the_first_did_not(store: Store) -> None:
    store.create_mailbox(TWO)
    full = Delivery(TWO, b"", quota=0)
    assert kinds(store.deliver(incoming(b"x"), Delivery(ONE, b""), full, token=TOKEN)) == [Delivered, OverQuota]
    again = store.deliver(incoming(b"x"), Delivery(ONE, b""), Delivery(TWO, b""), token=TOKEN)
    assert again == [Delivered(None), Delivered(1)]


def test_two_addresses_of_one_mailbox_get_one_copy(store: Store) -> None:
    outcomes = store.deliver(incoming(b"x"), Delivery(ONE, b"a"), Delivery(ONE, b"b"), token=TOKEN)
    assert outcomes == [Delivered(1), Delivered(None)]


def test_without_a_token_nothing_is_a_duplicate(store: Store) -> None:
    for uid in (1, 2):
        assert store.deliver(incoming(b"x"), Delivery(ONE, b"")) == [Delivered(uid)]


def test_the_duplicate_is_known_also_after_its_message_was_deleted(store: Store) -> None:
    store.deliver(incoming(b"x"), Delivery(ONE, b""), token=TOKEN)
    store.mark("INBOX", 8)
    store.expunge("INBOX")
    assert store.deliver(incoming(b"x"), Delivery(ONE, b""), token=TOKEN) == [Delivered(None)]


def test_an_expired_token_counts_no_more_though_nobody_has_swept(store: Store) -> None:
    """T-7.2: the window is finite; a new one begins with the new delivery."""
    for uid in (1, 2):
        assert store.deliver(incoming(b"x"), Delivery(ONE, b""), token=TOKEN) == [Delivered(uid)]
        assert store.deliver(incoming(b"x"), Delivery(ONE, b""), token=TOKEN) == [Delivered(None)]
        store.clock.advance(7 * DAY + 1)


def test_tokens_are_forgotten_when_they_expire(store: Store) -> None:
    """T-7.2: the window is finite."""
    store.deliver(incoming(b"x"), Delivery(ONE, b""), token=b"old")
    store.clock.advance(DAY)
    for token in (b"new 1", b"new 2"):
        store.deliver(incoming(b"x"), Delivery(ONE, b""), token=token)
    expiry = MORNING + 7 * DAY
    assert store.do(SweepDeliveries(expiry, 10)) == 0
    assert store.do(SweepDeliveries(expiry + 1, 10)) == 1
    assert store.deliver(incoming(b"x"), Delivery(ONE, b""), token=b"old") == [Delivered(4)]
    assert store.do(SweepDeliveries(expiry + 30 * DAY, 2)) == 2
    assert store.do(SweepDeliveries(expiry + 30 * DAY, 2)) == 1


def test_a_hundred_recipients_share_one_body(store: Store) -> None:
    """T-1.9: one blob, and it lives as long as the last copy."""
    mailboxes = [MailboxId(number) for number in range(10, 110)]
    for mailbox in mailboxes:
        store.create_mailbox(mailbox)
    body = bytes(range(256)) * 400
    message = incoming(body)
    outcomes = store.deliver(message, *(Delivery(mailbox, b"for %d\n" % mailbox) for mailbox in mailboxes))
    assert outcomes == [Delivered(1)] * 100
    assert store.rows("SELECT hash FROM blob") == [(message.blob.hash,)]
    assert store.body("INBOX", 1, mailboxes[42]) == b"for 52\n" + body
    assert store.used(mailboxes[42]) == (1, len(body) + 7)


def test_a_folder_without_uids_refuses_and_the_retry_is_not_taken_for_a_duplicate(store: Store) -> None:
    """RFC 9051 2.3.1.1: UIDs are never given out twice; what could not be filed must not be acknowledged later."""
    store.exhaust_uids("INBOX")
    before = store.dump()
    for _ in range(2):
        assert kinds(store.deliver(incoming(b"x"), Delivery(ONE, b""), token=TOKEN)) == [LimitExceeded]
    assert store.dump() == before
