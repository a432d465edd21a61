"""The documents, compared with the program: what they name exists, and what there is they name."""

import ast
import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Final, Literal, NamedTuple, get_args, get_origin

import msgspec
import pytest
import typer
from msgspec import Meta

from adapters.server.administration.checks import Checked
from adapters.server.administration.context import SessionRow
from adapters.server.administration.databases import DatabaseShown
from adapters.server.administration.mailboxes import MailboxRow, MailboxShown
from adapters.server.cli import app, failures, reach
from adapters.server.config import (
    SECTIONS,
    Alias,
    Capability,
    ClientRule,
    Duration,
    Endpoint,
    HostName,
    Network,
    Settings,
    SettingsError,
    SharedFilter,
    Size,
    Uri,
    UrlApplication,
    parse,
)
from adapters.server.server import GRACE_SECONDS, Server
from protocols.imap.dispatch import AFTER_LOGIN, ALWAYS
from protocols.imap.offering.clients import FAULTS
from protocols.sasl import MECHANISMS
from protocols.smtp.limits import Limits

ROOT: Final = Path(__file__).parents[1]
ADMINISTRATION: Final = ROOT / "docs" / "administration.md"
IMAP: Final = ROOT / "docs" / "imap.md"
HARDENING: Final = ROOT / "docs" / "hardening.md"
UNIT: Final = ROOT / "docs" / "systemd" / "penfold.service"
DOCUMENTS: Final = (*sorted((ROOT / "docs").glob("*.md")), *sorted(ROOT.glob("*.md")))
QUOTING: Final = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))  # those that quote commands and settings


# ---------------------------------------------------------------------------------------------- reading documents


class Block(NamedTuple):
    """A fenced block."""

    language: str
    text: str


def blocks(text: str) -> list[Block]:
    return [Block(*found) for found in re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)]


def spans(text: str) -> list[str]:
    """What stands between backticks outside of fenced blocks, its line breaks gone."""
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    return [" ".join(found.split()) for found in re.findall(r"`([^`]+)`", prose)]


def rows(text: str, first: str) -> list[list[str]]:
    """The cells of the table whose head begins with `first`."""
    lines = text.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"| {first} |"))
    table = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        table.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return table


def bare(cell: str) -> str:
    """A cell that is one code span."""
    assert re.fullmatch(r"`[^`]+`", cell), cell
    return cell.strip("`")


# ---------------------------------------------------------------------------------------------- commands

# What may stand in front of a command, and the options of these that have a value.
_WRAPPERS: Final = {"sudo": {"-u", "-g"}, "exec": set(), "setpriv": set(), "env": set(), "$": set()}


def penfold_commands(script: str) -> Iterator[list[str]]:
    """The words behind each call of penfold in a shell script."""
    for line in re.sub(r"\\\n", " ", script).splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words: list[str] = []
        for word in [*lexer, ";"]:
            if word and set(word) <= set("();<>|&"):
                yield from _call(words)
                words = []
            else:
                words.append(word)


def _call(words: list[str]) -> Iterator[list[str]]:
    while words and (words[0] in _WRAPPERS or re.match(r"\w+=", words[0])):
        with_value = _WRAPPERS.get(words.pop(0), set())
        while words and words[0].startswith("-"):
            del words[: 2 if words[0] in with_value else 1]
    if words and words[0].rpartition("/")[2] == "penfold":
        yield words[1:]


def mistakes(words: list[str], *, complete: bool = True) -> list[str]:
    """What the command line would not take; `complete`: whether arguments may not be missing either."""
    command: Any = typer.main.get_command(app)
    while (known := getattr(command, "commands", None)) is not None:
        if not words:
            return ["a command is missing"] if complete else []
        name, *words = words
        if name == "--help":
            return [f"more behind --help: {words}"] if words else []
        if name not in known:
            return [f"there is no command {name}"]
        command = known[name]
    return _options_and_arguments(command, words, complete=complete)


def _options_and_arguments(command: Any, words: list[str], *, complete: bool) -> list[str]:
    options = {name: option for option in command.params for name in (*option.opts, *option.secondary_opts)}
    wrong, arguments = [], 0
    waiting = iter(words)
    for word in waiting:
        name, equals, _ = word.partition("=")
        if not word.startswith("-"):
            arguments += 1
        elif name == "--help":
            continue
        elif name not in options or not name.startswith("-"):
            wrong.append(f"{command.name} has no option {name}")
        elif not options[name].is_flag and not equals and next(waiting, None) is None:
            wrong.append(f"{name} has a value")
    takes = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    if arguments > len(takes) and not any(parameter.nargs == -1 for parameter in takes):
        wrong.append(f"{command.name} takes {len(takes)} arguments, not {arguments}")
    if complete and arguments < sum(parameter.required for parameter in takes):
        wrong.append(f"{command.name} is not told enough")
    return wrong


