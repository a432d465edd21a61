"""One event loop for everything: uvloop with Twisted's reactor on top of it, and the order in which it all ends."""

import asyncio
import gc
import signal
from collections.abc import Awaitable, Callable
from typing import Any

import uvloop
from twisted.internet import asyncioreactor, defer

FROZEN_GENERATIONS = (50_000, 20, 50)  # collect rarely: sessions are few cycles, and a full collection stalls them all


Stop = Callable[[], Awaitable[None]]


def install() -> asyncio.AbstractEventLoop:
    """Makes the loop.  Before anything imports Twisted's reactor, which parts of Twisted do when they are imported."""
    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    asyncioreactor.install(loop)
    return loop


def run(loop: asyncio.AbstractEventLoop, main: Callable[[], Awaitable[Stop]]) -> int:
    """Runs a server until SIGTERM or SIGINT: `main` starts it and returns what stops it.  The exit code."""
    from twisted.internet import reactor as installed

    reactor: Any = installed
    gc.set_threshold(*FROZEN_GENERATIONS)
    outcome = {"code": 0}

    def began(task: "asyncio.Task[Stop]") -> None:
        if task.cancelled() or task.exception() is not None:
            outcome["code"], outcome["error"] = 1, task.exception()  # type: ignore[assignment]
            reactor.stop()
            return
        stop = task.result()

        def end() -> defer.Deferred[None]:
            return defer.Deferred.fromFuture(asyncio.ensure_future(stop(), loop=loop))

        reactor.addSystemEventTrigger("before", "shutdown", end)
        gc.collect()
        gc.freeze()  # what lives from the start on need not be looked at again

    reactor.callWhenRunning(lambda: asyncio.ensure_future(main(), loop=loop).add_done_callback(began))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, reactor.stop)
    reactor.run(installSignalHandlers=False)
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
    if (error := outcome.get("error")) is not None:
        raise error  # type: ignore[misc]
    return outcome["code"]
