"""Calls that wait for sockets alone, made on the event loop itself: no thread waits for any of them.

A thread that waits for a Gateway's answer costs more than the answer: it is handed a call, is woken, waits for the
interpreter's lock, and wakes the loop. Through a Gateway that hosts the server 9 % more gets a second are answered so.

For calls whose results are short: whatever is made of them holds up every other caller of the loop.

Knows neither Django nor HTTP.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from openclaw_webhooks.engine_pool import Job
from openclaw_webhooks.pausing import find_running_loop, run_pausable


class LoopPool:
    """At most ``calls`` at once, each in a greenlet that pauses (``pausing``). Safe for several event loops."""

    def __init__(self, calls: int) -> None:
        """Prepare. ``calls`` is how many may be under way at once; others wait for their turn."""
        self._most = calls
        self._change = threading.Condition()
        self._under_way: set[Job] = set()
        self._waiting: deque[Job] = deque()
        self._closed = False

    def submit(
        self, call: Callable[[], Any], conclude: Callable[[Any], Any] | None = None, *, joins: bool = False
    ) -> Job:
        """Make ``call`` on the running event loop; see ``EnginePool.submit``. Calls are never made together.

        Raises:
            RuntimeError: The pool is closed.
        """
        loop = asyncio.get_running_loop()
        job = Job(call, conclude, joins=False, loop=loop, now_seconds=time.monotonic())
        with self._change:
            if self._closed:
                raise RuntimeError("The engine pool is closed.")
            if self._is_full():
                self._waiting.append(job)
                return job
            self._under_way.add(job)
        self._begin(job)
        return job

    def close(self, timeout_seconds: float = 5.0) -> None:
        """Finish what was submitted; waits at most ``timeout_seconds`` for it.

        Not for a loop that has stopped, nor for the one that this is called on, which goes on only afterwards.
        """
        own = find_running_loop()
        with self._change:
            self._closed = True
            self._change.wait_for(
                lambda: not any(job.loop.is_running() and job.loop is not own for job in self._under_way),
                timeout_seconds,
            )

    def _is_full(self) -> bool:
        """Tell whether a call has to wait; for none that a closed loop will never go on with. Under the lock."""
        if len(self._under_way) < self._most:
            return False
        self._under_way = {job for job in self._under_way if not job.loop.is_closed()}
        return len(self._under_way) >= self._most

    def _begin(self, job: Job) -> None:
        run_pausable(lambda: self._make(job), job.loop)

    def _make(self, job: Job) -> None:
        job.run()
        job.conclude()
        with self._change:
            self._under_way.discard(job)
            self._change.notify_all()
            self._admit()
        if not job.loop.is_closed():
            job.deliver()

    def _admit(self) -> None:
        """Begin the call that has waited longest and whose event loop still runs; under the lock."""
        while self._waiting:
            job = self._waiting.popleft()
            if not job.loop.is_closed():
                self._under_way.add(job)
                job.loop.call_soon_threadsafe(self._begin, job)
                return
