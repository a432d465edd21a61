"""Two servers asked the same, their answers brought into one form, and what is known to differ."""

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path

from conformance.support.imap import Answer, Imap, Text, fetched, parse

EXPECTED = Path(__file__).parents[1] / "expected.toml"

# Numbers that each server chooses, and texts that no client may rely upon.
_MASKED_CODES = {b"UIDVALIDITY", b"UIDNEXT", b"HIGHESTMODSEQ", b"CAPABILITY", b"UNSEEN"}


def known() -> dict[str, tuple[str, str]]:
    """Case -> (key, reason) of every difference in expected.toml."""
    found: dict[str, tuple[str, str]] = {}
    for entry in tomllib.loads(EXPECTED.read_text())["dovecot"]:
        for case in entry["cases"]:
            assert case not in found, f"{case} is in expected.toml twice"
            found[case] = entry["key"], entry["reason"]
    return found


# ---------------------------------------------------------------------------------------------- one form


def normal(answer: Answer) -> object:
    """What a client could tell apart: status, response code, and the untagged data in no order but that of FETCH."""
    data: list[object] = []
    for line in answer.untagged:
        data += _untagged(line)
    return [answer.status.decode(), _code(answer)], sorted(data, key=repr)


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
        values = re.match(rb"\* \w+ \[([^\]]*(?:\)|[^\]]))\]", line)
        if code is not None and code[1].upper() == b"PERMANENTFLAGS" and values is not None:
            return [("PERMANENTFLAGS", _flags(parse(values[1])[1]))]
        return [(kind.decode(), code[1].decode() if code else "")]
    values = parse(line[2:])
    if kind in (b"LIST", b"LSUB"):
        return [(kind.decode(), _flags(values[1]), _plain(values[2]), _name(values[3]), _plain(values[4:]))]
    if kind == b"STATUS":
        pairs = zip(values[2][::2], values[2][1::2], strict=True)
        masked = {b"UIDVALIDITY", b"HIGHESTMODSEQ"}
        return [("STATUS", _name(values[1]), sorted((k.decode(), "*" if k.upper() in masked else v.decode()) for k, v in pairs))]
    if kind == b"FLAGS":
        return [("FLAGS", _flags(values[1]))]
    if kind == b"ESEARCH":
        return [("ESEARCH", *(_plain(value) for value in values[1:] if not isinstance(value, list)))]
    if kind == b"SEARCH":
        return [("SEARCH", sorted(int(value) for value in values[1:]))]
    return [_plain(values)]


def _name(value: object) -> str:
    name = bytes(value).decode()  # type: ignore[call-overload]
    return "INBOX" if name.upper() == "INBOX" else name


def _flags(values: object) -> list[str]:
    assert isinstance(values, list), f"not a list of flags: {values!r}"
    return sorted(bytes(value).decode().lower() for value in values)


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
        return str(_plain(value)).strip().rjust(26, "0")  # the day may have a zero or a space ahead
    return _plain(value)


def _structure(value: list) -> object:  # type: ignore[type-arg]
    """BODYSTRUCTURE with the case of what is case-insensitive: types, parameter names, encodings, dispositions."""
    if value and isinstance(value[0], list):
        parts = [inner for inner in value if isinstance(inner, list)]
        count = next((i for i, inner in enumerate(value) if not isinstance(inner, list)), len(parts))
        rest = value[count:]
        found: list[object] = [_structure(inner) for inner in value[:count]]
        return [*found, _upper(rest[0]), *( [_parameters(rest[1])] if len(rest) > 1 else []), *_tail(rest[2:])]
    head = [_upper(value[0]), _upper(value[1]), _parameters(value[2]), _plain(value[3]), _plain(value[4]), _upper(value[5])]
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
    for value in rest[1:]:
        # RFC 9051: one language may come as a string or as a list of one.
        found.append(_plain(value[0]) if isinstance(value, list) and len(value) == 1 else _plain(value))
    return found


def _upper(value: object) -> object:
    return None if value is None else bytes(value).decode("latin-1").upper()  # type: ignore[call-overload]


def _parameters(values: object) -> object:
    if not isinstance(values, list):
        return _plain(values)
    pairs = [(_upper(values[i]), _plain(values[i + 1])) for i in range(0, len(values), 2)]
    return [[name, value.lower() if name == "CHARSET" and isinstance(value, str) else value] for name, value in pairs]


# ---------------------------------------------------------------------------------------------- comparing


class Comparison:
    """Asks both, and keeps what differs: case -> (ours, theirs)."""

    def __init__(self, ours: Imap, theirs: Imap) -> None:
        self.ours, self.theirs = ours, theirs
        self.differences: dict[str, tuple[object, object]] = {}
        self.asked = 0

    def ask(self, case: str, command: str | bytes, *literals: bytes) -> None:
        """The same command to both."""
        answers = []
        for client in (self.ours, self.theirs):
            answer = client.command(command, *literals)
            try:
                answers.append(normal(answer))
            except (ValueError, IndexError, AssertionError, TypeError) as fault:
                answers.append(("unreadable", str(fault), repr(answer)[:2000]))
        self.asked += 1
        if answers[0] != answers[1]:
            assert case not in self.differences, f"two cases are called {case}"
            self.differences[case] = answers[0], answers[1]

    def report(self, known: dict[str, tuple[str, str]], area: str) -> str:
        """What is new and what has vanished, for a person."""
        lines = []
        for case in sorted(self.differences.keys() - known.keys()):
            ours, theirs = self.differences[case]
            lines += [f"NEW {case}", f"    penfold {_short(ours)}", f"    dovecot {_short(theirs)}"]
        mine = {case for case in known if case.startswith(f"{area}:")}
        lines += [f"VANISHED {case} ({known[case][0]})" for case in sorted(mine - self.differences.keys())]
        return "\n".join(lines)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) < 3000 else text[:3000] + "..."
