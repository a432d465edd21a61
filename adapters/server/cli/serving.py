"""`penfold init`, `serve` and `demo`: making an installation, and running a server on one."""

import os
import socket
from pathlib import Path
from typing import Annotated

import typer

from adapters.server.cli.failures import told_in_one_line
from adapters.server.cli.options import CONFIG, DIRECTORY, Json, command
from adapters.server.cli.printing import print_json
from adapters.server.cli.reach import Place
from adapters.server.config import Settings
from adapters.server.installation import NotInstalled, check_installed
from adapters.server.trouble import OutOfReach, is_roots_trap, opening


def add_to(app: typer.Typer) -> None:
    """The three commands."""
    app.command("init")(init)
    command(app, "serve")(serve)
    app.command("demo")(demo)


def init(
    config: Annotated[Path | None, CONFIG] = None,
    directory: Annotated[Path | None, DIRECTORY] = None,
    domain: Annotated[str, typer.Option(help="The first domain whose mail is ours; asked for if not given.")] = "",
    hostname: Annotated[str, typer.Option(help="The server's name on the network; if not given, the machine's.")] = "",
    as_json: Json = False,
) -> None:
    """Make an installation: settings, organization, mailbox database, certificate.  What is there already stays."""
    from adapters.server.cli import initialising

    with told_in_one_line():
        made = initialising.initialise(config, directory, domain=domain, hostname=hostname)
        if as_json:
            print_json(made)
        else:
            print(initialising.told(made))


def serve(
    place: Place,
    workers: Annotated[
        int | None, typer.Option(min=1, max=64, help="In place of the setting `server.workers`.")
    ] = None,
) -> None:
    """Serve until SIGTERM or SIGINT; SIGHUP reads the settings again.  The log is on standard error."""
    from adapters.server import serving  # only what a command needs is imported

    settings = place.settings()
    _check_files(settings)
    raise typer.Exit(serving.serve(settings, workers=workers, read=place.settings, announce=_notify_ready))


def demo(
    directory: Annotated[Path, typer.Option("--dir", help="Where the demo keeps its data.")] = Path("demo"),
    port_base: Annotated[
        int, typer.Option(min=0, max=65535 - 993, help="Added to every protocol's usual port.")
    ] = 10000,
    users: Annotated[int, typer.Option(min=1, help="How many users u1, u2, ... there are.")] = 3,
    password: Annotated[str, typer.Option(help="The password of them all.")] = "pass",  # noqa: S107 - it is a demo
    sample: Annotated[bool, typer.Option(help="Whether new users find mail in their mailbox.")] = True,
    workers: Annotated[int | None, typer.Option(min=1, max=64, help="How many processes; one for each core.")] = None,
) -> None:
    """Serve a made-up organization on 127.0.0.1, to try clients on."""
    from adapters.server import demo as demonstration
    from adapters.server import serving

    def announce() -> None:
        print(demonstration.directions(port_base, users, password))
        print("ready", flush=True)

    with told_in_one_line():
        settings = demonstration.settings(directory.absolute(), port_base)
        with opening(settings.server.data_dir):
            demonstration.prepare(settings, users=users, password=password, sample=sample)
        raise typer.Exit(serving.serve(settings, workers=workers, read=lambda: settings, announce=announce))


def _check_files(settings: Settings) -> None:
    """What would fail later, or harm."""
    root = settings.server.data_dir
    try:
        check_installed(root)
    except NotInstalled as no:
        raise OutOfReach(str(no)) from no
    for path in filter(None, (settings.tls.certificate, settings.tls.key)):
        try:
            path.open("rb").close()
        except OSError as fault:
            raise OutOfReach(f"{path} cannot be read: {fault.strerror}") from fault
    if is_roots_trap(root):
        raise OutOfReach(f"{root} is not root's: serve as its owner (docs/hardening.md says how)")


def _notify_ready() -> None:
    """Tells systemd that the server is up (sd_notify(3)), where systemd started it."""
    address = os.environ.pop("NOTIFY_SOCKET", "")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notification:
            notification.sendto(b"READY=1", "\0" + address[1:] if address[0] == "@" else address)
