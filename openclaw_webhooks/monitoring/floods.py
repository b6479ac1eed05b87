"""Folds a flood of one message: the first ones are written, the rest are counted and told with the next one.

Also bounds what a caller can write into a line: no traceback for bytes that Django or the server refuses, and no text
of the caller's own choice beyond ``MOST_CHARACTERS``.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

__all__ = ["FloodFilter"]

FREE_LINES: Final = 20
"""How many equal messages are written within the window."""
FREE_LINES_OF_ALL: Final = 200
"""How many refusals of one kind are written within the window, of all callers together."""
WINDOW_SECONDS: Final = 60.0
MOST_CHARACTERS: Final = 300
"""Of a message of Django's or of a server's, which may quote what a caller has sent."""
_MOST_MESSAGES: Final = 1000
_QUOTING: Final = ("django", "gunicorn", "uvicorn", "asyncio")
_SUSPICIOUS: Final = "django.security"
"""Where Django logs requests that it answers with 400 or 403; what it says of each quotes the request."""


@dataclass(slots=True)
class _Run:
    began_at: float
    written: int = 0
    held_back: int = 0
    """How many were not written since the last one that was."""


class FloodFilter(logging.Filter):
    """For a handler of ``logging``. Equal are records of one logger and level with one text before its arguments.

    Of calls (``openclaw_webhooks.calls``) those are equal that agree in route, status, code and client, of tracebacks
    those that end at one line. In a window of a minute the first twenty are written, and of refusals to all callers the
    first two hundred; the first one after it says how many were not. Accepted calls are always written.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with nothing seen."""
        super().__init__()
        self._clock = clock
        self._lock = threading.Lock()
        self._runs: OrderedDict[object, _Run] = OrderedDict()

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether the record is written; one that follows others held back says so in its text."""
        kinds = _kinds_of(record)
        _cut(record)
        with self._lock:
            runs = self._find_open_runs(kinds)
            if runs is None:
                return False
            held_back = sum(run.held_back for run in runs)
            for run in runs:
                run.written, run.held_back = run.written + 1, 0
        if held_back:
            _tell(record, held_back)
        return True

    def _find_open_runs(self, kinds: list[tuple[object, int]]) -> list[_Run] | None:
        """Return the run of each kind, ``None`` where one of them has no room; that one counts the record.

        A kind after one without room is not looked at, so that many callers together make no more runs than lines.
        """
        runs = []
        for kind, most in kinds:
            run = self._find_run(kind)
            if run.written >= most:
                run.held_back += 1
                return None
            runs.append(run)
        return runs

    def _find_run(self, kind: object) -> _Run:
        """Return the run of a kind, in its running window or in one that begins now."""
        now = self._clock()
        run = self._runs.get(kind)
        if run is None:
            run = self._runs[kind] = _Run(now)
        elif now - run.began_at >= WINDOW_SECONDS:
            run.began_at, run.written = now, 0
            self._runs.move_to_end(kind)
        if len(self._runs) > _MOST_MESSAGES:
            self._runs.popitem(last=False)
        return run


def _cut(record: logging.LogRecord) -> None:
    """Leave out what a caller can make long."""
    if not record.name.startswith(_QUOTING):
        return
    if record.name.startswith(_SUSPICIOUS) or getattr(record, "status_code", 500) < 500:
        record.exc_info = record.exc_text = None
    text = _format(record)
    if text is not None and len(text) > MOST_CHARACTERS:
        record.msg, record.args = "%s … (%d characters)", (text[:MOST_CHARACTERS], len(text))


def _format(record: logging.LogRecord) -> str | None:
    """Return the text, ``None`` where its arguments do not fit: that is the handler's to report."""
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):
        return None


def _kinds_of(record: logging.LogRecord) -> list[tuple[object, int]]:
    """Return what equal records agree in, the widest first, and how many of each are written.

    Nothing for a record that is always written.
    """
    call = getattr(record, "call", None)
    if call is not None:
        kind = (call["route"], call["status"], call["code"])
        is_accepted = 200 <= call["status"] < 300
        return [] if is_accepted else [(kind, FREE_LINES_OF_ALL), ((*kind, call["client"]), FREE_LINES)]
    if record.name.startswith(_SUSPICIOUS):
        return [((record.name, record.levelno), FREE_LINES)]
    return [((record.name, record.levelno, _find_error(record) or _find_text(record)), FREE_LINES)]


def _find_text(record: logging.LogRecord) -> object:
    """Return the text before its arguments; where a server has put them in itself, the line that has logged it."""
    is_put_in = not record.args and record.name.startswith(_QUOTING)
    if is_put_in or not isinstance(record.msg, str):
        return record.pathname, record.lineno
    return record.msg[:MOST_CHARACTERS]


def _find_error(record: logging.LogRecord) -> object:
    """Return the kind of an error and the line that has raised it, ``None`` for a record without one."""
    error = record.exc_info[1] if record.exc_info else None
    traceback = error.__traceback__ if error is not None else None
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    if traceback is None:
        return None if error is None else type(error)
    return type(error), traceback.tb_frame.f_code.co_filename, traceback.tb_lineno


def _tell(record: logging.LogRecord, held_back: int) -> None:
    """Note the number where the formatter finds it."""
    call = getattr(record, "call", None)
    if call is not None:
        record.call = {**call, "repeated": held_back}
    elif (text := _format(record)) is not None:
        record.msg, record.args = f"{text} (repeated {held_back} times)", ()
