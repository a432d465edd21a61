"""The `penfold` command."""

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False, help=__doc__)


def serve_until_stopped(settings: Any, announce: Callable[[], None]) -> int:
    """Runs a server in this process."""
    from adapters.server import reactor

    loop = reactor.install()
    from adapters.server import logs
    from adapters.server.server import Server

    log = logs.configure(settings.log.format, settings.log.level)

    async def main() -> Callable[[], Awaitable[None]]:
        stop = await Server(settings, loop, log).start()
        announce()
        return stop

    return reactor.run(loop, main)


@app.command()
def version() -> None:
    """Print the version."""
    from importlib.metadata import version as installed

    print(installed("penfold"))


@app.command()
def demo(
    directory: Annotated[Path, typer.Option("--dir", help="Where the demo keeps its data.")] = Path("demo"),
    port_base: Annotated[int, typer.Option(help="Added to every protocol's usual port.")] = 10000,
    users: Annotated[int, typer.Option(help="How many users u1, u2, ... there are.")] = 3,
    password: Annotated[str, typer.Option(help="The password of them all.")] = "pass",  # noqa: S107 - it is a demo
    sample: Annotated[bool, typer.Option(help="Whether new users find mail in their mailbox.")] = True,
) -> None:
    """Serve a made-up organization on 127.0.0.1, to try clients on."""
    from adapters.server import demo as demonstration

    settings = demonstration.settings(directory.absolute(), port_base)
    demonstration.prepare(settings, users=users, password=password, sample=sample)

    def announce() -> None:
        print(demonstration.directions(port_base, users, password))
        print("ready", flush=True)

    raise typer.Exit(serve_until_stopped(settings, announce))


def main() -> None:
    """The console script."""
    sys.exit(app())


if __name__ == "__main__":
    main()
