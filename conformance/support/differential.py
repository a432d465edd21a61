"""Two servers asked the same, their answers brought into one form, and what is known to differ."""

import json
import os
import re
import tomllib
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from conformance.support.imap import Answer, Imap, fetched, parse

EXPECTED = Path(__file__).parents[1] / "expected.toml"

# Numbers that each server chooses, and texts that no client may rely upon.
_MASKED_CODES = {b"UIDVALIDITY", b"UIDNEXT", b"HIGHESTMODSEQ", b"CAPABILITY", b"UNSEEN"}


Known = dict[str, str]


def known() -> Known:
    """Case -> key of every difference in expected.toml that has cases of its own."""
    found: Known = {}
    for entry in tomllib.loads(EXPECTED.read_text())["dovecot"]:
        assert entry["differs"], f"{entry['key']} says what differs"
        assert entry["reason"], f"{entry['key']} has a reason"
        for case in entry.get("cases", []):
            assert case not in found, f"{case} is in expected.toml twice"
            found[case] = entry["key"]
        if "cases" not in entry:
            assert entry["key"] in RULES, f"{entry['key']} has neither cases nor a rule"
    return found


def expected_rules(area: str) -> set[str]:
    """The rules that an area is to need."""
    entries = tomllib.loads(EXPECTED.read_text())["dovecot"]
    return {entry["key"] for entry in entries if area in entry.get("areas", [])}


# ---------------------------------------------------------------------------------------------- one form


def normal(answer: Answer) -> object:
    """What a client could tell apart: status, response code, and the untagged data in no order but that of FETCH."""
    data: list[object] = []
    expunged: list[int] = []
    for line in answer.untagged:
        gone = re.fullmatch(rb"\* (\d+) EXPUNGE", line, re.IGNORECASE)
        if gone:
            expunged.append(int(gone[1]))
        else:
            data += _untagged(line)
    if expunged:
        data.append(("EXPUNGE", _before(expunged)))
    return [answer.status.decode(), _code(answer)], sorted(data, key=repr)


def _before(expunged: list[int]) -> list[int]:
    """Which messages these were by the numbers before the first of them went: servers may begin at either end."""
    numbers = list(range(1, max(expunged) + len(expunged) + 1))
    return sorted(numbers.pop(number - 1) for number in expunged)


def _code(answer: Answer) -> str:
    code = answer.code
    if code in (b"APPENDUID", b"COPYUID"):
        found = re.search(rb"\[\w+ \d+ ([^\]]+)\]", answer.tagged)
        return f"{code.decode()} {found[1].decode() if found else '?'}"
    return code.decode()


def _untagged(line: bytes) -> Iterable[object]:
    fetches = list(fetched([line]))
    if fetches:
        number, items = fetches[0]
        return [("FETCH", number, sorted((name.decode(), item(name, value)) for name, value in items.items()))]
    words = line.split(b" ", 2)
    kind = words[1].upper()
    if kind in (b"OK", b"NO", b"BAD", b"BYE", b"PREAUTH"):
        code = re.match(rb"\* \w+ \[([^ \]]+)", line)
        if kind == b"OK" and (code is None or code[1].upper() in _MASKED_CODES):
            return []
        listed = re.match(rb"\* \w+ \[([^\]]*(?:\)|[^\]]))\]", line)
        if code is not None and code[1].upper() == b"PERMANENTFLAGS" and listed is not None:
            return [("PERMANENTFLAGS", _flags(parse(listed[1])[1]))]
        return [(kind.decode(), code[1].decode() if code else "")]
    values = parse(line[2:])
    if kind in (b"LIST", b"LSUB"):
        return [(kind.decode(), _flags(values[1]), _plain(values[2]), _name(values[3]), _plain(values[4:]))]
    if kind == b"STATUS":
        pairs = zip(values[2][::2], values[2][1::2], strict=True)
        masked = {b"UIDVALIDITY", b"HIGHESTMODSEQ"}
        return [
            (
                "STATUS",
                _name(values[1]),
                sorted((k.decode(), "*" if k.upper() in masked else v.decode()) for k, v in pairs),
            )
        ]
    if kind == b"FLAGS":
        return [("FLAGS", _flags(values[1]))]
    if kind == b"ESEARCH":
        return [("ESEARCH", *(_plain(value) for value in values[1:] if not isinstance(value, list)))]
    if kind == b"ACL":
        who, granted = values[2::2], values[3::2]
        return [("ACL", _name(values[1]), sorted(zip(map(_plain, who), map(_letters, granted), strict=True)))]
    if kind == b"MYRIGHTS":
        return [("MYRIGHTS", _name(values[1]), _letters(values[2]))]
    if kind == b"LISTRIGHTS":
        tied = sorted(map(_letters, values[4:]))
        return [("LISTRIGHTS", _name(values[1]), _plain(values[2]), _letters(values[3]), tied)]
    if kind == b"SEARCH":
        return [("SEARCH", sorted(int(value) for value in values[1:]))]
    return [_plain(values)]


