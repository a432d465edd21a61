"""The Date field: a moment in UTC and the calendar day as written, from anything that looks like a date."""

from datetime import date
from re import IGNORECASE
from re import compile as pattern
from typing import Final, NamedTuple

from .parameters import without_comments


class SentDate(NamedTuple):
    """`moment`: microseconds since 1970, UTC.  `day`: date.toordinal() of the day as written, whatever its zone."""

    moment: int
    day: int


_COLON: Final = " *[:.] *"  # with the blanks of RFC 5322 4.3
_TIME: Final = (
    rf"(?:[ ,T]+(?P<hour>\d{{1,2}}){_COLON}(?P<minute>\d{{1,2}})(?:{_COLON}(?P<second>\d{{1,2}})(?:[.,]\d+)?)?)?"
)
_ZONE: Final = r"(?: *(?P<zone>[+-]\d\d:?\d\d|[A-Z]{1,5}\b))?"
_MONTH: Final = r"(?P<month>jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}"
_WEEKDAY: Final = r"(?:[a-z]+[.,]? *,? *)?"
_FORMS: Final = (
    # RFC 5322 3.3, with the day's name, seconds and zone optional, and the hyphens of RFC 850 and VMS
    pattern(
        rf"{_WEEKDAY}(?P<day>\d{{1,2}})[ .-]*{_MONTH}[ .,-]*(?P<year>\d{{2,4}})\b{_TIME}{_ZONE}",
        IGNORECASE,
    ),
    # asctime: Thu Jan  1 00:00:00 UTC 1970; the zone may stand before or after the year
    pattern(
        rf"{_WEEKDAY}{_MONTH} *(?P<day>\d{{1,2}}),?{_TIME}(?: *(?P<early>[A-Z]{{1,5}}|[+-]\d{{4}}))?"
        rf" *(?P<year>\d{{4}})\b{_ZONE}",
        IGNORECASE,
    ),
    # ISO 8601, which some programs write
    pattern(rf"(?P<year>\d{{4}})-(?P<month>\d\d)-(?P<day>\d\d)(?!\d){_TIME}{_ZONE}", IGNORECASE),
)
_NAMES: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS: Final = {month: number for number, name in enumerate(_NAMES, 1) for month in (name, f"{number:02}")}
# RFC 5322 4.3.  Military letters were defined with the wrong sign in RFC 822 and mean UTC, like unknown names.
_AMERICAN: Final = {"EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7}
_OTHERS: Final = {"BST": 1, "CET": 1, "MET": 1, "CEST": 2, "MEST": 2, "EET": 2, "EEST": 3, "MSK": 3, "JST": 9, "KST": 9}
_ZONES: Final = _AMERICAN | _OTHERS
_EPOCH: Final = date(1970, 1, 1).toordinal()
_MAX_DATE: Final = 200  # octets; a longer one is no date


def parse_date(raw: bytes) -> SentDate | None:
    """The date in an unfolded field; None if there is no valid calendar day.

    RFC 5256 2.2: an invalid zone counts as UTC, an invalid time as midnight.
    """
    # In a date a comment may follow a word without a blank.
    text = without_comments(raw[:_MAX_DATE].replace(b"(", b" (")).strip().decode("latin-1")
    for form in _FORMS:
        found = form.match(text)
        if found is not None:
            break
    else:
        return None
    part = found.groupdict()
    try:
        day = date(_year(part["year"]), _MONTHS.get(part["month"].lower(), 0), int(part["day"])).toordinal()
    except ValueError:
        return None
    seconds = (day - _EPOCH) * 86_400 + _time_of_day(part["hour"], part["minute"], part["second"])
    return SentDate((seconds - _offset(part["zone"] or part.get("early"))) * 1_000_000, day)


def _year(digits: str) -> int:
    """RFC 5322 4.3: two digits are 1950 to 2049, three count from 1900."""
    year = int(digits)
    if len(digits) == 2:
        return year + (2000 if year < 50 else 1900)
    return year + 1900 if len(digits) == 3 else year


def _time_of_day(hour: str | None, minute: str | None, second: str | None) -> int:
    hours, minutes, seconds = int(hour or 0), int(minute or 0), int(second or 0)
    if hours > 23 or minutes > 59 or seconds > 60:  # 60 is a leap second
        return 0
    return hours * 3600 + minutes * 60 + min(seconds, 59)


def _offset(zone: str | None) -> int:
    """Seconds east of UTC."""
    if zone is None:
        return 0
    if zone[0] not in "+-":
        return _ZONES.get(zone.upper(), 0) * 3600
    hours, minutes = int(zone[1:3]), int(zone[-2:])
    if hours > 23 or minutes > 59:
        return 0
    return (hours * 3600 + minutes * 60) * (-1 if zone[0] == "-" else 1)
