"""Any octets are a message: they scan without an exception, and the same however they are cut."""

from itertools import cycle
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.formats.mime import Scanner, fields, header_fields, parse_addresses, parse_date, scan
from tests.core.formats.messages import check_scan, pieces, scan_in_pieces

CORPUS = Path(__file__).parents[1] / "corpus" / "mail"
SEEDS = sorted(path for path in CORPUS.rglob("*") if path.is_file() and path.stat().st_size < 6_000)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=2_000), st.lists(st.integers(1, 50), min_size=1, max_size=5))
def test_random_octets_are_a_message(octets: bytes, cuts: list[int]) -> None:
    whole = scan(octets)
    check_scan(octets, whole)
    scanner = Scanner()
    for piece in pieces(octets, cycle(cuts)):
        scanner.feed(piece)
    assert scanner.finish() == whole


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(
        ["From", "To", "Date", "Subject", "Content-Type", "Content-Disposition", "References", "Content-Language"]
    ),
    st.binary(max_size=300),
)
def test_random_octets_are_a_field(name: str, value: bytes) -> None:
    octets = name.encode() + b": " + value + b"\r\n\r\nbody\r\n"
    check_scan(octets, scan(octets))
    list(fields(octets))
    header_fields(octets, [name.encode()])
    parse_addresses(value)
    parse_date(value)


@pytest.mark.parametrize("seed", range(40))
def test_damaged_mails_are_messages(seed: int) -> None:
    random = Random(seed)
    for path in random.sample(SEEDS, 8):
        octets = damaged(path.read_bytes(), random)
        whole = scan(octets)
        check_scan(octets, whole)
        assert scan_in_pieces(octets, random.randint(1, 200)) == whole


def damaged(octets: bytes, random: Random) -> bytes:
    """Lines and octets lost, doubled, swapped and changed."""
    lines = octets.split(b"\n")
    for _ in range(random.randint(1, 8)):
        at = random.randrange(len(lines))
        match random.randrange(5):
            case 0:
                lines.pop(at)
                lines = lines or [b""]
            case 1:
                lines.insert(at, random.choice(lines))
            case 2:
                lines[at] = lines[at][: random.randint(0, len(lines[at]))]
            case 3:
                lines[at] += bytes(random.randrange(256) for _ in range(random.randint(1, 4)))
            case _:
                lines[at] = random.choice([b"", b"\r", b"--", b" ", b"\t\r", lines[at] * 3])
    return b"\n".join(lines)
