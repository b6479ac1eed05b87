"""A socket whose receiving ends at one moment, however slowly the bytes trickle in."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Final

_STOP_CHECK_SECONDS: Final = 0.5
_STOP_GRACE_SECONDS: Final = 1.0


def never() -> bool:
    """Tell that the server is not stopping; for servers that do not say."""
    return False


def ignore(_received_bytes: int) -> None:
    """Take no note of what was received."""


class DeadlineSocket:
    """Stands in for a socket wherever only ``recv`` is called, and bounds all its calls together by one deadline.

    A socket's own timeout starts anew with each ``recv``, so a body that drips outlasts it. This one owns nothing: it
    changes the timeout of the socket beneath, and who puts it in place restores that.

    Attributes:
        has_ended: Whether the other end closed its side of the connection.
    """

    def __init__(
        self,
        sock: socket.socket,
        *,
        deadline_seconds: float,
        clock: Callable[[], float],
        is_stopping: Callable[[], bool] = never,
        before_waiting: Callable[[], object] = never,
        on_received: Callable[[int], object] = ignore,
    ) -> None:
        """Bound ``sock``.

        Args:
            sock: A connected socket, plain or TLS.
            deadline_seconds: The moment, by ``clock``.
            clock: Monotonic seconds.
            is_stopping: Whether the server shuts down; the deadline then moves forward to a second from now, so that
                a stalled body does not hold up the end of the process.
            before_waiting: Called before each wait for the other end.
            on_received: Called with the number of bytes whenever some have come.
        """
        self.has_ended = False
        self._sock = sock
        self._deadline_seconds = deadline_seconds
        self._clock = clock
        self._is_stopping = is_stopping
        self._before_waiting = before_waiting
        self._on_received = on_received

    def recv(self, size_bytes: int) -> bytes:
        """Receive up to ``size_bytes``, or ``b""`` at the end of the stream.

        Raises:
            TimeoutError: The deadline passed.
            OSError: The connection broke.
        """
        self._before_waiting()
        while True:
            self._sock.settimeout(self._patience_seconds())
            try:
                data = self._sock.recv(size_bytes)
            except TimeoutError:
                continue
            self.has_ended = not data
            self._on_received(len(data))
            return data

    def _patience_seconds(self) -> float:
        """Return how long the next ``recv`` may wait; short enough to notice that the server stops."""
        now_seconds = self._clock()
        if self._is_stopping():
            self._deadline_seconds = min(self._deadline_seconds, now_seconds + _STOP_GRACE_SECONDS)
        remaining_seconds = self._deadline_seconds - now_seconds
        if remaining_seconds <= 0:
            raise TimeoutError
        return min(remaining_seconds, _STOP_CHECK_SECONDS)
