"""A connected stream socket whose waits end at a deadline, and pause on an event loop instead of blocking a thread.

Does what ``deadline_socket`` does, for code that runs as ``pausing`` describes. The event loop watches a socket for as
long as it is open: asking it anew for each wait would take two system calls.

Knows nothing of what is sent.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable
from typing import Any, Final, Self

from openclaw_webhooks.engines.bridge.deadline_socket import has_news, left_seconds
from openclaw_webhooks.pausing import Pause

_SHORTEST_TIMER_SECONDS: Final = 0.001
"""Loops count in milliseconds; a timer of none would come at once, before the deadline."""


class LoopSocket:
    """Sends and receives until ``deadline``, in seconds of ``clock``; for one call at a time, all on one loop.

    While a call waits its deadline stays, and the next one's is later: a timer that is set for one serves the other.
    """

    @classmethod
    def open(
        cls,
        family: int,
        target: Any,
        *,
        loop: asyncio.AbstractEventLoop,
        clock: Callable[[], float],
        deadline: float,
    ) -> Self:
        """Connect to ``target``, which is of ``family``.

        Raises:
            OSError: Nobody listens there; ``TimeoutError`` where time was up.
        """
        opened = cls(socket.socket(family, socket.SOCK_STREAM), loop, clock, deadline)
        try:
            if family != socket.AF_UNIX:
                opened._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            opened._connect(target)
        except BaseException:
            opened.close()
            raise
        return opened

    def __init__(
        self, taken: socket.socket, loop: asyncio.AbstractEventLoop, clock: Callable[[], float], deadline: float
    ) -> None:
        """Take over a socket."""
        taken.setblocking(False)
        self.deadline = deadline
        self._socket = taken
        self._loop = loop
        self._clock = clock
        self._pause: Pause | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_watched = False

    def send_whole(self, data: bytes) -> None:
        """Send all of it.

        Raises:
            OSError: It was not sent whole; ``TimeoutError`` where time was up.
        """
        left = memoryview(data)
        while left:
            left_seconds(self._clock, self.deadline)
            try:
                left = left[self._socket.send(left) :]
            except BlockingIOError:
                self._wait_for_room()

    def receive(self, most_bytes: int) -> bytes:
        """Return what has come, nothing at the end of the connection.

        Raises:
            OSError: Nothing came; ``TimeoutError`` where time was up.
        """
        while True:
            # First: after a request its answer is never there.
            self._wait_for_news()
            try:
                return self._socket.recv(most_bytes)
            except BlockingIOError:
                continue

    def has_news(self) -> bool:
        """Tell whether something can be read, be it the end of the connection."""
        return has_news(self._socket)

    def close(self) -> None:
        """Close; what is called afterwards raises ``OSError``."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._stop_watching()
        self._socket.close()

    def _connect(self, target: Any) -> None:
        code = self._socket.connect_ex(target)
        if code == errno.EINPROGRESS:
            self._wait_for_room()
            left_seconds(self._clock, self.deadline)
            code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, os.strerror(code))

    def _wait_for_news(self) -> None:
        if not self._is_watched:
            self._loop.add_reader(self._descriptor(), self._note_news)
            self._is_watched = True
        self._wait()

    def _wait_for_room(self) -> None:
        self._loop.add_writer(self._descriptor(), self._end_pause)
        try:
            self._wait()
        finally:
            if not self._loop.is_closed():
                self._loop.remove_writer(self._socket.fileno())

    def _descriptor(self) -> int:
        """Return the descriptor; loops would call that of a closed socket a ``ValueError``."""
        descriptor = self._socket.fileno()
        if descriptor < 0:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return descriptor

    def _wait(self) -> None:
        """Pause until the loop has something to tell of the socket, or time is up."""
        seconds = left_seconds(self._clock, self.deadline)
        if self._timer is None:
            self._set_timer(seconds)
        pause = self._pause = Pause()
        pause.wait()

    def _end_pause(self) -> None:
        pause, self._pause = self._pause, None
        if pause is not None:
            pause.end()

    def _note_news(self) -> None:
        if self._pause is None:
            self._stop_watching()  # The end of a connection at rest: the loop would tell it again and again.
        else:
            self._end_pause()

    def _stop_watching(self) -> None:
        if self._is_watched and not self._loop.is_closed():
            self._loop.remove_reader(self._socket.fileno())
        self._is_watched = False

    def _set_timer(self, seconds: float) -> None:
        self._timer = self._loop.call_later(max(seconds, _SHORTEST_TIMER_SECONDS), self._look_at_clock)

    def _look_at_clock(self) -> None:
        """End a wait whose time is up; a timer of an earlier call comes too early for it."""
        self._timer = None
        seconds = self.deadline - self._clock()
        if self._pause is not None and seconds > 0:
            self._set_timer(seconds)
        else:
            self._end_pause()
