"""MIME messages: what a message is made of, found in one pass over its octets and kept ready to send.

Nothing in this package refuses or alters a message, and nothing raises, whatever the octets.
"""

from .addresses import Address, parse_addresses
from .dates import SentDate, parse_date
from .fields import fields, header_fields, unfolded
from .model import (
    Disposition,
    Part,
    PartTable,
    Scan,
    Specifier,
    Summary,
    decode_parts,
    encode_parts,
    extent,
    section,
)
from .scanner import Scanner, scan
from .structure import without_extensions
from .text import TextDecoder, TransferDecoder, decode_header, decode_text, decode_transfer
from .threads import base_subject, message_ids
from .transfer import knows as knows_encoding

__all__ = [
    "Address",
    "Disposition",
    "Part",
    "PartTable",
    "Scan",
    "Scanner",
    "SentDate",
    "Specifier",
    "Summary",
    "TextDecoder",
    "TransferDecoder",
    "base_subject",
    "decode_header",
    "decode_parts",
    "decode_text",
    "decode_transfer",
    "encode_parts",
    "extent",
    "fields",
    "header_fields",
    "knows_encoding",
    "message_ids",
    "parse_addresses",
    "parse_date",
    "scan",
    "section",
    "unfolded",
    "without_extensions",
]
