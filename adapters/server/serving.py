"""Serving until told to stop: one process that is the whole server, or a supervisor with its workers."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable

import uvloop
from structlog.typing import FilteringBoundLogger

from adapters.server import logs, trouble
from adapters.server.config import Settings, SettingsError, renewed
from adapters.server.trouble import OutOfReach

Stop = Callable[[], Awaitable[None]]
Read = Callable[[], Settings]


def serve(settings: Settings, *, workers: int | None, read: Read, announce: Callable[[], None]) -> int:
    """Serves until SIGTERM or SIGINT; the exit code.  Raises OutOfReach, DatabaseLocked when it cannot be started.

    On SIGHUP the settings are read again.  `announce` is called once when clients can come.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until there is something that can be told
    count = workers or settings.server.workers or len(os.sched_getaffinity(0))
    log = logs.configure(settings.log.format, settings.log.level)
    with trouble.serving(settings.server.data_dir):
        return (_alone if count == 1 else _supervised(count))(settings, read, announce, log)


def _alone(settings: Settings, read: Read, announce: Callable[[], None], log: FilteringBoundLogger) -> int:
    from adapters.server import reactor

    loop = reactor.install()
    from adapters.server.server import Server  # behind the reactor

    server = Server(settings, loop, log)

    async def main() -> Stop:
        stop = await server.start()
        loop.add_signal_handler(signal.SIGHUP, renew)
        announce()
        return stop

    def renew() -> None:
        if (fresh := _read_again(server.installation.settings, read, log)) is not None:
            server.renew(fresh)

    return reactor.run(loop, main)


def _supervised(workers: int) -> Callable[..., int]:
    def run(settings: Settings, read: Read, announce: Callable[[], None], log: FilteringBoundLogger) -> int:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_supervise(settings, workers, read, announce, log))

    return run


async def _supervise(
    settings: Settings, workers: int, read: Read, announce: Callable[[], None], log: FilteringBoundLogger
) -> int:
    from adapters.server.workers.supervisor import Supervisor

    loop, told = asyncio.get_running_loop(), asyncio.Event()
    supervisor = Supervisor(settings, workers, loop, log)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)

    def renew() -> None:
        if (fresh := _read_again(supervisor.settings, read, log)) is not None:
            supervisor.renew(fresh)

    starting = asyncio.create_task(supervisor.start())
    stopping = asyncio.create_task(told.wait())
    await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        await asyncio.wait([starting])
        return 0
    stop = starting.result()
    loop.add_signal_handler(signal.SIGHUP, renew)
    announce()
    await stopping
    await stop()
    return 0


def _read_again(running: Settings, read: Read, log: FilteringBoundLogger) -> Settings | None:
    """The settings to go on with; None: what there is cannot be read, and all stays as it is."""
    try:
        settings, waiting = renewed(running, read())
    except (SettingsError, OutOfReach, OSError) as wrong:
        log.error("settings.refused", reason=str(wrong))
        return None
    if waiting:
        log.warning("settings.wait-for-restart", names=waiting)
    return settings