def quoted_commands(text: str) -> Iterator[tuple[list[str], bool]]:
    """(words, whether it is a whole command) of every call of penfold in a document."""
    for block in blocks(text):
        if block.language == "sh":
            yield from ((words, True) for words in penfold_commands(block.text))
    for span in spans(text):
        if re.match(r"penfold\b(?![./:@-])", span):
            yield from ((words, False) for words in penfold_commands(span))


@pytest.mark.parametrize("path", QUOTING, ids=lambda path: path.name)
def test_every_command_that_is_quoted_exists(path: Path) -> None:
    wrong = [
        (" ".join(words), found)
        for words, complete in quoted_commands(path.read_text())
        if (found := mistakes(words, complete=complete))
    ]
    assert wrong == []


def test_every_command_is_quoted() -> None:
    """In the guide, in full."""
    quoted = {tuple(words) for words, _ in quoted_commands(ADMINISTRATION.read_text())}

    def paths(command: Any, names: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
        if (below := getattr(command, "commands", None)) is None:
            yield names
        else:
            for name, found in below.items():
                yield from paths(found, (*names, name))

    missing = [
        names
        for names in paths(typer.main.get_command(app))
        if not any(words[: len(names)] == names for words in quoted)
    ]
    assert missing == []


def test_every_option_is_quoted() -> None:
    """Somewhere in the documents."""
    text = ADMINISTRATION.read_text() + HARDENING.read_text()
    shells = ["--install-completion"], ["--show-completion"], ["--help"]

    def options(command: Any) -> Iterator[list[str]]:
        yield from ([*parameter.opts, *parameter.secondary_opts] for parameter in command.params)
        for below in getattr(command, "commands", {}).values():
            yield from options(below)

    def is_quoted(names: list[str]) -> bool:
        return any(re.search(rf"{name}(?![\w-])", text) for name in names)

    known = [names for names in options(typer.main.get_command(app)) if names[0].startswith("--")]
    assert len(known) > 50
    assert [names for names in known if names not in shells and not is_quoted(names)] == []


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("penfold mailbx list", "no command mailbx"),
        ("sudo -u penfold /opt/penfold/.venv/bin/penfold mailbox add ada --pasword", "no option --pasword"),
        ("echo x | penfold mailbox add --generate", "not told enough"),
        ("A=1 penfold mailbox show ada eve", "takes 1 arguments, not 2"),
        ("penfold mailbox add ada --database", "has a value"),
        ("make && penfold mailbox", "a command is missing"),
        ("penfold mailbox --help more", "behind --help"),
        ("setpriv --reuid=penfold penfold serve now", "takes 0 arguments, not 1"),
    ],
)
def test_a_command_that_does_not_exist_is_found(line: str, wrong: str) -> None:
    ((words, complete),) = quoted_commands(f"```sh\n{line}\n```\n")
    (found,) = mistakes(words, complete=complete)
    assert wrong in found


def test_a_command_that_exists_is_taken() -> None:
    for line in (
        "penfold mailbox set ada --quota 5GB --add-address a@b.c --add-address=b@b.c --json  # and more",
        "penfold check first second --deep && penfold --help",
        "penfold demo --no-sample --dir x",
    ):
        commands = list(penfold_commands(line))
        assert commands
        assert [mistakes(words) for words in commands] == [[]] * len(commands)
    for line in ("systemctl restart penfold", "install -d -o penfold -g penfold /var/lib/penfold", "# penfold nothing"):
        assert list(penfold_commands(line)) == []


# ---------------------------------------------------------------------------------------------- settings and events

_NAME: Final = re.compile(rf"({'|'.join(SECTIONS)})\.([a-z][a-z_-]*)")


def events() -> set[str]:
    """The names under which the program logs."""
    found = set()
    for path in (ROOT / "adapters").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
                first, is_log = node.args[0], "log" in ast.unparse(node.func)
                is_told = node.func.attr in ("info", "warning", "error", "exception", "_log")
                if is_log and is_told and isinstance(first, ast.Constant):
                    found.add(str(first.value))
    return found


