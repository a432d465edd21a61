"""One TOML file into settings, with every mistake in it reported at once, each with its line."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple, get_args, get_origin

import msgspec
from msgspec import Struct

from .contradictions import contradictions
from .kinds import READERS
from .lines import key_lines
from .settings import SECTIONS, Settings

_NUMBERS: Final = re.compile(r"\.[0-9]+$")  # of tables in an array, by which their places are known


class Problem(NamedTuple):
    line: int  # 0: of no line in particular
    text: str


class SettingsError(Exception):
    """All that is wrong with a settings file."""

    def __init__(self, name: str, problems: list[Problem]) -> None:
        self.problems = sorted(problems)
        places = (f"{name}:{line}: {text}" if line else f"{name}: {text}" for line, text in self.problems)
        super().__init__("\n".join(places))


def load(path: Path) -> Settings:
    """Raises SettingsError."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        reason = getattr(fault, "strerror", None) or fault
        raise SettingsError(str(path), [Problem(0, f"Cannot be read: {reason}")]) from fault
    return parse(text, name=str(path), folder=path.parent.absolute())


def parse(text: str, *, name: str = "settings", folder: Path = Path("/")) -> Settings:
    """The settings of a text; paths in it are relative to `folder`.  Raises SettingsError."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as wrong:
        raise SettingsError(name, [_syntax_problem(str(wrong), text)]) from wrong
    reading = _Reading(text, folder)
    settings = reading.settings(document)
    if reading.problems:
        raise SettingsError(name, reading.problems)
    return settings


def _syntax_problem(message: str, text: str) -> Problem:
    place = re.search(r" \(at line (\d+), column \d+\)$", message)
    if place is None:  # "at end of document": what began with the last key has no end
        return Problem(max(dict(key_lines(text)).values(), default=1), message)
    return Problem(int(place[1]), message[: place.start()])


class _Reading:
    """One pass over a document that gathers what is wrong instead of stopping there."""

    def __init__(self, text: str, folder: Path) -> None:
        self._lines = dict(key_lines(text))
        self._folder = folder
        self._refused: set[str] = set()  # sections
        self.problems: list[Problem] = []

    def settings(self, document: Mapping[str, object]) -> Settings:
        sections: dict[str, Struct] = {}
        given: set[str] = set()
        for name, content in document.items():
            if name not in SECTIONS:
                self._problem(name, f"Unknown section [{name}]{_suggestion(name, SECTIONS)}")
            elif not isinstance(content, dict):
                self._problem(name, f"{name} is a section: write [{name}]")
            else:
                values = dict(self._values(SECTIONS[name], name, name, content))
                sections[name] = SECTIONS[name](**values)
                given.update(f"{name}.{key}" for key in values)
        settings: Settings = msgspec.structs.replace(Settings(), **sections, given=frozenset(given))
        refused = tuple(self._refused)
        for wrong, text in contradictions(settings):
            # Where a value was refused a default stands in its place, and means nothing.
            if not wrong.startswith(refused):
                self._problem(wrong, f"{_NUMBERS.sub('', wrong)}: {text}")
        return settings

    def _values(
        self, kind: type, section: str, place: str, content: Mapping[str, object]
    ) -> Iterator[tuple[str, object]]:
        """What a table at a place holds, which its section and key are told of."""
        kinds = {field.name: field.type for field in msgspec.structs.fields(kind)}
        for key, written in content.items():
            name, at = f"{section}.{key}", f"{place}.{key}"
            if key not in kinds:
                self._problem(at, f"Unknown setting {name}{_suggestion(key, kinds)}")
                continue
            try:
                yield key, self._value(kinds[key], name, written)
            except (msgspec.ValidationError, ValueError) as wrong:
                self._problem(at, f"{name}: {_plain(str(wrong))}")

    def _tables(self, kind: type, name: str, written: object) -> tuple[object, ...]:
        """[[name]], or the same as a list of tables in braces."""
        if not isinstance(written, list) or not all(isinstance(each, dict) for each in written):
            raise ValueError(f"Expected tables: write [[{name}]]")
        return tuple(
            kind(**dict(self._values(kind, name, f"{name}.{number}", each))) for number, each in enumerate(written)
        )

    def _value(self, kind: Any, name: str, written: object) -> object:
        plain = get_args(kind)[0] if get_origin(kind) is Annotated else kind
        if get_origin(plain) is tuple and issubclass(get_args(plain)[0], Struct):
            return self._tables(get_args(plain)[0], name, written)
        if get_origin(plain) is Literal and written not in get_args(plain):
            raise ValueError("Expected " + " or ".join(f'"{choice}"' for choice in get_args(plain)))
        if get_origin(plain) is tuple and not isinstance(written, list):
            raise ValueError("Expected a list" + (f', as ["{written}"]' if isinstance(written, str) else ""))
        if written == "" and type(None) in get_args(plain):
            return None  # TOML has no word for nothing
        return msgspec.convert(written, kind, dec_hook=self._read_own)

    def _read_own(self, kind: type, written: object) -> object:
        if kind is Path:
            if not isinstance(written, str) or not written or "\0" in written:
                raise ValueError("Expected a path")
            return self._folder / written
        return READERS[kind](written)

    def _problem(self, name: str, text: str) -> None:
        self._refused.add(name.partition(".")[0] + ".")
        # Keys within an inline table have no line of their own: the table's it is.
        while name not in self._lines and "." in name:
            name = name.rpartition(".")[0]
        self.problems.append(Problem(self._lines.get(name, 0), text))


def _plain(message: str) -> str:
    """A message of msgspec's as people would say it."""
    message = re.sub(r" - at `\$\[(\d+)\]`", lambda place: f" (in item {int(place[1]) + 1})", message)
    return re.sub(r" - at `.*`", "", message).replace("`", "")


def _suggestion(wrong: str, known: Mapping[str, object]) -> str:
    close = get_close_matches(wrong.lower().replace("-", "_"), known, n=1, cutoff=0.5)
    return f": did you mean {close[0]}?" if close else f": there are {', '.join(known)}"
