"""`penfold mailbox ...`: people and their mailboxes."""

from typing import Annotated

import msgspec
import typer
from msgspec import UNSET

from adapters.server.administration.mailboxes import (
    AddMailbox,
    DisableMailbox,
    EnableMailbox,
    ListMailboxes,
    MailboxChanged,
    MailboxRow,
    MailboxShown,
    RemoveMailbox,
    SetMailbox,
    ShowMailbox,
)
from adapters.server.administration.quotas import QuotaChange, QuotaShown
from adapters.server.cli import passwords, permissions
from adapters.server.cli.failures import Misused
from adapters.server.cli.options import GENERATE, PASSWORD_STDIN, Json, command, limit
from adapters.server.cli.passwords import Password
from adapters.server.cli.printing import ended, print_facts, print_json, print_table, size
from adapters.server.cli.reach import Channel, Place, reach

app = typer.Typer(no_args_is_help=True, help="People and their mailboxes.")
app.add_typer(permissions.app, name="permission")

Alias = Annotated[str, typer.Argument(metavar="ALIAS", help="The mailbox, by its alias or one of its addresses.")]


@command(app, "add")
def add(
    place: Place,
    alias: Annotated[str, typer.Argument(metavar="ALIAS", help="Its short name, also to sign in with.")],
    address: Annotated[str, typer.Option(help="The primary address; if not given, ALIAS@ the default domain.")] = "",
    name: Annotated[str, typer.Option(help="The name to show; if not given, the alias.")] = "",
    database: Annotated[str, typer.Option(help="The mailbox database; if not given, the first.")] = "",
    password_stdin: Annotated[bool, PASSWORD_STDIN] = False,
    generate: Annotated[bool, GENERATE] = False,
    shared: Annotated[bool, typer.Option("--shared", help="Nobody can sign in to it; it has no password.")] = False,
    as_json: Json = False,
) -> None:
    """Make a mailbox.  The password is asked for, unless --password-stdin or --generate says where it is from."""
    if shared and (password_stdin or generate):
        raise Misused("a shared mailbox has no password")
    # Nothing is locked while people type.
    password = None if shared else passwords.chosen(stdin=password_stdin, generate=generate)
    with reach(place) as channel:
        mailbox = channel.ask(AddMailbox(alias, password.text if password else None, address, name, database))
    _say(mailbox, f"{mailbox.alias} has a mailbox now, and the address {mailbox.addresses[0]}", password, as_json)


def _say(mailbox: MailboxShown, text: str, password: Password | None, as_json: bool, **more: object) -> None:
    """What was done; a password that was made up is shown this once."""
    if password is not None and password.is_made_up:
        more["password"] = password.text
        text += f"\nIts password is {password.text}"
    if as_json:
        print_json({**msgspec.to_builtins(mailbox), **more})
    else:
        print(text)


@command(app, "list")
def list_all(place: Place, as_json: Json = False) -> None:
    """List all mailboxes."""
    with reach(place) as channel:
        rows = _all(channel)
    if as_json:
        print_json(rows)
    else:
        columns = ("ALIAS", "NAME", "ADDRESS", "DATABASE", "ENABLED")
        print_table(columns, ((row.alias, row.name, row.address, row.database, row.enabled) for row in rows))


def _all(channel: Channel) -> list[MailboxRow]:
    page = channel.ask(ListMailboxes())
    rows = page.mailboxes
    while page.more_after is not None:
        page = channel.ask(ListMailboxes(page.more_after))
        rows += page.mailboxes
    return rows


@command(app, "show")
def show(place: Place, alias: Alias, as_json: Json = False) -> None:
    """Show all of a mailbox: addresses, quota and where it comes from, how full it is, folders."""
    with reach(place) as channel:
        mailbox = channel.ask(ShowMailbox(alias))
    if as_json:
        print_json(mailbox)
        return
    print_facts(
        (
            ("Alias", mailbox.alias),
            ("Name", mailbox.name),
            ("Enabled", mailbox.enabled),
            ("Shared", mailbox.shared),
            ("Addresses", ", ".join(mailbox.addresses)),
            ("Database", mailbox.database),
            ("Made at", mailbox.created_at),
            *quota_facts(mailbox.quota),
            ("Messages", mailbox.messages),
            ("Size", size(mailbox.used_bytes)),
        )
    )
    print()
    rows = ((row.path, row.messages, row.unseen, size(row.bytes), row.special_use) for row in mailbox.folders or ())
    print_table(("FOLDER", "MESSAGES", "UNSEEN", "SIZE", "USE"), rows, right=("MESSAGES", "UNSEEN", "SIZE"))