def unknown_names(text: str) -> list[str]:
    """Names like `imap.listen` that are neither a setting nor an event."""
    known = {setting.name for setting in Settings().effective()} | events()
    named = [span for span in spans(text) if _NAME.fullmatch(span)]
    return [name for name in named if name not in known]


@pytest.mark.parametrize("path", QUOTING, ids=lambda path: path.name)
def test_every_setting_that_is_named_exists(path: Path) -> None:
    assert unknown_names(path.read_text()) == []


def test_a_setting_that_does_not_exist_is_found() -> None:
    text = "`imap.listen` and `imap.listn`, `smtp.message`, `a.b`, `log.txt`\n```\n`imap.x`\n```\n"
    assert unknown_names(text) == ["imap.listn", "log.txt"]


def test_every_setting_is_in_the_guide_with_its_type_and_default() -> None:
    documented = {bare(name): (kind, bare(default)) for name, kind, default, _ in _settings_told()}
    defaults = {setting.name: setting.value for setting in Settings().effective()}
    types = {
        f"{section}.{field.name}": told_type(field.type)
        for section, kind in SECTIONS.items()
        for field in msgspec.structs.fields(kind)
    }
    assert documented == {name: (types[name], default) for name, default in defaults.items()}


def _settings_told() -> list[list[str]]:
    return rows(ADMINISTRATION.read_text(), "setting")


def told_type(kind: Any) -> str:
    """The name by which the guide calls a type."""
    plain, *about = get_args(kind) if get_origin(kind) is Annotated else (kind,)
    if get_origin(plain) is Literal:
        return ", ".join(f'`"{choice}"`' for choice in get_args(plain))
    if plain is int:
        (low,) = (part.ge for part in about if isinstance(part, Meta) and part.ge is not None)
        (high,) = (part.le for part in about if isinstance(part, Meta) and part.le is not None)
        return f"{low} to {high}"
    return TYPES[plain]


TYPES: Final[dict[Any, str]] = {
    Size: "size",
    Duration: "duration",
    HostName: "host name",
    Uri: "URI",
    Path: "path",
    Path | None: "path",
    bool: "boolean",
    str: "string",
    tuple[Endpoint, ...]: "addresses",
    tuple[Network, ...]: "networks",
    tuple[Alias, ...]: "aliases",
    tuple[Capability, ...]: "capabilities",
    tuple[ClientRule, ...]: "tables",
    tuple[UrlApplication, ...]: "tables",
    tuple[SharedFilter, ...]: "tables",
}


def test_every_event_is_in_the_guide() -> None:
    documented = {bare(name) for cells in rows(ADMINISTRATION.read_text(), "event") for name in cells[0].split(", ")}
    assert documented == events()


@pytest.mark.parametrize("path", QUOTING, ids=lambda path: path.name)
def test_every_example_of_settings_can_be_used(path: Path) -> None:
    for block in blocks(path.read_text()):
        if block.language == "toml":
            assert parse(block.text).given


def test_an_example_that_cannot_be_used_is_found() -> None:
    (block,) = blocks("```toml\n[imap]\nlisten = 143\n```\n")
    with pytest.raises(SettingsError):
        parse(block.text)


# ---------------------------------------------------------------------------------------------- what is printed

SHOWN: Final = {
    "mailbox list": list[MailboxRow],
    "mailbox show": MailboxShown,
    "database show": DatabaseShown,
    "sessions list": list[SessionRow],
    "check": Checked,
}


def keys(value: Any) -> Any:
    """The shape of what JSON holds: keys at every level, without the values."""
    if isinstance(value, dict):
        return {key: keys(below) for key, below in value.items()}
    return [keys(below) for below in value] if isinstance(value, list) else None


def test_the_examples_of_json_are_what_commands_print() -> None:
    found, command = set(), ""
    for block in blocks(ADMINISTRATION.read_text()):
        if block.language == "sh":
            command = " ".join((list(penfold_commands(block.text)) or [[""]])[-1])
        elif block.language == "json" and "event" not in block.text:
            name = next(name for name in SHOWN if command.startswith(name))
            example: object = msgspec.json.decode(block.text, type=SHOWN[name])
            assert keys(json.loads(msgspec.json.encode(example))) == keys(json.loads(block.text)), name
            found.add(name)
    assert found == set(SHOWN)


def test_the_exit_codes_are_those_of_the_program() -> None:
    known = (0, failures.REFUSED, failures.MISUSED, failures.OUT_OF_REACH, failures.BAD_SETTINGS, failures.FAULT)
    assert [int(code) for code, _ in rows(ADMINISTRATION.read_text(), "exit code")] == list(known)


