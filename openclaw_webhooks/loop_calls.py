"""An engine's calls on the event loop that wants them, for an engine that can do without a waiting thread.

Stands where ``EnginePool`` does and hands out the same ``Job``. Measured hosted by a Gateway, in CPU of the worker: see
docs/performance.md, "With a Gateway's flows". Knows neither Django nor HTTP.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from openclaw_webhooks.engine_pool import EnginePool, Job
from openclaw_webhooks.engines.base import EventLoopEngine

MOST_AT_ONCE: Final = 64
"""How many calls a process has under way on its loop; more take turns in the threads, so that connections stay few."""
_LOOK_SECONDS: Final = 0.01


class LoopCalls:
    """Makes calls on the running event loop, and in a thread what takes one."""

    def __init__(self, engine: EventLoopEngine, threads: EnginePool) -> None:
        """Prepare."""
        self._engine = engine
        self._threads = threads
        self._open: set[Job] = set()

    def submit(self, call: Callable[[], Any]) -> Job:
        """Have ``call`` made; to be called on a running event loop. Raises as ``EnginePool.submit`` does."""
        if len(self._open) >= MOST_AT_ONCE:
            return self._threads.submit(call)
        finish = _Finish()
        job = Job(finish, asyncio.get_running_loop(), 0.0)
        if not self._engine.begin(call, partial(self._answered, job, finish)):
            return self._threads.submit(call)
        if not job.is_delivered:
            self._open.add(job)
        return job

    def close(self, timeout_seconds: float = 5.0) -> None:
        """Wait at most ``timeout_seconds`` for what was begun, while its loop runs; not to be called on that loop."""
        deadline = time.monotonic() + timeout_seconds
        while any(job.loop.is_running() for job in tuple(self._open)) and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)
        self._threads.close(max(0.0, deadline - time.monotonic()))

    def _answered(self, job: Job, finish: _Finish, then: Callable[[], Any], takes_long: bool) -> None:
        finish.call = then
        if takes_long:
            inner = self._threads.submit(job.run)
            inner.future.add_done_callback(lambda _: self._deliver(job))
        else:
            job.run()
            self._deliver(job)

    def _deliver(self, job: Job) -> None:
        self._open.discard(job)
        job.deliver()


class _Finish:
    """What a job does once its answer has come."""

    __slots__ = ("call",)
    call: Callable[[], Any]

    def __call__(self) -> Any:
        return self.call()
