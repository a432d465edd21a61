"""Options that many commands have, and the way in which a command is added with them."""

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Concatenate, Final, ParamSpec

import typer

from adapters.server.cli.failures import Misused, told_in_one_line
from adapters.server.cli.reach import Place
from adapters.server.config import Size

P = ParamSpec("P")

JSON: Final = typer.Option("--json", help="Print JSON, for programs.")
CONFIG: Final = typer.Option(
    "--config",
    envvar="PENFOLD_CONFIG",
    show_default="/etc/penfold/penfold.toml",
    readable=False,  # that is told later, with the remedy and the right exit code
    help="The settings file.",
)
DIRECTORY: Final = typer.Option("--dir", readable=False, help="The directory of an installation, in place of --config.")
PASSWORD_STDIN: Final = typer.Option("--password-stdin", help="Read the password from the first line of the input.")
GENERATE: Final = typer.Option("--generate", help="Make a password up and print it.")

Json = Annotated[bool, JSON]

_PLACE: Final = (
    inspect.Parameter(
        "config", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[Path | None, CONFIG]
    ),
    inspect.Parameter(
        "directory", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[Path | None, DIRECTORY]
    ),
)


def command(
    app: typer.Typer, name: str
) -> Callable[[Callable[Concatenate[Place, P], None]], Callable[Concatenate[Place, P], None]]:
    """Adds a command whose first parameter is the installation, which --config or --dir name."""

    def add(run: Callable[Concatenate[Place, P], None]) -> Callable[Concatenate[Place, P], None]:
        own = list(inspect.signature(run).parameters.values())[1:]

        @functools.wraps(run)
        def command(*, config: Path | None, directory: Path | None, **given: Any) -> None:
            with told_in_one_line():
                run(_place(config, directory), **given)  # type: ignore[call-arg]

        # typer makes options of what it sees here.
        parameters = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in (*own, *_PLACE)]
        vars(command).pop("__wrapped__")
        vars(command)["__signature__"] = inspect.Signature(parameters)
        command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        app.command(name)(command)
        return run

    return add


def _place(config: Path | None, directory: Path | None) -> Place:
    # The directory is named by hand; the settings file may come from the environment.
    return Place(None, directory) if directory is not None else Place(config)


def limit(written: str) -> int | None:
    """A size, or "none" for no limit."""
    if written.strip().lower() == "none":
        return None
    try:
        return int(Size.read(written))
    except ValueError as wrong:
        raise Misused(f'{wrong} or "none", not {written!r}') from wrong
