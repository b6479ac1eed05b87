"""Blocking calls from an event loop: a bounded pool of threads that takes calls and hands results back in batches.

Why not ``loop.run_in_executor``: 16 threads of a worker fight for the interpreter, and each result wakes the loop by
itself. One thread stays hot and drains the queue; another joins only where a call waited ``PATIENCE_SECONDS``, so an
engine that answers in microseconds has one thread to itself, and one that takes seconds still gets them all. In CPU of
the worker, at the ASGI door with 8 callers: a get 680 µs with the executor and 560 so, a create 1,050 and 850.

The loop and the thread take turns instead of interrupting each other: what one turn of the loop submits reaches the
thread at its end, and the loop is woken once the queue is empty. Each interruption costs two changes of the
interpreter's lock: 7 changes of context a request became 1.4 in process and 3 in the server, where a get takes a fifth
less CPU.

Calls that wait together may also be made together (``make_together``): an engine whose commits are what costs makes one
of them. In CPU of the worker, with 8 callers that create flows, 800 µs became 690.

Knows neither Django nor HTTP.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

PATIENCE_SECONDS: Final = 0.002
"""How long a call waits for a thread, and a result for its loop, at most."""
_PROMPT_SECONDS: Final = 0.0005
"""A call that took as long hands its result back at once: nothing is gained by gathering slow ones."""
IDLE_SECONDS: Final = 30.0
"""How long a thread stays without a call, but for the last one: each holds a connection and its page cache, 2 MB."""
_LARGEST_HANDOVER: Final = 16
"""How many calls are handed over at the latest, however many more each turn of the loop brings; and made together."""

MakeTogether: TypeAlias = Callable[[Sequence[Callable[[], None]]], bool]
"""Makes calls as one; ``False`` where it is as if none had been made. A call raises nothing."""


class Job:
    """One call: waiting, running or done. Made by ``EnginePool.submit`` and touched by its event loop only.

    Attributes:
        future: The result as an awaitable. Cancelling it does not stop the call.
        joins: Whether the call may be made together with others.
    """

    __slots__ = (
        *("_call", "_conclude", "_is_delivered", "_outcome", "_unattended"),
        *("future", "joins", "loop", "submitted_at_seconds"),
    )

    def __init__(
        self,
        call: Callable[[], Any],
        conclude: Callable[[Any], Any] | None,
        *,
        joins: bool,
        loop: asyncio.AbstractEventLoop,
        now_seconds: float,
    ) -> None:
        """Take the call; ``now_seconds`` is when it began to wait."""
        self.future: asyncio.Future[Any] = loop.create_future()
        self.joins = joins
        self.loop = loop
        self.submitted_at_seconds = now_seconds
        self._call, self._conclude = call, conclude
        self._outcome: tuple[Any, BaseException | None] | None = None
        self._is_delivered = False
        self._unattended: Callable[[Any, BaseException | None], None] | None = None

    def run(self) -> None:
        """Make the call; in a thread of the pool. What it raises is its caller's."""
        self._outcome = _outcome_of(self._call)

    def fail(self, error: BaseException) -> None:
        """Have the error be the outcome."""
        self._outcome = None, error

    def conclude(self) -> None:
        """Make of the result what its caller gets; in a thread of the pool, once the result is certain."""
        if self._conclude is not None and self._outcome is not None and self._outcome[1] is None:
            self._outcome = _outcome_of(self._conclude, self._outcome[0])

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


def _outcome_of(call: Callable[..., Any], *arguments: Any) -> tuple[Any, BaseException | None]:
    try:
        return call(*arguments), None
    except BaseException as error:  # noqa: BLE001 - delivered, as every future does
        return None, error


class _Outbox:
    """What one event loop is owed; touched under the pool's lock.

    Attributes:
        done: Calls that ran and were not delivered.
        is_delivery_due: Whether the loop was already told to deliver.
        is_watched: Whether the loop looks every ``PATIENCE_SECONDS`` as long as there is work.
    """

    __slots__ = ("done", "is_delivery_due", "is_watched")

    def __init__(self) -> None:
        self.done: deque[Job] = deque()
        self.is_delivery_due = self.is_watched = False


