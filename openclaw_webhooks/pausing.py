"""Waiting on an event loop in code that is written as if it blocked its thread.

A call that runs in a greenlet (``run_pausable``) pauses where it would block: its event loop goes on, and resumes it
once what it waits for has come. What SQLAlchemy does for its asyncio drivers. Code that can pause asks for the loop
(``find_loop``) and waits as ever where there is none, as in a thread.

Only where ``greenlet`` is installed (the extra ``server``); elsewhere no call runs in one. Knows neither sockets nor
Django.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import ContextVar
from typing import Final, TypeVar

try:
    from greenlet import getcurrent, greenlet
except ImportError:
    CAN_PAUSE = False
else:
    CAN_PAUSE = True

T = TypeVar("T")

# Each greenlet has a context of its own, which begins empty.
_LOOP: Final[ContextVar[asyncio.AbstractEventLoop | None]] = ContextVar("openclaw_webhooks_loop", default=None)


def run_pausable(work: Callable[[], object], loop: asyncio.AbstractEventLoop) -> None:
    """Run ``work``, which may pause on ``loop``, to its end or its first pause; to be called on that loop.

    What it raises reaches whoever resumed it last, so let it raise nothing.
    """
    greenlet(_run).switch(work, loop)


def _run(work: Callable[[], object], loop: asyncio.AbstractEventLoop) -> None:
    _LOOP.set(loop)
    work()


def find_loop() -> asyncio.AbstractEventLoop | None:
    """Return the event loop on which the running code may pause; ``None`` where it has to block its thread."""
    return _LOOP.get()


def find_running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the event loop that runs in this thread, whether or not the running code may pause on it."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


class Pause:
    """One wait of the greenlet that makes it. Whatever may end it does so from a callback of its event loop."""

    __slots__ = ("_paused",)

    def __init__(self) -> None:
        """Prepare to wait."""
        self._paused: greenlet | None = getcurrent()

    def wait(self) -> None:
        """Let the event loop go on until ``end`` is called; once."""
        assert self._paused is not None and self._paused.parent is not None  # noqa: S101, PT018 - see run_pausable
        self._paused.parent.switch()

    def end(self) -> None:
        """Go on with what waits; a second call does nothing."""
        paused, self._paused = self._paused, None
        if paused is not None:
            paused.switch()


def result_of(future: Future[T], *, timeout_seconds: float) -> T:
    """Return the result of a future that another thread completes, pausing where that is possible.

    Raises:
        TimeoutError: It did not come in time.
    """
    loop = find_loop()
    if loop is not None and not future.done():
        pause = Pause()
        timer = loop.call_later(timeout_seconds, pause.end)
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(pause.end))
        pause.wait()
        timer.cancel()
        timeout_seconds = 0
    return future.result(timeout_seconds)
