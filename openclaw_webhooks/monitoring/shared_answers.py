"""Answers that many ask for at once: each is made in one thread for all that wait, so callers cost no threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from functools import partial

from openclaw_webhooks.beside import Begin, begin_in_thread
from openclaw_webhooks.effects import Answer


class SharedAnswers:
    """At most one thread at a time for each key. Safe for several event loops; blocks nowhere."""

    def __init__(self, begin: Begin = begin_in_thread) -> None:
        """Make nothing yet."""
        self._begin = begin
        self._lock = threading.Lock()
        self._running: dict[Hashable, Future[Answer]] = {}

    def request(self, key: Hashable, make: Callable[[], Answer]) -> Future[Answer]:
        """Return the answer that is being made for ``key``, else start to make it.

        Raises:
            RuntimeError: The system has no thread to spare.
        """
        with self._lock:
            future = self._running.get(key)
            if future is None:
                future = Future()
                self._begin("page", partial(self._make, key, make, future))
                self._running[key] = future
            return future

    def _make(self, key: Hashable, make: Callable[[], Answer], future: Future[Answer]) -> None:
        error: BaseException | None = None
        try:
            answer = make()
        except BaseException as raised:  # noqa: BLE001 - it belongs to all that wait
            error = raised
        with self._lock:
            del self._running[key]
        if error is None:
            future.set_result(answer)
        else:
            future.set_exception(error)
