"""The decoded fields of a message that SEARCH, SORT and THREAD compare."""

from typing import Final

from .addresses import Address
from .dates import parse_date
from .envelope import Addresses
from .fields import Fields
from .limits import MAX_FIELD
from .model import Summary
from .text import decode_unfolded
from .threads import base_subject, conversation, message_ids, references

NEARBY: Final = 500  # characters between one address and the next that a writer may put there


def summarize(found: Fields, addresses: Addresses, preview: str, *, clipped: bool) -> Summary:
    """The summary of a message from its header fields."""
    subject = decode_unfolded(_raw(found, b"subject"))
    base, is_reply = base_subject(subject)
    sent = parse_date(found[b"date"][0]) if b"date" in found else None
    parents = message_ids(_raw(found, b"in-reply-to"))
    sender, recipient, copied = (_first(addresses, name) for name in (b"from", b"to", b"cc"))
    return Summary(
        subject=subject,
        from_=_people(found, addresses, b"from"),
        to=_people(found, addresses, b"to"),
        cc=_people(found, addresses, b"cc"),
        bcc=_people(found, addresses, b"bcc"),
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
        conversation=conversation(_raw(found, b"thread-index")),
    )


def _raw(found: Fields, name: bytes) -> bytes:
    values = found.get(name)
    return values[0][:MAX_FIELD] if values else b""


def _people(found: Fields, addresses: Addresses, name: bytes) -> str:
    """An address field's text, of a repeated one all; and what only ENVELOPE says so (RFC 9051 6.4.4).

    The field may part a mailbox from its host by blanks and comments, or write them with quotes that ENVELOPE drops.
    """
    values = found.get(name)
    if not values:
        return ""
    text = ", ".join([decode_unfolded(value[:MAX_FIELD]) for value in values])
    more = []
    position = 0
    for address in addresses.get(name, ()):
        for words in (_words(address.name), _at(address)):
            # They come in the text's order: to look only a little ahead keeps long fields linear.
            place = text.find(words, position, position + len(words) + NEARBY)
            if place >= 0:
                position = place + len(words)
            else:
                more.append(words)
    return "\n".join([text, *more])


def _words(octets: bytes | None) -> str:
    return decode_unfolded(octets) if octets else ""


def _at(address: Address) -> str:
    """mailbox@host; only the mailbox where a group begins."""
    return f"{_words(address.mailbox)}@{_words(address.host)}" if address.host is not None else _words(address.mailbox)


def _first(addresses: Addresses, name: bytes) -> Address | None:
    known = addresses.get(name)
    return known[0] if known else None


def _mailbox(address: Address | None) -> str:
    """RFC 5256 3: FROM, TO and CC sort by the first address's addr-mailbox."""
    return _words(address.mailbox) if address else ""


def _display(address: Address | None) -> str:
    """RFC 5957 3: the name, or else mailbox@host, or else the mailbox."""
    if address is None:
        return ""
    return _words(address.name) or _at(address)
