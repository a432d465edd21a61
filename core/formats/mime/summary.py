"""The decoded fields of a message that SEARCH, SORT and THREAD compare."""

from .addresses import Address
from .dates import parse_date
from .envelope import Addresses
from .fields import Fields
from .limits import MAX_FIELD
from .model import Summary
from .text import decode_unfolded
from .threads import base_subject, message_ids, references


def summarize(found: Fields, addresses: Addresses, preview: str, *, clipped: bool) -> Summary:
    """The summary of a message from its header fields."""
    subject = decode_unfolded(_raw(found, b"subject"))
    base, is_reply = base_subject(subject)
    sent = parse_date(found[b"date"][0]) if b"date" in found else None
    parents = message_ids(_raw(found, b"in-reply-to"))
    sender, recipient, copied = (_first(addresses, name) for name in (b"from", b"to", b"cc"))
    return Summary(
        subject=subject,
        from_=_text(found, b"from"),
        to=_text(found, b"to"),
        cc=_text(found, b"cc"),
        bcc=_text(found, b"bcc"),
        from_mailbox=_mailbox(sender),
        to_mailbox=_mailbox(recipient),
        cc_mailbox=_mailbox(copied),
        from_display=_display(sender),
        to_display=_display(recipient),
        base_subject=base,
        is_reply=is_reply,
        sent_at=sent.moment if sent else None,
        sent_day=sent.day if sent else None,
        message_id=next(iter(message_ids(_raw(found, b"message-id"))), ""),
        in_reply_to=parents[0] if parents else "",
        references=references(_raw(found, b"references"), parents),
        preview=preview,
        clipped=clipped or any(len(value) > MAX_FIELD for values in found.values() for value in values),
    )


def _raw(found: Fields, name: bytes) -> bytes:
    values = found.get(name)
    return values[0][:MAX_FIELD] if values else b""


def _text(found: Fields, name: bytes) -> str:
    """A field's text; of a repeated one all, one after the other."""
    values = found.get(name)
    return ", ".join([decode_unfolded(value[:MAX_FIELD]) for value in values]) if values else ""


def _first(addresses: Addresses, name: bytes) -> Address | None:
    known = addresses.get(name)
    return known[0] if known else None


def _mailbox(address: Address | None) -> str:
    """RFC 5256 3: FROM, TO and CC sort by the first address's addr-mailbox."""
    return decode_unfolded(address.mailbox) if address and address.mailbox else ""


def _display(address: Address | None) -> str:
    """RFC 5957 3: the name, or else mailbox@host, or else the mailbox."""
    if address is None:
        return ""
    name = decode_unfolded(address.name) if address.name else ""
    if name:
        return name
    mailbox = _mailbox(address)
    return f"{mailbox}@{decode_unfolded(address.host)}" if address.host is not None else mailbox
