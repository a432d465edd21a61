"""Logging: structlog events as JSON lines or for a console; Python's and Twisted's own logs come out the same way.

Events carry a connection number, never passwords or message text.
"""

import logging
import sys
from typing import Any, Literal

import structlog
from structlog.typing import FilteringBoundLogger

Format = Literal["json", "console"]


def configure(form: Format, level: str) -> FilteringBoundLogger:
    """Sets logging up for the whole process; the logger to pass around."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    # Plain tracebacks: those with local variables would show passwords and mail.
    plain = structlog.dev.plain_traceback
    render: Any = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)
    if form == "json":
        shared.append(structlog.processors.format_exc_info)
        render = structlog.processors.JSONRenderer(default=str)
    threshold = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    foreign = structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[_drop_internal, render])
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(foreign)
    logging.basicConfig(handlers=[handler], level=max(threshold, logging.WARNING), force=True)
    logger: FilteringBoundLogger = structlog.get_logger()
    return logger


def adopt_twisted() -> None:
    """What Twisted logs comes out the same way; for a process that has it."""
    from twisted.logger import STDLibLogObserver, globalLogBeginner

    globalLogBeginner.beginLoggingTo([STDLibLogObserver()], redirectStandardIO=False, discardBuffer=True)


def _drop_internal(_logger: Any, _method: str, event: Any) -> Any:
    return structlog.stdlib.ProcessorFormatter.remove_processors_meta(_logger, _method, event)
