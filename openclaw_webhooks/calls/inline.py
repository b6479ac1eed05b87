"""Writes the record of a call in the thread that made it, for tests: the row is in the test's own transaction."""

from __future__ import annotations

import logging
import threading

from django.db import Error, connections

from openclaw_webhooks.calls.batch import Batch
from openclaw_webhooks.calls.record import CallRecord
from openclaw_webhooks.calls.writer import write_batch

_logger = logging.getLogger("openclaw_webhooks.calls")


class InlineRecorder:
    """A sink that writes at once and stands for ``recorder.CallRecorder``.

    Attributes:
        dropped: How many records were not written.
    """

    waiting = 0

    def __init__(self, *, using: str = "default") -> None:
        """Open nothing. ``using`` is the alias of the database."""
        self._using = using
        # The threads of a test's live server share one connection where the database is in memory.
        self._lock = threading.Lock()
        self.dropped = 0

    def add(self, record: CallRecord) -> None:
        """Write one record, or forget it; never raises.

        A test that may not use the database calls routes as well: Django's ``SimpleTestCase`` forbids it by an
        ``AssertionError``, pytest-django by a ``RuntimeError``.
        """
        batch = Batch()
        batch.add(record, room=1)
        try:
            with self._lock:
                write_batch(connections[self._using], batch)
        except (Error, OverflowError, AssertionError, RuntimeError) as error:
            self.dropped += 1
            _logger.info("a call of a test was not recorded: %s", type(error).__name__)

    def flush(self, timeout_seconds: float = 0.0) -> bool:
        """Have nothing to write."""
        return True

    def close(self, timeout_seconds: float = 0.0) -> bool:
        """Have nothing to write."""
        return True
