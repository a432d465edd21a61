"""One event loop for everything: uvloop with Twisted's reactor on top of it, and the order in which it all ends."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

import uvloop
from twisted.internet import asyncioreactor, defer
from twisted.internet.error import ReactorNotRunning

from adapters.server import logs, memory

Stop = Callable[[], Awaitable[None]]


def install() -> asyncio.AbstractEventLoop:
    """Makes the loop.  Before anything imports Twisted's reactor, which parts of Twisted do when they are imported."""
    memory.tune()
    logs.adopt_twisted()
    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    asyncioreactor.install(loop)
    return loop


def run(
    loop: asyncio.AbstractEventLoop,
    main: Callable[[], Awaitable[Stop]],
    signals: Sequence[int] = (signal.SIGTERM, signal.SIGINT),
) -> int:
    """Runs a server until one of the signals or `stop`: `main` starts it and returns what stops it.  The exit code."""
    from twisted.internet import reactor as installed

    reactor: Any = installed
    task: asyncio.Task[Stop] = loop.create_task(_started(main))
    task.add_done_callback(lambda started: None if _is_up(started) else stop())

    def end() -> defer.Deferred[None]:
        return defer.Deferred.fromFuture(asyncio.ensure_future(_ended(task), loop=loop))

    reactor.addSystemEventTrigger("before", "shutdown", end)
    for number in signals:
        loop.add_signal_handler(number, stop)
    reactor.run(installSignalHandlers=False)
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
    if not task.cancelled() and (error := task.exception()) is not None:
        raise error
    return 0


async def _started(main: Callable[[], Awaitable[Stop]]) -> Stop:
    stop = await main()
    memory.freeze()
    return stop


def _is_up(task: "asyncio.Task[Stop]") -> bool:
    return not task.cancelled() and task.exception() is None


def stop() -> None:
    """Has what runs come to its end."""
    from twisted.internet import reactor as installed

    reactor: Any = installed
    with suppress(ReactorNotRunning):  # told twice; what has begun to end goes on ending
        reactor.stop()


async def _ended(task: "asyncio.Task[Stop]") -> None:
    """Ends what was started; what is still starting is broken off."""
    task.cancel()
    await asyncio.wait([task])
    if _is_up(task):
        await task.result()()
