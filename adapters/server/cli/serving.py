"""`penfold init`, `serve` and `demo`: making an installation, and running a server on one."""

import errno
import os
import socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import typer

from adapters.server.cli.failures import OutOfReach, told_in_one_line
from adapters.server.cli.options import CONFIG, DIRECTORY, Json, command
from adapters.server.cli.printing import print_json
from adapters.server.cli.reach import Place, opening
from adapters.server.config import Settings
from adapters.server.installation import NotInstalled, check_installed


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


def serve(place: Place) -> None:
    """Serve until SIGTERM or SIGINT.  Prints nothing; the log is on standard error."""
    settings = place.settings()
    _check_files(settings)
    raise typer.Exit(_serve_until_stopped(settings, _notify_ready))


def demo(
    directory: Annotated[Path, typer.Option("--dir", help="Where the demo keeps its data.")] = Path("demo"),
    port_base: Annotated[
        int, typer.Option(min=0, max=65535 - 993, help="Added to every protocol's usual port.")
    ] = 10000,
    users: Annotated[int, typer.Option(min=1, help="How many users u1, u2, ... there are.")] = 3,
    password: Annotated[str, typer.Option(help="The password of them all.")] = "pass",  # noqa: S107 - it is a demo
    sample: Annotated[bool, typer.Option(help="Whether new users find mail in their mailbox.")] = True,
) -> None:
    """Serve a made-up organization on 127.0.0.1, to try clients on."""
    from adapters.server import demo as demonstration

    def announce() -> None:
        print(demonstration.directions(port_base, users, password))
        print("ready", flush=True)

    with told_in_one_line():
        settings = demonstration.settings(directory.absolute(), port_base)
        with opening(settings.server.data_dir):
            demonstration.prepare(settings, users=users, password=password, sample=sample)
        raise typer.Exit(_serve_until_stopped(settings, announce))


def _serve_until_stopped(settings: Settings, announce: Callable[[], None]) -> int:
    """Runs a server in this process; the exit code.  Raises OutOfReach when it cannot be started."""
    from adapters.server import reactor  # only what a command needs is imported

    loop = reactor.install()
    from twisted.internet.error import CannotListenError  # and this only behind the reactor

    from adapters.server import logs
    from adapters.server.server import Server

    log = logs.configure(settings.log.format, settings.log.level)

    async def main() -> Callable[[], Awaitable[None]]:
        stop = await Server(settings, loop, log).start()
        announce()
        return stop

    with opening(settings.server.data_dir):
        try:
            return reactor.run(loop, main)
        except CannotListenError as fault:
            raise OutOfReach(_cannot_listen(fault.socketError, f"port {fault.port}: ")) from fault
        except ssl.SSLError as fault:
            raise OutOfReach(f"tls.certificate and tls.key cannot be used: {fault}") from fault
        except OSError as fault:
            if fault.filename is not None:
                raise OutOfReach(f"{fault.filename} cannot be used: {fault.strerror}") from fault
            raise OutOfReach(_cannot_listen(fault)) from fault


def _cannot_listen(fault: OSError, where: str = "") -> str:
    remedy = {
        errno.EADDRINUSE: "something else listens there: stop it, or change the `listen` settings",
        errno.EACCES: "ports below 1024 need CAP_NET_BIND_SERVICE (docs/hardening.md says how), or change the settings",
        errno.EADDRNOTAVAIL: "this machine does not have the address: change the `listen` settings",
        socket.EAI_NONAME: "change the `listen` settings",
    }.get(fault.errno or 0, "")
    return ": ".join(filter(None, (f"cannot start: {where}{fault.strerror or fault}", remedy)))


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
    if os.geteuid() == 0 and root.exists() and root.stat().st_uid != 0:
        # Files that root makes there could not be opened by their owner any more.
        raise OutOfReach(f"{root} is not root's: serve as its owner (docs/hardening.md says how)")


def _notify_ready() -> None:
    """Tells systemd that the server is up (sd_notify(3)), where systemd started it."""
    address = os.environ.pop("NOTIFY_SOCKET", "")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notification:
            notification.sendto(b"READY=1", "\0" + address[1:] if address[0] == "@" else address)