def _name(value: object) -> str:
    name = bytes(value).decode()  # type: ignore[call-overload]
    return "INBOX" if name.upper() == "INBOX" else name


def _flags(values: object) -> list[str]:
    assert isinstance(values, list), f"not a list of flags: {values!r}"
    return sorted(bytes(value).decode().lower() for value in values)


def _letters(value: object) -> str:
    """Rights, in no order."""
    return "".join(sorted(bytes(value).decode()))  # type: ignore[call-overload]


def _plain(value: object) -> object:
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return None if value is None else bytes(value).decode("latin-1")  # type: ignore[call-overload]


def item(name: bytes, value: object) -> object:
    """One FETCH item; a string is itself however it was sent."""
    if name == b"FLAGS":
        return _flags(value)
    if name in (b"BODY", b"BODYSTRUCTURE") and isinstance(value, list):
        return _structure(value)
    if name == b"INTERNALDATE":
        # One instant may be written in any zone; Dovecot forgets which it was given.
        return str(datetime.strptime(str(_plain(value)).strip(), "%d-%b-%Y %H:%M:%S %z").astimezone(UTC))
    return _plain(value)


def _structure(value: list) -> object:  # type: ignore[type-arg]
    """BODYSTRUCTURE with the case of what is case-insensitive: types, parameter names, encodings, dispositions."""
    if value and isinstance(value[0], list):
        parts = [inner for inner in value if isinstance(inner, list)]
        count = next((i for i, inner in enumerate(value) if not isinstance(inner, list)), len(parts))
        rest = value[count:]
        found: list[object] = [_structure(inner) for inner in value[:count]]
        return [*found, _upper(rest[0]), *([_parameters(rest[1])] if len(rest) > 1 else []), *_tail(rest[2:])]
    head = [
        _upper(value[0]),
        _upper(value[1]),
        _parameters(value[2]),
        _plain(value[3]),
        _plain(value[4]),
        _upper(value[5]),
    ]
    rest = value[6:]
    found = [*head, _plain(rest[0])]
    rest = rest[1:]
    if head[:2] in (["MESSAGE", "RFC822"], ["MESSAGE", "GLOBAL"]) and len(rest) > 2 and isinstance(rest[0], list):
        found += [_plain(rest[0]), _structure(rest[1]), _plain(rest[2])]
        rest = rest[3:]
    elif head[0] == "TEXT":
        found.append(_plain(rest[0]))
        rest = rest[1:]
    if rest:
        found.append(_plain(rest[0]))  # MD5
    return [*found, *_tail(rest[1:])]


def _tail(rest: list) -> list[object]:  # type: ignore[type-arg]
    """Disposition, language, location."""
    found: list[object] = []
    if rest:
        found.append([_upper(rest[0][0]), _parameters(rest[0][1])] if isinstance(rest[0], list) else None)
    # RFC 9051 7.5.2: one language may come as a string or as a list of one.
    single = (value[0] if isinstance(value, list) and len(value) == 1 else value for value in rest[1:])
    return [*found, *map(_plain, single)]


def _upper(value: object) -> object:
    return None if value is None else bytes(value).decode("latin-1").upper()  # type: ignore[call-overload]


def _parameters(values: object) -> object:
    if not isinstance(values, list):
        return _plain(values)
    pairs = [(_upper(values[i]), _plain(values[i + 1])) for i in range(0, len(values), 2)]
    return [[name, value.lower() if name == "CHARSET" and isinstance(value, str) else value] for name, value in pairs]


# ---------------------------------------------------------------------------------------------- rules
# A difference of principle is named once: what removes it from both answers.  Its reason is in expected.toml.


def _each(answer: Any, change: Callable[[Any], object]) -> object:
    """The answer with `change` done to each value in it, innermost first."""
    if isinstance(answer, list | tuple):
        return change(type(answer)(_each(inner, change) for inner in answer))
    return change(answer)


