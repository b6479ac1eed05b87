"""An event loop in a thread of its own, and calls that pause on it, for tests that are written as if they blocked."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any, Final, TypeVar

import uvloop

from openclaw_webhooks.pausing import run_pausable

T = TypeVar("T")
LOOPS: Final = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
_PATIENCE_SECONDS: Final = 30


@contextlib.contextmanager
def running_loop(kind: str = "uvloop") -> Iterator[asyncio.AbstractEventLoop]:
    """Run an event loop until the block ends."""
    loop = LOOPS[kind]()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def call_on(loop: asyncio.AbstractEventLoop, call: Callable[..., T], /, *arguments: Any, **named: Any) -> T:
    """Make a call on a running loop, where it may pause, and wait here for what comes of it."""
    future: Future[T] = Future()

    def make() -> None:
        try:
            future.set_result(call(*arguments, **named))
        except BaseException as error:  # noqa: BLE001 - it is the caller's
            future.set_exception(error)

    loop.call_soon_threadsafe(run_pausable, make, loop)
    return future.result(_PATIENCE_SECONDS)


class OnLoop:
    """Stands for an object whose methods are called on a loop."""

    def __init__(self, wrapped: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._wrapped = wrapped
        self._loop = loop

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._wrapped, name)
        return lambda *arguments, **named: call_on(self._loop, method, *arguments, **named)
