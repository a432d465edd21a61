"""The store driver: mail from the Hub Transport into mailboxes, each recipient with an outcome of its own."""

import re
from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec import Struct

from adapters.server.executor import StoreExecutor
from adapters.server.spooling import MessageSpool
from core.commands import Deliver, Delivered, Delivery
from core.errors import MessageLoops, Refusal
from core.intake import delivery_token, trace_headers
from core.items import check_quota
from core.limits import DELIVERIES_PER_COMMAND
from core.model import Incoming, MailboxId
from core.ports import Clock, Entropy, EventLog
from protocols.smtp.envelope import Client, Envelope, Spool

SMALL_MESSAGE = 64 * 1024  # octets; finishing a smaller one takes less than handing it to a thread
MOST_RECEIVED = 100  # RFC 5321 6.3: at least that many hops are no loop
_NOT_PRINTABLE = re.compile(r"[^\x21-\x7e]")


class Target(Struct, frozen=True):
    """Where mail for one address goes."""

    address: str  # as it was given
    mailbox_id: MailboxId
    database_id: int
    quota: int | None


class Router(Protocol):
    """What the driver asks of the directory."""

    def route(self, address: str) -> Target:
        """Raises NoSuchRecipient, RelayDenied."""
        ...


class StoreDriver:
    """Delivers into the databases of this process."""

    def __init__(
        self,
        executor: StoreExecutor,
        router: Router,
        *,
        spool: Callable[[int], MessageSpool],
        clock: Clock,
        entropy: Entropy,
        log: EventLog,
        hostname: str,
        duplicate_window: int,
    ) -> None:
        """`duplicate_window` is in microseconds; 0 lets every copy in."""
        self._executor = executor
        self._router = router
        self._new_spool = spool
        self._clock = clock
        self._entropy = entropy
        self._log = log
        self._hostname = hostname
        self._window = duplicate_window

    def route(self, address: str, size: int | None) -> Target:
        """T-7.1: what can be refused is refused at RCPT."""
        target = self._router.route(address)
        database = self._executor.database(target.database_id)
        if target.quota is not None:
            with database.read() as tx:
                check_quota(tx, target.mailbox_id, target.quota, max(size or 0, 1))
        return target

    def spool(self) -> MessageSpool:
        """Room for a message in the first database; what goes to others too is copied there."""
        return self._new_spool(self._executor.first_database())

    async def deliver(self, envelope: Envelope[Target], body: Spool) -> Sequence[Refusal | None]:
        """One outcome for each recipient, in order; None once the message is durable in the mailbox."""
        assert isinstance(body, MessageSpool), "it came from spool()"
        if _hops(body.head) > MOST_RECEIVED:
            return [MessageLoops("The message has passed too many servers")] * len(envelope.recipients)
        small = body.size <= SMALL_MESSAGE
        message = body.finish() if small else await self._executor.computed(body.finish)
        outcomes = await self._file(envelope, body, message)
        return [outcomes[r.target.mailbox_id] for r in envelope.recipients]

    async def _file(
        self, envelope: Envelope[Target], body: MessageSpool, message: Incoming
    ) -> dict[MailboxId, Refusal | None]:
        """Outcome by mailbox: a mailbox that is named twice gets one copy."""
        now = self._clock.now()
        token = delivery_token(body.scan, message.blob.hash, envelope.sender) if self._window else None
        received = self._received(envelope)
        by_database: dict[int, dict[MailboxId, Delivery]] = {}
        for recipient in envelope.recipients:
            target = recipient.target
            prefix = trace_headers(sender=envelope.sender, recipient=recipient.address, received=received, at=now)
            place = by_database.setdefault(target.database_id, {})
            place.setdefault(target.mailbox_id, Delivery(target.mailbox_id, prefix, target.quota))
        outcomes: dict[MailboxId, Refusal | None] = {}
        for database_id, deliveries in by_database.items():
            placed = await self._placed(database_id, body)
            for slice_ in _slices(list(deliveries.values())):
                command = Deliver(placed.finish(), slice_, now, token, now + self._window)
                outcomes |= await self._run(database_id, command, envelope)
            placed.keep()
        return outcomes

    async def _placed(self, database_id: int, body: MessageSpool) -> MessageSpool:
        """The body where this database can keep it: a large one is in the packs of one database."""
        if body.database_id == database_id or body.finish().blob.pack_id is None:
            return body
        copy = self._new_spool(database_id)
        try:
            await self._executor.computed(lambda: body.copy_to(copy))
        except BaseException:
            copy.discard()
            raise
        return copy

    async def _run(
        self, database_id: int, command: Deliver, envelope: Envelope[Target]
    ) -> dict[MailboxId, Refusal | None]:
        try:
            results = await self._executor.written(database_id, command)
        except Refusal as refusal:
            return {d.mailbox_id: refusal for d in command.deliveries}
        for result in results:
            if isinstance(result, Delivered) and result.uid is None:
                self._log.info("DUPLICATEDELIVER", sender=envelope.sender, size=command.message.blob.size)
        return {
            d.mailbox_id: result if isinstance(result, Refusal) else None
            for d, result in zip(command.deliveries, results, strict=True)
        }

    def _received(self, envelope: Envelope[Target]) -> str:
        """RFC 5321 4.4, without FOR: the same text serves every recipient, and tells none of the others."""
        number = self._entropy.token(8).hex()
        return (
            f"from {_client(envelope.client)}\r\n\tby {self._hostname} (Penfold) with {envelope.protocol} id {number}"
        )


def _client(client: Client) -> str:
    helo = _NOT_PRINTABLE.sub("?", client.helo)[:255] or "unknown"
    if client.ip is None:
        return f"{helo} (local)"
    return f"{helo} ([{'IPv6:' if ':' in client.ip else ''}{client.ip}])"


def _hops(head: bytes) -> int:
    header, _, _ = head.partition(b"\r\n\r\n")
    return (b"\r\n" + header.lower()).count(b"\r\nreceived:")


def _slices(deliveries: list[Delivery]) -> list[tuple[Delivery, ...]]:
    # RFC 2033: nothing is answered before all slices are durable; a crash between them is healed by the retry.
    starts = range(0, len(deliveries), DELIVERIES_PER_COMMAND)
    return [tuple(deliveries[at : at + DELIVERIES_PER_COMMAND]) for at in starts]