def _data(answer: object, change: Callable[[Any], object]) -> object:
    """The answer with `change` done to each of its untagged data; None takes one away."""
    if not isinstance(answer, tuple) or len(answer) != 2:
        return answer
    changed = (change(datum) for datum in answer[1])
    return answer[0], [datum for datum in changed if datum is not None]


def _sorted(answer: object) -> object:
    """The answer with its data in the order that they have after a change."""
    if not isinstance(answer, tuple) or len(answer) != 2:
        return answer
    return answer[0], sorted(answer[1], key=repr)


def _missing_section(answer: object) -> object:
    def fill(datum: tuple) -> object:  # type: ignore[type-arg]
        if datum[0] != "FETCH":
            return datum
        sections = ("BODY[", "BINARY[")
        return "FETCH", datum[1], [(k, None if v == "" and k.startswith(sections) else v) for k, v in datum[2]]

    return _data(answer, fill)


def _bare_fetch(answer: object) -> object:
    """Without FETCH responses that hold but a UID, before a NO."""
    if isinstance(answer, tuple) and answer[0][0] == "NO":
        return answer[0], [d for d in answer[1] if not (d[0] == "FETCH" and [k for k, _ in d[2]] == ["UID"])]
    return answer


def _spaces(answer: object) -> object:
    """White space in ENVELOPE strings: as much as one space, and none at the ends."""

    def squeeze(value: object) -> object:
        return " ".join(value.split()) if isinstance(value, str) else value

    def fetch(datum: tuple) -> object:  # type: ignore[type-arg]
        if datum[0] != "FETCH":
            return datum
        names = ("ENVELOPE", "BODY", "BODYSTRUCTURE")
        return "FETCH", datum[1], [(k, _each(v, squeeze) if k in names else v) for k, v in datum[2]]

    return _data(answer, fetch)


def _raw_utf8(answer: object) -> object:
    """Raw 8-bit text and our encoded words for it: both become nothing where the answer has either."""

    def hide(value: object) -> object:
        if not isinstance(value, str):
            return value
        if re.search("[\x80-\xff]|=\\?utf-8\\?B\\?", value):
            return "(8-bit)"
        return value

    return _each(answer, hide)


def _extension_data(answer: object) -> object:
    def strip(value: object) -> object:
        if isinstance(value, list) and value[:2] == ["TEXT", "PLAIN"] and value[5:8] == ["7BIT", "0", "0"]:
            return value[:8]
        return value

    return _each(answer, strip)


def _codes(answer: object) -> object:
    if isinstance(answer, tuple) and answer[0][0] in ("NO", "OK") and answer[0][1] in _OPTIONAL_CODES:
        return [answer[0][0], ""], answer[1]
    return answer


_OPTIONAL_CODES = {"NONEXISTENT", "CANNOT", "ALREADYEXISTS", "BADCHARSET", "AUTHENTICATIONFAILED", "ALERT"}


def _recent(answer: object) -> object:
    return _data(answer, lambda datum: None if isinstance(datum, list) and datum[1:] == ["RECENT"] else datum)


def _status_for_notify(answer: object) -> object:
    def plain(datum: tuple) -> object:  # type: ignore[type-arg]
        if datum[0] != "STATUS":
            return datum
        told = dict(datum[2])
        more = {"UIDVALIDITY", "HIGHESTMODSEQ", *({"UNSEEN"} if "MESSAGES" in told else ())}
        kept = [(item, value) for item, value in datum[2] if item not in more]
        return ("STATUS", datum[1], kept) if kept else None

    return _sorted(_data(answer, plain))


def _recent_of_readers(answer: object) -> object:
    def strip(datum: tuple) -> object:  # type: ignore[type-arg]
        if datum[0] != "FETCH":
            return datum
        return (
            "FETCH",
            datum[1],
            [(k, [flag for flag in v if flag != "\\recent"] if k == "FLAGS" else v) for k, v in datum[2]],
        )

    return _data(answer, strip)


def _list_attributes(answer: object) -> object:
    def plain(datum: tuple) -> object:  # type: ignore[type-arg]
        if datum[0] not in ("LIST", "LSUB"):
            return datum
        return datum[0], [flag for flag in datum[1] if flag not in _CHILDREN], *datum[2:]

    return _sorted(_data(answer, plain))


_CHILDREN = {"\\haschildren", "\\hasnochildren", "\\unmarked", "\\marked"}


