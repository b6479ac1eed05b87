"""Log records as single lines of ``key=value`` pairs, for people with ``grep`` and for log collectors alike."""

from __future__ import annotations

import json
import logging
import re
import time
from typing import Any, Final

from gunicorn.glogging import Logger  # type: ignore[import-untyped]

_PLAIN: Final = re.compile(r"[A-Za-z0-9_./:@%+-]+\Z")


class KeyValueFormatter(logging.Formatter):
    """Formats ``time=… level=… logger=… message="…"``; a line break inside a value is escaped, never written."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line; an exception's traceback is its last value."""
        pairs = {
            "time": self._format_moment(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "process": str(record.process),
            "message": record.getMessage(),
        }
        if record.exc_info:
            pairs["exception"] = self.formatException(record.exc_info)
        return " ".join(f"{key}={quote(value)}" for key, value in pairs.items())

    @staticmethod
    def _format_moment(seconds: float) -> str:
        """Write Unix seconds as RFC 3339 in UTC, to the millisecond."""
        whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
        return f"{whole}.{int(seconds * 1000) % 1000:03d}Z"


def quote(value: str) -> str:
    """Return the value bare where that is unambiguous, else as a JSON string in ASCII: no terminal obeys it."""
    return value if _PLAIN.match(value) else json.dumps(value)


class GunicornLogger(Logger):  # type: ignore[misc]
    """Gunicorn's log without its access lines: the app records calls.

    ``accesslog = None`` does not switch them off where ``logconfig_dict`` is given: each request would still pay some
    80 microseconds for a line that no handler writes.
    """

    access_log_enabled = False


def build_logging() -> dict[str, Any]:
    """Build the ``dictConfig`` that Django and gunicorn share: everything to standard output.

    Never below INFO, also with ``DEBUG``: Django would log every statement with its parameters.
    """
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"key_value": {"()": "project.log_lines.KeyValueFormatter"}},
        "handlers": {
            "stdout": {"class": "logging.StreamHandler", "formatter": "key_value", "stream": "ext://sys.stdout"},
        },
        "root": {"level": "INFO", "handlers": ["stdout"]},
        "loggers": {
            name: {"level": "INFO", "handlers": ["stdout"], "propagate": False} for name in ("django", "gunicorn.error")
        },
    }
