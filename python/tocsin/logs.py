"""Logs: structlog for the whole process: readable lines on a terminal, one JSON object a line anywhere else.

Nothing here or elsewhere logs a token; fields that could hold one are masked all the same.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO, cast

import structlog
from structlog.typing import Processor

from tocsin.config import Settings
from tocsin.figures import family

_SECRETS = frozenset({"token", "authorization", "password", "control_token"})


class _Lenient:
    """A stream whose troubles concern nobody who logs: what does not fit on a full disk is counted, and gone."""

    lost = 0

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def write(self, text: str) -> int:
        try:
            return self._out.write(text)
        except OSError:
            _Lenient.lost += 1
            return len(text)

    def flush(self) -> None:
        try:
            self._out.flush()
        except OSError:
            _Lenient.lost += 1

    def isatty(self) -> bool:
        return self._out.isatty()


def log_figures() -> str:
    """Return what was lost of this process's logs, in Prometheus' text format."""
    name = "tocsin_log_failures_total"
    return family(
        name, "counter", "Writes to the log that failed, and whose lines may be lost", [f"{name} {_Lenient.lost}"]
    )


def configure_logs(settings: Settings, stream: TextIO | None = None) -> None:
    """Send all logs, structlog's and the standard library's, to `stream` (stderr unless given)."""
    out = cast(TextIO, _Lenient(sys.stderr if stream is None else stream))
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    console = settings.log_format == "console" or (settings.log_format == "auto" and out.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        mask_secrets,
    ]
    last: list[Processor] = (
        [structlog.dev.ConsoleRenderer(colors=out.isatty())]
        if console
        else [structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # What libraries tell at their info level is of no use to whoever runs a node.
    root.setLevel(max(level, logging.WARNING))


def mask_secrets(logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Mask fields that are named like secrets."""
    for name in event.keys() & _SECRETS:
        event[name] = "***"
    return event