def _parents(answer: object) -> object:
    """\\Noselect apart: Dovecot makes parents that cannot be selected."""

    def plain(datum: tuple) -> object:  # type: ignore[type-arg]
        if datum[0] != "LIST":
            return datum
        return "LIST", [flag for flag in datum[1] if flag not in ("\\noselect", "\\nonexistent")], *datum[2:]

    return _sorted(_data(answer, plain))


def _identity(answer: object) -> object:
    return _data(answer, lambda datum: ["ID"] if isinstance(datum, list) and datum[0] == "ID" else datum)


def _mailbox_id(answer: object) -> object:
    if isinstance(answer, tuple) and answer[0] == ["OK", "MAILBOXID"]:
        answer = ["OK", ""], answer[1]
    return _data(answer, lambda datum: None if datum == ("OK", "MAILBOXID") else datum)


RULES: dict[str, Callable[[object], object]] = {
    "missing-section": _missing_section,
    "bare-fetch": _bare_fetch,
    "spaces": _spaces,
    "raw-utf8": _raw_utf8,
    "extension-data": _extension_data,
    "codes": _codes,
    "recent": _recent,
    "status-for-notify": _status_for_notify,
    "recent-of-readers": _recent_of_readers,
    "list-attributes": _list_attributes,
    "parents": _parents,
    "identity": _identity,
    "mailbox-id": _mailbox_id,
}


def explained(ours: object, theirs: object) -> set[str]:
    """The rules that make two answers equal; none, if they do not."""

    def equal(names: Iterable[str]) -> bool:
        one, other = ours, theirs
        for name in names:
            one, other = RULES[name](one), RULES[name](other)
        return one == other

    for name in RULES:
        if equal([name]):
            return {name}
    needed = set(RULES)
    if not equal(RULES):
        return set()
    for name in RULES:
        if equal([other for other in RULES if other in needed - {name}]):
            needed.remove(name)
    return needed


# ---------------------------------------------------------------------------------------------- comparing


class Comparison:
    """Asks both, and keeps what differs: case -> (ours, theirs)."""

    def __init__(self, ours: Imap, theirs: Imap) -> None:
        self.ours, self.theirs = ours, theirs
        self.differences: dict[str, tuple[object, object]] = {}
        self.rules: set[str] = set()
        self.asked = 0

    def beside(self, ours: Imap, theirs: Imap) -> "Comparison":
        """Of other sessions; what differs there differs here."""
        other = Comparison(ours, theirs)
        other.differences, other.rules = self.differences, self.rules
        return other

    def ask(self, case: str, command: str | bytes, *literals: bytes) -> None:
        """The same command to both."""
        answers: list[object] = []
        for client in (self.ours, self.theirs):
            try:
                answer = client.command(command, *literals)
            except (TimeoutError, ConnectionError) as silence:
                answers.append(type(silence).__name__)
                client.reconnect()
                continue
            if answer.status == b"BAD":
                client.ok("NOOP")  # Dovecot hangs up after twenty mistakes in a row
            try:
                answers.append(normal(answer))
            except (ValueError, IndexError, AssertionError, TypeError) as fault:
                answers.append(("unreadable", str(fault), repr(answer)[:2000]))
        self.asked += 1
        self.compare(case, *answers)

    def compare(self, case: str, ours: object, theirs: object) -> None:
        """Two answers, brought into one form."""
        if ours != theirs:
            assert case not in self.differences, f"two cases are called {case}"
            rules = explained(ours, theirs)
            self.rules |= rules
            if not rules:
                self.differences[case] = ours, theirs

    def report(self, known: Known, area: str) -> str:
        """What is new and what has vanished, for a person; all that differs goes into the file PENFOLD_DIFFERENCES."""
        if os.environ.get("PENFOLD_DIFFERENCES"):
            with Path(os.environ["PENFOLD_DIFFERENCES"]).open("a") as file:
                for case, answers in self.differences.items():
                    file.write(json.dumps([case, *map(repr, answers)]) + "\n")
        lines = []
        for case in sorted(self.differences.keys() - known.keys()):
            ours, theirs = self.differences[case]
            lines += [f"NEW {case}", f"    penfold {_short(ours)}", f"    dovecot {_short(theirs)}"]
        mine = {case for case in known if case.startswith(f"{area}:")}
        lines += [f"VANISHED {case} ({known[case]})" for case in sorted(mine - self.differences.keys())]
        rules = expected_rules(area)
        lines += [f"NEW in this area: rule {name}" for name in sorted(self.rules - rules)]
        lines += [f"VANISHED from this area: rule {name}" for name in sorted(rules - self.rules)]
        return "\n".join(lines)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) < 3000 else text[:3000] + "..."
