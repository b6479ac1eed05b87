"""Blocking calls from an event loop: a bounded pool of threads that hands results back in batches.

Why not ``loop.run_in_executor``: 16 threads of a worker fight for the interpreter, and each result wakes the loop by
itself. Measured at the ASGI door with 8 callers, in CPU of the worker per request: a get 680 µs with the executor and
560 with this, a create 1,050 and 800 to 900. One thread stays hot and drains the queue; another joins only where a call
waited ``PATIENCE_SECONDS``, so an engine that answers in microseconds has one thread to itself, and one that takes
seconds still gets them all.

Knows neither Django nor HTTP.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

PATIENCE_SECONDS: Final = 0.002


class Job:
    """One call: waiting, running or done. Made by ``EnginePool.submit`` and touched by its event loop only.

    Attributes:
        future: The result as an awaitable. Cancelling it does not stop the call.
    """

    __slots__ = ("_call", "_is_delivered", "_outcome", "_unattended", "future", "loop", "submitted_at_seconds")

    def __init__(self, call: Callable[[], Any], loop: asyncio.AbstractEventLoop, now_seconds: float) -> None:
        """Take the call; ``now_seconds`` is when it began to wait."""
        self.future: asyncio.Future[Any] = loop.create_future()
        self.loop = loop
        self.submitted_at_seconds = now_seconds
        self._call = call
        self._outcome: tuple[Any, BaseException | None] | None = None
        self._is_delivered = False
        self._unattended: Callable[[Any, BaseException | None], None] | None = None

    def run(self) -> None:
        """Make the call; in a thread of the pool. What it raises is its caller's."""
        try:
            self._outcome = self._call(), None
        except BaseException as error:  # noqa: BLE001 - delivered, as every future does
            self._outcome = None, error

    def deliver(self) -> None:
        """Hand the outcome to whoever waits for it; on the event loop."""
        assert self._outcome is not None  # noqa: S101 - only jobs that ran are delivered
        self._is_delivered = True
        result, error = self._outcome
        if self._unattended is not None:
            self._unattended(result, error)
        elif not self.future.done():
            if error is None:
                self.future.set_result(result)
            else:
                self.future.set_exception(error)

    def leave(self, unattended: Callable[[Any, BaseException | None], None]) -> None:
        """Stop waiting: the call goes on, and ``unattended`` gets its result and its error on the event loop."""
        self._unattended = unattended
        if self._is_delivered:
            # Between the cancellation and the moment in which its caller woke up: deliver once more, to where it
            # belongs now.
            if not self.future.cancelled():
                self.future.exception()
            self.loop.call_soon(self.deliver)


class EnginePool:
    """At most ``threads`` daemon threads; the first starts with the first call. Safe for several event loops."""

    def __init__(self, threads: int, *, on_thread_end: Callable[[], None] = lambda: None) -> None:
        """Prepare.

        Args:
            threads: How many calls may run at once.
            on_thread_end: Called in each thread before it ends, to let go of what is its own.
        """
        self._most = threads
        self._on_thread_end = on_thread_end
        self._lock = threading.Lock()
        self._waiting: deque[Job] = deque()
        self._gates: list[threading.Lock] = []
        self._threads: list[threading.Thread] = []
        self._active = 0
        self._watching = False
        self._closed = False
        self._done: dict[asyncio.AbstractEventLoop, deque[Job]] = {}

    def submit(self, call: Callable[[], Any]) -> Job:
        """Have ``call`` made in a thread; to be called on a running event loop.

        Raises:
            RuntimeError: The pool is closed.
        """
        loop = asyncio.get_running_loop()
        job = Job(call, loop, time.monotonic())
        with self._lock:
            if self._closed:
                raise RuntimeError("The engine pool is closed.")
            self._waiting.append(job)
            if not self._active:
                self._wake_one()
            elif not self._watching and self._active < self._most:
                self._watching = True
                loop.call_later(PATIENCE_SECONDS, self._look, loop)
        return job

    def close(self, timeout_seconds: float = 5.0) -> None:
        """Finish what was submitted and end the threads; waits at most ``timeout_seconds`` for them."""
        with self._lock:
            self._closed = True
            while self._gates:
                self._gates.pop().release()
        deadline = time.monotonic() + timeout_seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Add a thread where the first call in the queue has waited too long; look again while calls wait."""
        with self._lock:
            self._watching = bool(self._waiting) and self._active < self._most and not loop.is_closed()
            if not self._watching:
                return
            if time.monotonic() - self._waiting[0].submitted_at_seconds >= PATIENCE_SECONDS:
                self._wake_one()
        loop.call_later(PATIENCE_SECONDS, self._look, loop)

    def _wake_one(self) -> None:
        """Wake a thread, or start one; under the lock."""
        if self._gates:
            self._active += 1
            self._gates.pop().release()
        elif len(self._threads) < self._most:
            self._active += 1
            name = f"openclaw-webhooks-engine-{len(self._threads)}"
            thread = threading.Thread(target=self._work, name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def _work(self) -> None:
        gate = threading.Lock()
        gate.acquire()
        try:
            while (job := self._next(gate)) is not None:
                job.run()
                self._hand_back(job)
        finally:
            self._on_thread_end()

    def _next(self, gate: threading.Lock) -> Job | None:
        """Return the next call, waiting for one; ``None`` once the pool is closed and nothing is left."""
        while True:
            with self._lock:
                if self._waiting:
                    return self._waiting.popleft()
                self._active -= 1
                if self._closed:
                    return None
                self._gates.append(gate)
            gate.acquire()

    def _hand_back(self, job: Job) -> None:
        """Queue the outcome for its loop, which is woken once for all that gather meanwhile."""
        with self._lock:
            gathering = self._done.get(job.loop)
            if gathering is not None:
                gathering.append(job)
                return
            self._done[job.loop] = deque([job])
        try:
            job.loop.call_soon_threadsafe(self._deliver, job.loop)
        except RuntimeError:
            # The loop was closed, so nobody waits any more.
            with self._lock:
                del self._done[job.loop]

    def _deliver(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._lock:
            jobs = self._done.pop(loop)
        for job in jobs:
            job.deliver()
