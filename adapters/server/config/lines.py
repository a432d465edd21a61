"""In which line of a TOML file each key is, which no library tells."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

_KEY: Final = r"""(?:[A-Za-z0-9_-]+|"(?:\\.|[^"\\\n])*"|'[^'\n]*')"""
_KEYS: Final = rf"\s*(?P<keys>{_KEY}(?:\s*\.\s*{_KEY})*)\s*"
_HEADER: Final = re.compile(rf"\s*\[{_KEYS}\]|\s*\[\[{_KEYS.replace('?P<keys>', '?P<array>')}\]\]")
_ASSIGNMENT: Final = re.compile(rf"{_KEYS}=")
_TOKEN: Final = re.compile(r'''"""|\'\'\'|"(?:\\.|[^"\\])*"|'[^']*'|#.*|[\[\]{}]''')


def key_lines(text: str) -> Iterator[tuple[str, int]]:
    """(dotted key, line) of a valid TOML document, in which tomllib gives no places; "a.0" is the first [[a]]."""
    section, depth, quotes = "", 0, ""
    arrays: Counter[str] = Counter()
    for number, line in enumerate(text.split("\n"), start=1):
        rest = line
        if not depth and not quotes:
            if header := _HEADER.match(line):
                section = _dotted(header["keys"] or header["array"])
                yield section, number
                if header["array"]:
                    arrays[section] += 1
                    section = f"{section}.{arrays[section] - 1}"
                    yield section, number
                continue
            if assignment := _ASSIGNMENT.match(line):
                yield ".".join(filter(None, (section, _dotted(assignment["keys"])))), number
                rest = line[assignment.end() :]
        depth, quotes = _after(rest, depth, quotes)


def _after(line: str, depth: int, quotes: str) -> tuple[int, str]:
    """The depth of brackets and the quotes of a string that are still open at the end of a line."""
    position = 0
    while position < len(line):
        if quotes:
            end = re.search(r"(?<!\\)(?:\\\\)*" + quotes, line[position:])
            if end is None:
                break
            position, quotes = position + end.end(), ""
        elif token := _TOKEN.search(line, position):
            position = token.end()
            depth += (token[0] in "[{") - (token[0] in "]}")
            quotes = token[0] if token[0] in ('"""', "'''") else ""
        else:
            break
    return depth, quotes


def _dotted(keys: str) -> str:
    return ".".join(key.strip("\"'") for key in re.findall(_KEY, keys))