def quota_facts(quota: QuotaShown) -> tuple[tuple[str, object], ...]:
    """The three limits, and whose they are."""
    return (
        ("Quota", f"{size(quota.prohibit_all, none='none')} (of the {quota.source})"),
        ("  no sending from", size(quota.prohibit_send, none="none")),
        ("  warning from", size(quota.warn, none="none")),
    )


QuotaOption = Annotated[
    str | None,
    typer.Option("--quota", metavar="SIZE", help='Where nothing more comes in, as "2GB"; "none" for no limit.'),
]
QuotaSendOption = Annotated[
    str | None, typer.Option("--quota-send", metavar="SIZE", help="Where sending ends; or none.")
]
QuotaWarnOption = Annotated[str | None, typer.Option("--quota-warn", metavar="SIZE", help="Where warnings begin.")]


def quota_change(whole: str | None, send: str | None, warn: str | None) -> QuotaChange:
    """What the three options say.  Raises Misused."""
    return QuotaChange(
        warn=UNSET if warn is None else limit(warn),
        prohibit_send=UNSET if send is None else limit(send),
        prohibit_all=UNSET if whole is None else limit(whole),
    )


@command(app, "set")
def change(
    place: Place,
    alias: Alias,
    name: Annotated[str | None, typer.Option(help="The name to show.")] = None,
    quota: QuotaOption = None,
    quota_send: QuotaSendOption = None,
    quota_warn: QuotaWarnOption = None,
    use_database_quota: Annotated[bool, typer.Option("--use-database-quota", help="No quota of its own.")] = False,
    add_address: Annotated[list[str] | None, typer.Option(help="One more address; may be given again.")] = None,
    remove_address: Annotated[list[str] | None, typer.Option(help="One address less; may be given again.")] = None,
    primary_address: Annotated[str | None, typer.Option(help="The address to show; the old one stays.")] = None,
    ask_password: Annotated[bool, typer.Option("--password", help="Ask for a new password.")] = False,
    password_stdin: Annotated[bool, PASSWORD_STDIN] = False,
    generate: Annotated[bool, GENERATE] = False,
    as_json: Json = False,
) -> None:
    """Change a mailbox, at once.  A new password ends the sessions that are signed in."""
    wanted = SetMailbox(
        alias,
        name=name,
        quota=quota_change(quota, quota_send, quota_warn),
        use_database_quota=use_database_quota,
        add_addresses=tuple(add_address or ()),
        remove_addresses=tuple(remove_address or ()),
        primary_address=primary_address,
    )
    has_password = ask_password or password_stdin or generate
    if not has_password and wanted == SetMailbox(alias):
        raise Misused("nothing to change: see `penfold mailbox set --help`")
    password = passwords.chosen(stdin=password_stdin, generate=generate) if has_password else None
    with reach(place) as channel:
        changed = channel.ask(msgspec.structs.replace(wanted, password=password.text if password else None))
    _say_changed(changed, "is changed", as_json, password)


def _say_changed(changed: MailboxChanged, what: str, as_json: bool, password: Password | None = None) -> None:
    text = f"{changed.mailbox.alias} {what}{ended(changed.sessions_ended)}"
    _say(changed.mailbox, text, password, as_json, sessions_ended=changed.sessions_ended)


@command(app, "disable")
def disable(place: Place, alias: Alias, as_json: Json = False) -> None:
    """Nobody can sign in, and no mail comes in; what is in the mailbox stays.  Ends its sessions."""
    with reach(place) as channel:
        _say_changed(channel.ask(DisableMailbox(alias)), "is disabled", as_json)


@command(app, "enable")
def enable(place: Place, alias: Alias, as_json: Json = False) -> None:
    """Undo `disable`."""
    with reach(place) as channel:
        _say_changed(channel.ask(EnableMailbox(alias)), "is enabled", as_json)


@command(app, "rm")
def remove(
    place: Place,
    alias: Alias,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Remove a mailbox, with all the mail in it, for good."""
    if not yes:
        with reach(place) as channel:
            mailbox = channel.ask(ShowMailbox(alias))
        typer.confirm(f"Remove {mailbox.alias} with {mailbox.messages} messages, for good?", abort=True, err=True)
    with reach(place) as channel:
        _say_changed(channel.ask(RemoveMailbox(alias)), "is gone", as_json)
