"""A few threads for all pages of a process, and a queue before them that is bounded in length and in time.

Each thread keeps one connection to the database, so there are as many as threads, however many visitors come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, TypeVar

T = TypeVar("T")


class PagesBusy(Exception):
    """So many requests wait for a thread, or one has waited so long, that it is better to ask again later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolLimits:
    """What the pages of one process may take.

    Attributes:
        threads: How many pages are made at once.
        waiting: How many requests may wait for a thread.
        patience_seconds: How long each may wait.
    """

    threads: int = 4
    waiting: int = 256
    patience_seconds: float = 10.0


POOL_LIMITS: Final = PoolLimits()


class PagePool:
    """Makes calls in its threads, which start with the first calls; for one event loop."""

    def __init__(self, limits: PoolLimits) -> None:
        """Start no thread yet."""
        self._limits = limits
        self._executor = ThreadPoolExecutor(limits.threads, thread_name_prefix="page")
        self._free = asyncio.Semaphore(limits.threads)
        self._waiting = 0

    async def make(self, call: Callable[[], T], *, on_turn: Callable[[], None], discard: Callable[[T], None]) -> T:
        """Make a call once its turn has come; a caller that leaves before loses its turn.

        Args:
            call: Blocks; once begun it is made to its end.
            on_turn: Called when the turn has come.
            discard: Takes, in a thread, the result of a call whose caller has left meanwhile.

        Raises:
            PagesBusy: The queue is full, or the turn did not come in time.
        """
        await self._wait_in_queue()
        on_turn()
        running = self._start(call)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            running.add_done_callback(lambda done: None if done.exception() else self.soon(discard, done.result()))
            raise

    async def go_on(self, call: Callable[[], T]) -> T:
        """Make a call that goes on with what was begun: it waits for a thread as long as it takes."""
        await self._free.acquire()
        return await asyncio.shield(self._start(call))

    def soon(self, call: Callable[..., object], *arguments: object) -> None:
        """Make a short call that clears up, in the next thread that is free."""
        self._executor.submit(call, *arguments)

    async def _wait_in_queue(self) -> None:
        if self._free.locked() and self._waiting >= self._limits.waiting:
            raise PagesBusy
        self._waiting += 1
        try:
            async with asyncio.timeout(self._limits.patience_seconds):
                await self._free.acquire()
        except TimeoutError:
            raise PagesBusy from None
        finally:
            self._waiting -= 1

    def _start(self, call: Callable[[], T]) -> asyncio.Future[T]:
        """Hold the turn until the thread is free again, whatever becomes of the caller."""
        running = asyncio.get_running_loop().run_in_executor(self._executor, call)
        running.add_done_callback(lambda _: self._free.release())
        return running
