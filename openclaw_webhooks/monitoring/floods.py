"""Folds a flood of one message: the first ones are written, the rest are counted and told with the next one."""

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
WINDOW_SECONDS: Final = 60.0
_MOST_MESSAGES: Final = 1000


@dataclass(slots=True)
class _Run:
    began_at: float
    written: int = 0
    held_back: int = 0


class FloodFilter(logging.Filter):
    """For a handler of ``logging``. Equal are records of one logger and level with one text before its arguments.

    Of calls (``openclaw_webhooks.calls``) those are equal that agree in route, status, code and client. In a window of
    a minute the first twenty are written; the first one after it says how many were not. Accepted calls and errors
    with a traceback are always written.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with nothing seen."""
        super().__init__()
        self._clock = clock
        self._lock = threading.Lock()
        self._runs: OrderedDict[object, _Run] = OrderedDict()

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether the record is written; one that follows others held back says so in its text."""
        kind = None if record.exc_info else _kind_of(record)
        if kind is None:
            return True
        with self._lock:
            run, held_back = self._find_run(kind)
            if run.written >= FREE_LINES:
                run.held_back += 1
                return False
            run.written += 1
        if held_back:
            _tell(record, held_back)
        return True

    def _find_run(self, kind: object) -> tuple[_Run, int]:
        """Return the running window, and how many the one before it held back where it has just begun."""
        now = self._clock()
        last = self._runs.get(kind)
        if last is not None and now - last.began_at < WINDOW_SECONDS:
            return last, 0
        run = self._runs[kind] = _Run(now)
        self._runs.move_to_end(kind)
        if len(self._runs) > _MOST_MESSAGES:
            self._runs.popitem(last=False)
        return run, last.held_back if last is not None else 0


def _kind_of(record: logging.LogRecord) -> object:
    """Return what equal records agree in, ``None`` for one that nothing holds back."""
    call = getattr(record, "call", None)
    if call is None:
        return record.name, record.levelno, record.msg
    return (call["route"], call["status"], call["code"], call["client"]) if call["status"] >= 400 else None


def _tell(record: logging.LogRecord, held_back: int) -> None:
    """Note the number where the formatter finds it."""
    call = getattr(record, "call", None)
    if call is not None:
        record.call = {**call, "repeated": held_back}
    else:
        record.msg = f"{record.getMessage()} (repeated {held_back} times)"
        record.args = ()