def test_the_metrics_are_those_of_the_program() -> None:
    server = Server(Settings(), None, None)  # type: ignore[arg-type]  # it is not started
    documented = {bare(name) for cells in rows(ADMINISTRATION.read_text(), "metric") for name in cells[0].split(", ")}
    ours = {name for name in documented if name.startswith("penfold_")}
    assert ours == {name for name, _, _ in server._gauges()}
    collector = (ROOT / "adapters" / "server" / "metrics.py").read_text()
    assert {name.partition("_")[0] for name in documented - ours} == {"process"}
    assert "ProcessCollector" in collector


def test_what_is_told_when_something_goes_wrong_is_what_the_program_says() -> None:
    """The symptoms in code spans are parts of its messages, or stand in its replies."""
    texts: list[str] = []
    for folder in ("adapters", "protocols", "core"):
        for path in (ROOT / folder).rglob("*.py"):
            texts += [
                node.value if isinstance(node.value, str) else node.value.decode("latin-1")
                for node in ast.walk(ast.parse(path.read_text()))
                if isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes))
            ]
    said = "\n".join(texts).replace("{", "")
    symptoms = [
        symptom for row in rows(ADMINISTRATION.read_text(), "symptom") for symptom in re.findall(r"`([^`]+)`", row[0])
    ]
    assert len(symptoms) > 20
    # A path in the middle is put in by the program.
    parts = [part for symptom in symptoms for part in re.split(r"/[\w./]+", symptom) if part.strip()]
    assert [part for part in parts if part not in said] == []


# ---------------------------------------------------------------------------------------------- IMAP


def test_every_capability_is_in_the_guide_and_no_other() -> None:
    documented = [name for row in rows(IMAP.read_text(), "capability") for name in re.findall("`([^`]+)`", row[0])]
    made = {"APPENDLIMIT", "COMPRESS=DEFLATE", "LOGINDISABLED", "QUOTASET", "STARTTLS", "UNAUTHENTICATE", "URLAUTH"}
    made |= {f"AUTH={name}" for name in MECHANISMS}
    assert sorted(documented) == sorted({*ALWAYS, *AFTER_LOGIN, *made})


def test_the_clients_that_are_not_offered_all_are_those_of_the_table() -> None:
    told = rows(IMAP.read_text(), "client")
    assert len(told) == len(FAULTS)
    for (client, hidden, _, source), fault in zip(told, FAULTS, strict=True):
        assert client.startswith(fault.client.name)
        assert set(re.findall("`([^`]+)`", hidden)) == fault.hides
        assert f"({fault.since})" in source


def test_the_keys_of_a_rule_for_clients_are_all_told() -> None:
    told = {
        bare(name): kind for names, kind, _ in rows(ADMINISTRATION.read_text(), "key") for name in names.split(", ")
    }
    assert told == {field.name: told_type(field.type) for field in msgspec.structs.fields(ClientRule)}


def test_every_test_that_is_named_is_there() -> None:
    known = {path.name for folder in ("tests", "conformance") for path in (ROOT / folder).rglob("*.py")}
    named = [name for row in rows(IMAP.read_text(), "capability") for name in re.findall("`([^`]+)`", row[3])]
    assert named
    assert [name for name in named if not (ROOT / name).exists() and name not in known] == []


# ---------------------------------------------------------------------------------------------- limits and links


def wrong_limits(text: str) -> list[str]:
    wrong = []
    for file, name, value, _ in rows(text, "file"):
        module: ModuleType = import_module(bare(file).removesuffix(".py").replace("/", "."))
        place = module if bare(name).isupper() else Limits()
        if getattr(place, bare(name), None) != int(value):
            wrong.append(f"{bare(name)} is {getattr(place, bare(name), 'not there')}")
    return wrong


def test_the_limits_have_the_values_that_are_told() -> None:
    assert wrong_limits(HARDENING.read_text()) == []
    head = "| file | limit | value | bounds |\n|---|---|---|---|\n"
    assert wrong_limits(f"{head}| `core/limits.py` | `FOLDER_DEPTH` | 3 | x |") == ["FOLDER_DEPTH is 32"]
    assert wrong_limits(f"{head}| `protocols/smtp/limits.py` | `erors` | 3 | x |") == ["erors is not there"]


def anchors(text: str) -> set[str]:
    heads = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


