"""What `penfold init` makes, in an order in which a second try finds what the first has left."""

import os
import shlex
import sys
from pathlib import Path
from typing import Any, Final

import typer
from msgspec import Struct

from adapters.server.administration.context import Request
from adapters.server.administration.databases import AddDatabase, AddDomain, ListDatabases, ListDomains
from adapters.server.administration.mailboxes import ListMailboxes
from adapters.server.cli.failures import Misused
from adapters.server.cli.reach import SETTINGS_FILE, USUAL, Channel, reach_or_make
from adapters.server.config import Settings, example, load
from adapters.server.trouble import OutOfReach
from core.recipients import check_domain

_ORGANIZATION: Final = "organization.db"


class Initialised(Struct, frozen=True):
    """An installation as it is now."""

    settings_file: str
    data_dir: str
    domains: list[str]
    databases: list[str]
    certificate: str
    made: list[str]  # which of these were not there before: "settings_file", "domain", ...
    has_mailboxes: bool


def initialise(config: Path | None, directory: Path | None, *, domain: str, hostname: str) -> Initialised:
    """Raises SettingsError, OutOfReach, Misused, InvalidAddress."""
    file = (config or (directory / SETTINGS_FILE if directory else USUAL)).absolute()
    made = []
    settings = load(file) if os.path.lexists(file) else None
    if settings is not None and directory and settings.server.data_dir != directory.absolute():
        raise Misused(f"{file} has server.data_dir = {settings.server.data_dir}, not {directory.absolute()}")
    root = settings.server.data_dir if settings else directory.absolute() if directory else Settings().server.data_dir
    if not (root / _ORGANIZATION).exists():
        domain = domain or _ask_domain()
    if domain:
        check_domain(domain)  # before anything is made
    if settings is None:
        settings = _write_settings(file, root, hostname)
        made.append("settings_file")
    with reach_or_make(settings, create=True) as channel:
        made += _fill(channel, domain)
        return _initialised(channel, file, settings, made)


def _ask_domain() -> str:
    if not sys.stdin.isatty():
        raise Misused("nobody can be asked for the domain here: say --domain example.com")
    own = os.uname().nodename.partition(".")[2]
    return str(typer.prompt("The domain whose mail is ours", default=own or None))


def _write_settings(file: Path, root: Path, hostname: str) -> Settings:
    given = {"server_data_dir": root} | ({"server_hostname": hostname} if hostname else {})
    try:
        if not file.parent.exists():
            file.parent.mkdir(parents=True)
            file.parent.chmod(0o750 if file.parent.absolute() == root else 0o755)
        with file.open("x", encoding="utf-8") as new:
            new.write(example(**given))
        file.chmod(0o644)  # there is no secret in it, and the server may be another account than we are
    except OSError as fault:
        raise OutOfReach(f"{file} cannot be written ({fault.strerror}): be root, or say --dir DIR") from fault
    return load(file)


def _fill(channel: Channel, domain: str) -> list[str]:
    """Each step as an administrator would take it; what was missing."""
    from adapters.server.installation import FIRST_DATABASE  # slow to import, and seldom needed

    steps: list[tuple[str, bool, Request[Any]]] = [
        ("database", bool(channel.ask(ListDatabases())), AddDatabase(FIRST_DATABASE)),
        ("domain", not domain or domain in [row.domain for row in channel.ask(ListDomains())], AddDomain(domain)),
    ]
    missing = [(name, step) for name, is_there, step in steps if not is_there]
    for _, step in missing:
        channel.ask(step)
    return [name for name, _ in missing]


def _initialised(channel: Channel, file: Path, settings: Settings, made: list[str]) -> Initialised:
    root = settings.server.data_dir
    return Initialised(
        settings_file=str(file),
        data_dir=str(root),
        domains=[row.domain for row in channel.ask(ListDomains())],
        databases=[database.name for database in channel.ask(ListDatabases())],
        certificate=str(settings.tls.certificate or root / "tls" / "certificate.pem"),
        made=made,
        has_mailboxes=bool(channel.ask(ListMailboxes()).mailboxes),
    )


def told(now: Initialised) -> str:
    """What there is, and what to do next."""
    place = "" if now.settings_file == str(USUAL) else f" --config {shlex.quote(now.settings_file)}"
    steps = [
        f"# A mailbox; asks for its password.\npenfold mailbox add ada{place}",
        f"# Mail for postmaster needs a reader (RFC 5321).\npenfold mailbox add postmaster{place}",
        f"# Until it is stopped.\npenfold serve{place}",
    ]
    is_self_signed = now.certificate.startswith(now.data_dir)
    return "\n".join(
        (
            f"Settings      {now.settings_file}",
            f"Data          {now.data_dir}",
            f"Domains       {', '.join(now.domains)}",
            f"Databases     {', '.join(now.databases)}",
            f"Certificate   {now.certificate}",
            *(["              (self-signed: clients will ask; [tls] is for a better one)"] if is_self_signed else []),
            "",
            "Everything was there already." if not now.made else "Next:",
            *(steps[2 if now.has_mailboxes else 0 :] if now.made else []),
        )
    )
