"""How the app works while a project's tests run: nothing beside them, everything in the test's thread and transaction.

What a test changes is undone at its end because its thread's connection holds it in a transaction. A thread of the
app's own would commit past that, wait for the locks that it holds, keep the test database from being dropped, or still
write when the project's own database is back. So there is none while Django's test environment is set up.

From an event loop there are two ways into that thread. The loop may run in it, as under pytest: then the call holds
the loop up. Otherwise it is where asgiref takes code that is sensitive to its thread, such as Django's own views.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from asgiref.sync import sync_to_async
from django.db import connections

from openclaw_webhooks.calls.record import CallRecord
from openclaw_webhooks.engine_pool import Job
from openclaw_webhooks.pausing import find_running_loop

T = TypeVar("T")


def are_tests_running() -> bool:
    """Tell whether Django's test environment is set up, by whichever runner. Costs 0.1 µs.

    Django has no public way to ask (5.2, ``setup_test_environment``), and a server need not import its test tools.
    """
    utils = sys.modules.get("django.test.utils")
    # Another thread may be importing the module.
    return hasattr(getattr(utils, "_TestState", None), "saved_data")


async def run_in_test_thread(call: Callable[[], T]) -> T:
    """Make a blocking call where the test's own database work is done; one at a time."""
    with _set_loop_aside():
        if connections.all(initialized_only=True):
            return call()
    return await sync_to_async(partial(_run_and_close, call))()


@contextmanager
def _set_loop_aside() -> Iterator[None]:
    """Let code of this thread see it as one without an event loop: Django keeps its connections from the others."""
    loop = asyncio.get_running_loop()
    asyncio._set_running_loop(None)
    try:
        yield
    finally:
        asyncio._set_running_loop(loop)


def begin_in_test_thread(name: str, work: Callable[[], None]) -> None:
    """Do work that goes on beside requests elsewhere (``beside.Begin``): at once, unless an event loop runs here."""
    loop = find_running_loop()
    if loop is None:
        work()
    else:
        _keep(loop.create_task(run_in_test_thread(work), name=name))


class InlinePool:
    """Makes the engine's calls in the test's thread; stands for ``engine_pool.EnginePool``."""

    def __init__(self, settle: Callable[[], Awaitable[None]]) -> None:
        """Prepare. ``settle`` is awaited after each call, whose caller may have left."""
        self._settle = settle

    def submit(
        self, call: Callable[[], Any], conclude: Callable[[Any], Any] | None = None, *, joins: bool = False
    ) -> Job:
        """Have ``call`` made; see ``EnginePool.submit``. Calls are never made together."""
        loop = asyncio.get_running_loop()
        job = Job(call, conclude, joins=False, loop=loop, now_seconds=loop.time())
        _keep(loop.create_task(self._make(job)))
        return job

    def close(self, timeout_seconds: float = 0.0) -> None:
        """Have nothing to end: what is under way is the test's."""

    async def _make(self, job: Job) -> None:
        def make() -> None:
            job.run()
            job.conclude()

        try:
            await run_in_test_thread(make)
        except RuntimeError as error:  # asgiref has no thread for it
            job.fail(error)
        job.deliver()
        await self._settle()


class InlineSink:
    """Hands records on before their callers have an answer: at once, or where an event loop runs by ``settle``.

    What a loop leaves when it is closed goes with it, so that no test gets the records of another.
    """

    def __init__(self, take: Callable[[CallRecord], None]) -> None:
        """Keep what takes a record; it blocks."""
        self._take = take
        self._left: WeakKeyDictionary[asyncio.AbstractEventLoop, list[CallRecord]] = WeakKeyDictionary()

    def add(self, record: CallRecord) -> None:
        """Take one record."""
        loop = find_running_loop()
        if loop is None:
            self._take(record)
        else:
            self._left.setdefault(loop, []).append(record)

    async def settle(self) -> None:
        """Hand on what was left on this event loop."""
        if records := self._left.pop(asyncio.get_running_loop(), None):
            await run_in_test_thread(partial(self._take_all, records))

    def _take_all(self, records: Sequence[CallRecord]) -> None:
        for record in records:
            self._take(record)


def _run_and_close(call: Callable[[], T]) -> T:
    """Make the call, and leave its thread with the connections that were open before."""
    kept = {one for one in connections.all(initialized_only=True) if one.connection is not None}
    try:
        return call()
    finally:
        for one in connections.all(initialized_only=True):
            if one not in kept and not one.in_atomic_block:
                one.close()


_tasks: set[asyncio.Task[Any]] = set()


def _keep(task: asyncio.Task[Any]) -> None:
    """Hold a task until it is done: an event loop itself does not."""
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)
