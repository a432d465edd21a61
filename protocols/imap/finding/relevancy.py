"""How well a message matches a key that is looked for fuzzily: from 0, not at all, to 1 (RFC 6203 4, 5).

What is not in the table means nothing but itself: flags and keywords, numbers, UIDs, MODSEQs and object ids match
exactly, or do not.
"""

from collections.abc import Callable, Iterator
from datetime import date
from typing import Final

from core.formats.casemap import loosen
from protocols.imap import commands
from protocols.imap.finding.candidates import DAYS, SUMMARY_FIELDS, Candidate, sliced
from protocols.imap.finding.fuzzy import Needle, pieces

Scorer = Callable[[Candidate], float]
SECOND: Final = 1_000_000

# RFC 6203 4: relevancy is not the same as precision.  What is nearly right in the subject or in a name tells more of a
# message than what is right somewhere in its body.
IN_NAMES: Final = 1.0
IN_HEADER: Final = 0.7
IN_BODY: Final = 0.45
_NAMES: Final = ("SUBJECT", "FROM", "TO", "CC", "BCC")

DAYS_AWAY: Final = 7  # "about a week ago" (RFC 6203 5); beyond, a day does not match
PART_AWAY: Final = 2  # by half of what was asked for a size may be wrong, and the time since a message came


def _nearly(away: int, reach: int) -> float:
    """1 for what is in the range, less and less for what is not, and 0 beyond reach."""
    return max(0.0, 1 - max(0, away) / (reach + 1))


_DAYS_AWAY: Final[dict[str, Callable[[int, int], int]]] = {
    "before": lambda day, asked: day - (asked - 1),
    "on": lambda day, asked: abs(day - asked),
    "since": lambda day, asked: asked - day,
}


def _dated(key: commands.Dated, now: int) -> Scorer:
    day_of, away, asked = DAYS[key.by], _DAYS_AWAY[key.relation], date(*key.day).toordinal()

    def score(message: Candidate) -> float:
        day = day_of(message)
        return 0.0 if day is None else _nearly(away(day, asked), DAYS_AWAY)

    return score


def _within(key: commands.Within, now: int) -> Scorer:
    target, reach = now // SECOND - key.seconds, key.seconds // PART_AWAY
    sign = 1 if key.relation == "older" else -1
    return lambda m: _nearly(sign * (m.row[2] // SECOND - target), reach)


def _larger(key: commands.Larger, now: int) -> Scorer:
    return lambda m: _nearly(key.size + 1 - m.row[1], key.size // PART_AWAY)


def _smaller(key: commands.Smaller, now: int) -> Scorer:
    return lambda m: _nearly(m.row[1] - (key.size - 1), key.size // PART_AWAY)


def _pieces(loosened: str) -> Iterator[str]:
    return pieces(sliced(loosened))


def _envelope(key: commands.InEnvelope, now: int) -> Scorer:
    needle, field, name = Needle(key.text), SUMMARY_FIELDS[key.field], key.field.lower().encode()

    def score(message: Candidate) -> float:
        texts = [loosen(field(message.summary)), *(message.loose.values(name) if message.summary.clipped else ())]
        return IN_NAMES * needle.score(map(_pieces, texts), message.breathe)

    return score


def _header(key: commands.InHeader, now: int) -> Scorer:
    needle, name = Needle(key.text), key.field.lower().encode("latin-1", "replace")
    weight = IN_NAMES if key.field.upper() in _NAMES else IN_HEADER
    return lambda m: weight * needle.score(map(_pieces, m.loose.values(name)), m.breathe)


def _in_body(message: Candidate, needle: Needle, *, headers: bool) -> float:
    return IN_BODY * (needle.score(message.loose.pieces(headers=headers), message.breathe) if needle.phrase else 1)


def _body(key: commands.InBody, now: int) -> Scorer:
    needle = Needle(key.text)
    return lambda m: _in_body(m, needle, headers=False)


def _text(key: commands.InText, now: int) -> Scorer:
    needle = Needle(key.text)

    def score(message: Candidate) -> float:
        summary, breathe = message.summary, message.breathe
        named = [loosen(SUMMARY_FIELDS[name](summary)) for name in _NAMES]
        best = IN_NAMES * max(needle.score((_pieces(text),), breathe) for text in named)
        if best < IN_HEADER:
            best = max(best, IN_HEADER * needle.score((message.loose.header_pieces,), breathe))
        return best if best >= IN_BODY else max(best, _in_body(message, needle, headers=True))

    return score


SCORERS: Final[dict[type, Callable[..., Scorer]]] = {
    commands.Dated: _dated,
    commands.Within: _within,
    commands.Larger: _larger,
    commands.Smaller: _smaller,
    commands.InEnvelope: _envelope,
    commands.InHeader: _header,
    commands.InBody: _body,
    commands.InText: _text,
}


def texts_of(key: commands.SearchKey, *, fuzzily: bool = False) -> Iterator[str]:
    """The texts that are looked for fuzzily.  What FUZZY is about is fuzzy down to a NOT, which is exact again."""
    match key:
        case commands.And(keys=keys) | commands.Or(keys=keys):
            for inner in keys:
                yield from texts_of(inner, fuzzily=fuzzily)
        case commands.Not(key=inner):
            yield from texts_of(inner)
        case commands.Fuzzy(key=inner):
            yield from texts_of(inner, fuzzily=True)
        case commands.InEnvelope(text=text) | commands.InHeader(text=text) if fuzzily:
            yield text
        case commands.InBody(text=text) | commands.InText(text=text) if fuzzily:
            yield text
        case _:
            pass
