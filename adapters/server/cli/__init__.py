"""The `penfold` command."""

import os
import sys
from typing import Annotated

import typer

from adapters.server.cli import (
    checking,
    databases,
    domains,
    groups,
    mailboxes,
    publicfolders,
    serving,
    sessions,
    settings,
)
from adapters.server.cli.options import JSON
from adapters.server.cli.printing import print_json

app = typer.Typer(
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Penfold, a mailbox server.",
    epilog="Exit codes: 0 done, 1 refused, not found or broken, 2 misused, 3 out of reach or locked, 4 bad settings, "
    "5 a fault of Penfold's.",
)
serving.add_to(app)
app.add_typer(mailboxes.app, name="mailbox")
app.add_typer(groups.app, name="group")
app.add_typer(publicfolders.app, name="public-folder")
app.add_typer(databases.app, name="database")
app.add_typer(domains.app, name="domain")
app.add_typer(sessions.app, name="sessions")
checking.add_to(app)
settings.add_to(app)


@app.command()
def version(as_json: Annotated[bool, JSON] = False) -> None:
    """Print the version."""
    from importlib.metadata import version as installed  # only what a command needs is imported

    number = installed("penfold")
    if as_json:
        print_json({"version": number})
    else:
        print(number)


def main() -> None:
    """The console script."""
    # What is in a data directory is for its owner; a group may be let in, to reach the LMTP socket.
    os.umask(os.umask(0o077) | 0o027)
    sys.exit(app())