def broken_links(path: Path, text: str) -> list[str]:
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        file, _, anchor = link.partition("#")
        target = path.parent / file if file else path
        if "://" not in link and (not target.exists() or (anchor and anchor not in anchors(target.read_text()))):
            broken.append(link)
    return broken


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(path: Path) -> None:
    assert broken_links(path, path.read_text()) == []


def test_a_link_that_leads_nowhere_is_found() -> None:
    text = (
        "[a](hardening.md) [b](hardening.md#nothing) [c](nothing.md) [d](#quotas) [e](#quota) [f](https://x.example/)"
    )
    assert broken_links(ADMINISTRATION, text) == ["hardening.md#nothing", "nothing.md", "#quota"]


# ---------------------------------------------------------------------------------------------- the unit

Directives = dict[str, list[str]]


def directives(text: str) -> dict[str, Directives]:
    """The sections of a unit of systemd; a directive may be given again."""
    sections: dict[str, Directives] = {}
    here: Directives = {}
    for line in text.splitlines():
        if found := re.fullmatch(r"\[(\w+)\]", line):
            here = sections.setdefault(found[1], {})
        elif line and not line.startswith("#"):
            name, equals, value = line.partition("=")
            assert equals, line
            assert re.fullmatch(r"[A-Z]\w+", name), line
            here.setdefault(name, []).append(value)
    return sections


def seconds(written: str) -> int:
    found = re.fullmatch(r"(\d+)(s|min)", written)
    assert found, written
    return int(found[1]) * (60 if found[2] == "min" else 1)


@pytest.fixture(scope="module")
def service() -> Directives:
    sections = directives(UNIT.read_text())
    assert list(sections) == ["Unit", "Service", "Install"]
    return sections["Service"]


def test_the_unit_starts_the_console_script(service: Directives) -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    (started,) = service["ExecStart"]
    assert Path(started.split()[0]).name in scripts
    (words,) = penfold_commands(started)
    assert mistakes(words) == []
    assert words == ["serve", "--config", str(reach.USUAL)]
    assert service["Type"] == ["notify"], "serve says READY=1"


def test_the_unit_keeps_the_data_where_the_settings_do(service: Directives) -> None:
    (name,) = service["StateDirectory"]
    assert Path("/var/lib") / name == Settings().server.data_dir


def test_the_unit_lets_a_stop_come_to_its_end(service: Directives) -> None:
    assert service["KillSignal"] == ["SIGTERM"]
    assert seconds(service["TimeoutStopSec"][0]) >= 2 * (GRACE_SECONDS + Limits().closing_seconds)
    assert service["RestartPreventExitStatus"] == [str(failures.BAD_SETTINGS)]
    assert service["KillMode"] == ["mixed"], "the supervisor ends its workers in order"


def test_the_unit_reloads(service: Directives) -> None:
    assert service["ExecReload"] == ["/bin/kill -HUP $MAINPID"]


def test_the_unit_has_a_descriptor_for_each_connection(service: Directives) -> None:
    assert int(service["LimitNOFILE"][0]) > Settings().connections.total + 2 * Limits().connections + 1000


def test_the_unit_takes_away_what_the_server_does_not_need(service: Directives) -> None:
    assert service["User"] == service["Group"] == ["penfold"]
    assert service["AmbientCapabilities"] == service["CapabilityBoundingSet"] == ["CAP_NET_BIND_SERVICE"]
    assert (service["ProtectSystem"], service["UMask"], service["LimitCORE"]) == (["strict"], ["0077"], ["0"])
    assert service["RestrictAddressFamilies"] == ["AF_INET AF_INET6 AF_UNIX"]
    assert service["SystemCallFilter"] == ["@system-service", "~@privileged @resources"]
    switches = (
        "NoNewPrivileges ProtectHome PrivateTmp PrivateDevices ProtectKernelTunables ProtectKernelModules "
        "ProtectKernelLogs ProtectControlGroups ProtectClock ProtectHostname LockPersonality MemoryDenyWriteExecute "
        "RestrictNamespaces RestrictRealtime RestrictSUIDSGID RemoveIPC"
    )
    assert {name: service.get(name) for name in switches.split()} == {name: ["yes"] for name in switches.split()}


@pytest.mark.parametrize("line", ["User", "user=penfold", "Type = notify"])
def test_a_line_that_is_no_directive_is_found(line: str) -> None:
    with pytest.raises(AssertionError):
        directives(f"[Service]\n{line}\n")