class EnginePool:
    """At most ``threads`` daemon threads; the first starts with the first call. Safe for several event loops.

    The thread that rested last works next, so those that only a rush needed end after ``IDLE_SECONDS``.
    """

    def __init__(
        self,
        threads: int,
        *,
        make_together: MakeTogether | None = None,
        on_thread_end: Callable[[], None] = lambda: None,
    ) -> None:
        """Prepare.

        Args:
            threads: How many calls may run at once.
            make_together: Makes waiting calls that say they may join; ``None`` where each is made by itself.
            on_thread_end: Called in each thread before it ends, to let go of what is its own.
        """
        self._most = threads
        self._make_together = make_together
        self._on_thread_end = on_thread_end
        self._lock = threading.Lock()
        self._waiting: deque[Job] = deque()
        self._gates: list[threading.Lock] = []
        self._threads: list[threading.Thread] = []
        self._numbers = itertools.count()
        self._active = 0
        self._is_waking = False
        self._closed = False
        self._outboxes: dict[asyncio.AbstractEventLoop, _Outbox] = {}

    def submit(
        self, call: Callable[[], Any], conclude: Callable[[Any], Any] | None = None, *, joins: bool = False
    ) -> Job:
        """Have ``call`` made in a thread; to be called on a running event loop.

        Args:
            call: Is made once more where it was made together with others and that failed as a whole.
            conclude: Makes the job's result of the call's, in that thread.
            joins: Whether the call may be made together with others.

        Raises:
            RuntimeError: The pool is closed.
        """
        loop = asyncio.get_running_loop()
        job = Job(call, conclude, joins=joins, loop=loop, now_seconds=time.monotonic())
        with self._lock:
            if self._closed:
                raise RuntimeError("The engine pool is closed.")
            self._waiting.append(job)
            if not self._active and not self._is_waking:
                self._is_waking = True
                loop.call_soon(self._begin, loop, 1)
            outbox = self._outboxes.get(loop)
            if outbox is None:
                outbox = self._add_outbox(loop)
            if not outbox.is_watched:
                outbox.is_watched = True
                loop.call_later(PATIENCE_SECONDS, self._look, loop, outbox)
        return job

    def close(self, timeout_seconds: float = 5.0) -> None:
        """Finish what was submitted and end the threads; waits at most ``timeout_seconds`` for them."""
        with self._lock:
            self._closed = True
            if self._waiting and not self._active:
                self._wake_one()
            while self._gates:
                self._active += 1
                self._gates.pop().release()
        deadline = time.monotonic() + timeout_seconds
        for thread in self._threads:  # to which a loop may add one meanwhile, for a call that has waited too long
            thread.join(max(0.0, deadline - time.monotonic()))

    def _add_outbox(self, loop: asyncio.AbstractEventLoop) -> _Outbox:
        """Owe a loop something from now on, and nothing any more to loops that were closed; under the lock."""
        self._outboxes = {one: outbox for one, outbox in self._outboxes.items() if not one.is_closed()}
        outbox = self._outboxes[loop] = _Outbox()
        return outbox

    def _begin(self, loop: asyncio.AbstractEventLoop, seen: int) -> None:
        """Have a thread take what was submitted, once a turn of the loop brings nothing more."""
        with self._lock:
            if seen < len(self._waiting) < _LARGEST_HANDOVER:
                loop.call_soon(self._begin, loop, len(self._waiting))
                return
            self._is_waking = False
            if self._waiting and not self._active:
                self._wake_one()

    def _look(self, loop: asyncio.AbstractEventLoop, outbox: _Outbox) -> None:
        """Deliver what a long call holds up, add a thread where one has waited too long, and come back while any do."""
        self._deliver(outbox)
        with self._lock:
            outbox.is_watched = bool(self._waiting or self._active) and not loop.is_closed()
            if not outbox.is_watched:
                del self._outboxes[loop]
                return
            if self._waiting and time.monotonic() - self._waiting[0].submitted_at_seconds >= PATIENCE_SECONDS:
                # Also where the loop that was to wake a thread has closed before its turn.
                self._is_waking = False
                self._wake_one()
        loop.call_later(PATIENCE_SECONDS, self._look, loop, outbox)

    def _wake_one(self) -> None:
        """Wake a thread, or start one; under the lock."""
        if self._gates:
            self._active += 1
            self._gates.pop().release()
        elif len(self._threads) < self._most:
            self._active += 1
            name = f"openclaw-webhooks-engine-{next(self._numbers)}"
            thread = threading.Thread(target=self._work, name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def _work(self) -> None:
        gate = threading.Lock()
        gate.acquire()
        try:
            while jobs := self._next(gate):
                began_seconds = time.monotonic()
                jobs = self._run(jobs)
                for job in jobs:
                    job.conclude()
                self._hand_back(jobs, is_slow=time.monotonic() - began_seconds >= _PROMPT_SECONDS * len(jobs))
        finally:
            self._on_thread_end()

    def _next(self, gate: threading.Lock) -> list[Job]:
        """Return the next call, with those behind it that may join it; none where the thread is not needed any more."""
        while True:
            with self._lock:
                if self._waiting:
                    return self._take()
                self._active -= 1
                if self._closed:
                    return []
                self._gates.append(gate)
            while not gate.acquire(timeout=IDLE_SECONDS):
                with self._lock:
                    if gate in self._gates and len(self._threads) > 1:
                        self._gates.remove(gate)
                        self._threads.remove(threading.current_thread())
                        return []

    def _take(self) -> list[Job]:
        """Take from the queue what is made next; under the lock."""
        jobs = [self._waiting.popleft()]
        if self._make_together is not None and jobs[0].joins:
            while self._waiting and self._waiting[0].joins and len(jobs) < _LARGEST_HANDOVER:
                jobs.append(self._waiting.popleft())
        return jobs

    def _run(self, jobs: list[Job]) -> list[Job]:
        """Make one call, or several together; return those that were made."""
        if len(jobs) == 1 or self._make_together is None:
            jobs[0].run()
            return jobs
        try:
            is_made = self._make_together([job.run for job in jobs])
        except BaseException as error:  # noqa: BLE001 - delivered, as every future does
            for job in jobs:
                job.fail(error)
            return jobs
        if is_made:
            return jobs
        # Each by itself, the others in other threads: what keeps one of them waiting may not keep the next.
        for job in jobs:
            job.joins = False
        with self._lock:
            self._waiting.extendleft(reversed(jobs[1:]))
        jobs[0].run()
        return jobs[:1]

    def _hand_back(self, jobs: Sequence[Job], *, is_slow: bool) -> None:
        """Keep outcomes for their loops; wake who is owed something, unless more will be done in a moment."""
        with self._lock:
            for job in jobs:
                outbox = self._outboxes.get(job.loop)
                if outbox is not None:  # else the loop was closed, so nobody waits any more
                    outbox.done.append(job)
            if self._waiting and not is_slow:
                return
            due = [one for one in self._outboxes.items() if one[1].done and not one[1].is_delivery_due]
            for _, outbox in due:
                outbox.is_delivery_due = True
        for loop, outbox in due:
            try:
                loop.call_soon_threadsafe(self._deliver, outbox)
            except RuntimeError:
                # The loop was closed, so nobody waits any more.
                with self._lock:
                    self._outboxes.pop(loop, None)

    def _deliver(self, outbox: _Outbox) -> None:
        with self._lock:
            jobs, outbox.done = outbox.done, deque()
            outbox.is_delivery_due = False
        for job in jobs:
            job.deliver()
