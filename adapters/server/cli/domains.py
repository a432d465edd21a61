"""`penfold domain ...`: the domains whose mail is ours."""

from typing import Annotated

import typer

from adapters.server.administration.databases import AddDomain, DomainRow, ListDomains, RemoveDomain
from adapters.server.cli.options import Json, command
from adapters.server.cli.printing import print_json, print_table
from adapters.server.cli.reach import Place, reach

app = typer.Typer(no_args_is_help=True, help="The domains whose mail is ours.")


@command(app, "list")
def list_all(place: Place, as_json: Json = False) -> None:
    """List all domains."""
    with reach(place) as channel:
        _print(channel.ask(ListDomains()), as_json)


@command(app, "add")
def add(
    place: Place,
    domain: Annotated[str, typer.Argument(metavar="DOMAIN", help="Such as example.com.")],
    default: Annotated[bool, typer.Option("--default", help="Let new mailboxes have addresses in it.")] = False,
    as_json: Json = False,
) -> None:
    """From now on mail for a domain is ours; or make one the default."""
    with reach(place) as channel:
        _print(channel.ask(AddDomain(domain, default)), as_json)


@command(app, "rm")
def remove(
    place: Place,
    domain: Annotated[str, typer.Argument(metavar="DOMAIN", help="Such as example.com.")],
    as_json: Json = False,
) -> None:
    """From now on mail for a domain is not ours.  Nobody may have an address in it."""
    with reach(place) as channel:
        _print(channel.ask(RemoveDomain(domain)), as_json)


def _print(domains: list[DomainRow], as_json: bool) -> None:
    if as_json:
        print_json(domains)
    else:
        print_table(("DOMAIN", "DEFAULT"), ((row.domain, row.default) for row in domains))
