"""Log records as single lines: ``key=value`` pairs for people with ``grep``, or JSON for log collectors."""

from __future__ import annotations

import json
import logging
import re
import time
from typing import Any, Final, Literal, TypeAlias

from gunicorn.glogging import Logger  # type: ignore[import-untyped]

LogFormat: TypeAlias = Literal["key_value", "json"]
_MOST_TRACEBACK_CHARACTERS: Final = 16_000
"""More than a traceback has whose error does not quote what a caller has sent."""
_PLAIN: Final = re.compile(r"[A-Za-z0-9_./:@%+-]+\Z")


class KeyValueFormatter(logging.Formatter):
    """Formats ``time=… level=… logger=… message="…"``; a line break inside a value is escaped, never written.

    A record about a call (``openclaw_webhooks.calls``) has the call's fields instead of a message.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return one line; an exception's traceback is its last value."""
        pairs = {**_head_of(record), **self._tell(record)}
        if record.exc_info:
            pairs["exception"] = _shorten(self.formatException(record.exc_info))
        return self._write(pairs)

    def _write(self, pairs: dict[str, Any]) -> str:
        return " ".join(f"{key}={quote(str(value))}" for key, value in pairs.items() if value is not None)

    @staticmethod
    def _tell(record: logging.LogRecord) -> dict[str, Any]:
        call: dict[str, Any] | None = getattr(record, "call", None)
        return {"message": record.getMessage()} if call is None else call


class JsonFormatter(KeyValueFormatter):
    """Formats the same as one JSON object a line."""

    def _write(self, pairs: dict[str, Any]) -> str:
        return json.dumps({key: value for key, value in pairs.items() if key != "request_id" or value is not None})


def _shorten(traceback: str) -> str:
    """Leave out the middle of what is too long: where it began and what it ended with is of use."""
    if len(traceback) <= _MOST_TRACEBACK_CHARACTERS:
        return traceback
    half = _MOST_TRACEBACK_CHARACTERS // 2
    return f"{traceback[:half]} … ({len(traceback)} characters) … {traceback[-half:]}"


def _head_of(record: logging.LogRecord) -> dict[str, Any]:
    return {
        "time": _format_moment(record.created),
        "level": record.levelname.lower(),
        "logger": record.name,
        "process": record.process,
        "request_id": getattr(record, "request_id", None) or None,
    }


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


def build_logging(log_format: LogFormat = "key_value") -> dict[str, Any]:
    """Build the ``dictConfig`` that Django and gunicorn share: everything to standard output, floods folded.

    Never below INFO, also with ``DEBUG``: Django would log every statement with its parameters.
    """
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "key_value": {"()": "project.log_lines.KeyValueFormatter"},
            "json": {"()": "project.log_lines.JsonFormatter"},
        },
        "filters": {
            "floods": {"()": "openclaw_webhooks.monitoring.floods.FloodFilter"},
            "request_ids": {"()": "openclaw_webhooks.monitoring.request_ids.RequestIdFilter"},
        },
        "handlers": {
            "stdout": {
                "class": "logging.StreamHandler",
                "formatter": log_format,
                "filters": ["floods", "request_ids"],
                "stream": "ext://sys.stdout",
            },
        },
        "root": {"level": "INFO", "handlers": ["stdout"]},
        "loggers": {
            name: {"level": "INFO", "handlers": ["stdout"], "propagate": False} for name in ("django", "gunicorn.error")
        },
    }
