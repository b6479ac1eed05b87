"""Hands the records of calls to whoever counts, logs or traces them, from one daemon thread per process.

Apart from the recorder, whose thread waits for the database: metrics and logs are needed most while that is down. The
way of a request pays for an append; without observers for two looks.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, TypeAlias

from openclaw_webhooks.calls.record import CallRecord, CallSink

Observer: TypeAlias = Callable[[Sequence[CallRecord]], None]

INTERVAL_SECONDS: Final = 0.5
"""How long records gather before they are observed."""
IDLE_SECONDS: Final = 5.0
"""How often observers are called though no call came, so that what they tell of the process does not grow old."""
_MOST_WAITING: Final = 50_000

_logger = logging.getLogger(__name__)


class CallObservation:
    """A sink that observers hear from, each with all records since the last time and in the order of their ends.

    Safe from any thread. A forked child makes one of its own, with its runtime.

    Attributes:
        lost: How many records were dropped because observers did not keep up.
    """

    def __init__(self, observers: Sequence[Observer], *, interval_seconds: float = INTERVAL_SECONDS) -> None:
        """Start nothing yet: the first record does."""
        self.lost = 0
        self._observers = observers
        self._interval_seconds = interval_seconds
        self._waiting: deque[CallRecord] = deque()
        self._starting, self._observing = threading.Lock(), threading.Lock()
        self._thread: threading.Thread | None = None
        self._roused, self._closing = threading.Event(), threading.Event()

    def add(self, record: CallRecord) -> None:
        """Take one record. Costs 0.2 µs; never waits and never raises."""
        if len(self._waiting) >= _MOST_WAITING:
            self.lost += 1
            return
        self._waiting.append(record)
        if not self._roused.is_set():
            self.rouse()

    def rouse(self) -> None:
        """Have observers called soon, though perhaps no call came."""
        with self._starting:
            self._roused.set()
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="openclaw-webhooks-observation", daemon=True)
                with suppress(RuntimeError):  # no thread can be started once the interpreter is shutting down
                    thread.start()
                    self._thread = thread

    def flush(self) -> None:
        """Have everything that was added so far observed, in this thread."""
        with self._observing:
            self.observe([self._waiting.popleft() for _ in range(len(self._waiting))])

    def observe(self, records: Sequence[CallRecord]) -> None:
        """Have these records observed, in this thread."""
        for observer in self._observers:
            self._tell(observer, records)

    def close(self, timeout_seconds: float = 2.0) -> None:
        """Observe what is left and end the thread."""
        self._closing.set()
        self._roused.set()
        if self._thread is not None:
            self._thread.join(timeout_seconds)
        self.flush()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._roused.wait(IDLE_SECONDS)
            self._closing.wait(self._interval_seconds)
            self._roused.clear()
            self.flush()

    def _tell(self, observer: Observer, records: Sequence[CallRecord]) -> None:
        try:
            observer(records)
        except Exception:  # one observer's fault must not cost the others theirs
            _logger.exception("Calls could not be observed by %s", getattr(observer, "__qualname__", type(observer)))


class BothSinks:
    """The pipeline's sink where calls are recorded and observed."""

    def __init__(self, recorder: CallSink, observation: CallSink) -> None:
        """Hand each record to both."""
        self._recorder, self._observation = recorder, observation

    def add(self, record: CallRecord) -> None:
        """Take one record; both leave it unchanged."""
        self._recorder.add(record)
        self._observation.add(record)
