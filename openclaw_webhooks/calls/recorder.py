"""Takes the records of calls off the request path and writes them from one daemon thread per process.

``add`` appends to a batch in memory under a lock that is never held over I/O. The thread is started by the first
record, so after a server's fork, and sleeps without a timer while there is none. It writes what has gathered every
``flush_seconds``; a database that is locked, restarting or unreachable is tried again with growing pauses while
records gather up to ``queue_size``. What finds no room is counted, per route and minute, and the counts are written
with the next batch that succeeds: the operator sees the losses of all processes.

A batch is one transaction. Should the connection break in the middle of a commit, the batch is written again and may
then be there twice: a record more, never one less.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Literal

from django.db import DataError, Error, IntegrityError, connections

from openclaw_webhooks.calls.batch import Batch
from openclaw_webhooks.calls.record import CallRecord
from openclaw_webhooks.calls.writer import write_batch

_logger = logging.getLogger("openclaw_webhooks.calls")

_BATCH_ROWS = 64
"""Written at once without waiting for more: a batch holds SQLite's write lock for some 2 ms then.

With 256 it was 5 to 10 ms, and callers met SQLite's busy handler, which sleeps longer and longer: their 99th
percentile was 25 to 45 ms.
"""
_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 5.0
_WARN_EVERY_SECONDS = 60.0


class NoRecorder:
    """A sink that keeps nothing, for projects that turned the record off."""

    dropped = waiting = 0

    def add(self, record: CallRecord) -> None:
        """Forget the record."""

    def flush(self, timeout_seconds: float = 0.0) -> bool:
        """Have nothing to write."""
        return True

    def close(self, timeout_seconds: float = 0.0) -> bool:
        """Have nothing to write."""
        return True


class CallRecorder:
    """The sink of one process. Safe from any thread; in a forked child it starts anew and empty.

    Args:
        queue_size: How many records wait in memory at most; a folded row counts as one.
        flush_seconds: How long records gather before they are written.
        clock: Monotonic seconds, for how often losses are logged.
        using: Alias of the database.
    """

    def __init__(
        self,
        *,
        queue_size: int = 10_000,
        flush_seconds: float = 0.5,
        clock: Callable[[], float] = time.monotonic,
        using: str = "default",
    ) -> None:
        """Start nothing yet: the first record does."""
        self._queue_size = queue_size
        self._due_size = max(1, min(_BATCH_ROWS, queue_size // 2))
        self._flush_seconds = flush_seconds
        self._clock = clock
        self._using = using
        self._begin()
        _recorders.add(self)

    def _begin(self) -> None:
        """Be empty and without a thread; also in a forked child, whose parent writes what the parent took."""
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._thread: threading.Thread | None = None
        self._gathering = Batch()
        self._writing_size = 0
        self._added = self._settled = self._dropped = 0
        self._hurry = self._closing = self._abandon = self._failing = False
        self._next_warning: float | None = None

    @property
    def dropped(self) -> int:
        """Return how many records this process has dropped since it started."""
        return self._dropped

    @property
    def waiting(self) -> int:
        """Return how many records and folded rows wait to be written or are being written."""
        return self._gathering.size + self._writing_size

    def add(self, record: CallRecord) -> None:
        """Take one record; the caller leaves it alone from now on. Never waits for I/O, never raises."""
        with self._lock:
            room = self._queue_size - self._gathering.size - self._writing_size
            self._added += 1
            if not self._gathering.add(record, room=room):
                self._dropped += 1
            if self._thread is None:
                self._start_thread()
            elif self._gathering.calls == 1 or self._gathering.size == self._due_size:
                self._changed.notify_all()

    def flush(self, timeout_seconds: float = 5.0) -> bool:
        """Have everything that was added so far written; tell whether it was within the time."""
        with self._changed:
            wanted = self._added
            self._hurry = True
            self._changed.notify_all()
            return self._changed.wait_for(lambda: self._settled >= wanted, timeout_seconds)

    def close(self, timeout_seconds: float = 4.0) -> bool:
        """Flush and end the thread; tell whether everything was written. A later ``add`` begins again."""
        with self._changed:
            thread, self._closing, self._hurry = self._thread, True, True
            self._changed.notify_all()
        if thread is not None:
            thread.join(timeout_seconds)
        return self._settled >= self._added or self._give_up()

    def _give_up(self) -> Literal[False]:
        with self._changed:
            self._abandon = True
            self._changed.notify_all()
        _logger.error("%d calls were not recorded: the database did not answer", self._added - self._settled)
        return False

    def _start_thread(self) -> None:
        self._closing = self._abandon = False
        thread = threading.Thread(target=self._run, name="openclaw-webhooks-calls", daemon=True)
        with suppress(RuntimeError):  # no thread can be started once the interpreter is shutting down
            thread.start()
            self._thread = thread

    def _run(self) -> None:
        try:
            while (batch := self._take()) is not None:
                self._write(batch)
        finally:
            with self._changed:
                if self._thread is threading.current_thread():
                    self._thread = None
            connections[self._using].close()

    def _take(self) -> Batch | None:
        """Wait for records and let some gather; ``None`` once there are none and there will be none."""
        with self._changed:
            self._changed.wait_for(lambda: self._gathering.calls or self._closing)
            if not self._gathering.calls:
                self._thread = None
                return None
            self._changed.wait_for(self._is_due, self._flush_seconds)
            batch, self._gathering = self._gathering, Batch()
            self._writing_size, self._hurry = batch.size, False
            return batch

    def _is_due(self) -> bool:
        return self._hurry or self._closing or self._gathering.size >= self._due_size

    def _write(self, batch: Batch) -> None:
        pause_seconds = _FIRST_PAUSE_SECONDS
        try:
            while not self._attempt(batch) and not self._pause(pause_seconds):
                pause_seconds = min(pause_seconds * 2, _LONGEST_PAUSE_SECONDS)
        finally:
            self._settle(batch)

    def _attempt(self, batch: Batch) -> bool:
        """Write the batch; ``False`` where another try may help."""
        connection = connections[self._using]
        try:
            connection.close_if_unusable_or_obsolete()
            write_batch(connection, batch)
        except (DataError, IntegrityError, OverflowError) as error:
            self._drop_rows(batch, error)
            return not batch.lost
        except Error as error:
            self._note_failure(error)
            with suppress(Error):
                connection.close()
            return False
        connection.queries_log.clear()
        self._note_success(batch)
        return True

    def _drop_rows(self, batch: Batch, error: Exception) -> None:
        """Keep the numbers of rows that the database refuses whatever the time; a batch without rows is given up."""
        dropped = batch.lose_rows()
        if not dropped:
            batch.lost.clear()
        with self._changed:
            self._dropped += dropped
        _logger.error("%d calls were not recorded, the database refused them: %s", dropped, type(error).__name__)

    def _pause(self, seconds: float) -> bool:
        """Wait before another try, less long where a flush is asked for; tell whether to abandon instead."""
        with self._changed:
            self._changed.wait_for(lambda: self._abandon or self._hurry, seconds)
            self._hurry = False
            return self._abandon

    def _settle(self, batch: Batch) -> None:
        with self._changed:
            self._settled += batch.calls
            self._writing_size = 0
            self._changed.notify_all()

    def _note_failure(self, error: Error) -> None:
        if not self._failing:
            _logger.warning(
                "calls cannot be recorded for now and will be tried again: %s. Look whether the database runs; /readyz "
                "tells when it is back",
                str(error).rstrip(),
            )
        self._failing = True

    def _note_success(self, batch: Batch) -> None:
        if self._failing:
            _logger.warning("calls are recorded again")
        self._failing = False
        due = self._next_warning is None or self._clock() >= self._next_warning
        if batch.lost and due:
            self._next_warning = self._clock() + _WARN_EVERY_SECONDS
            _logger.warning("%d calls were served and not recorded since the start: the queue was full", self._dropped)


_recorders: weakref.WeakSet[CallRecorder] = weakref.WeakSet()


def _begin_after_fork() -> None:
    for recorder in _recorders:
        recorder._begin()


os.register_at_fork(after_in_child=_begin_after_fork)
