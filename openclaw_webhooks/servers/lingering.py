"""Closing a connection whose caller is still sending, without tearing away the answer it has not read yet.

A socket that is closed with unread bytes in it sends a reset, and a reset makes the caller's kernel throw away an
answer that already arrived. So the write side is closed first, and what still comes is read and dropped until the
caller closes. One daemon thread does that for all connections of the process; no worker thread waits.

Source: RFC 9112 section 9.6 (Tear-down).
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from openclaw_webhooks.servers.connections import most_connections

_RECEIVE_BYTES: Final = 65_536
_LONGEST_SWEEP_SECONDS: Final = 1.0
_DESCRIPTORS_SHARE: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class LingerLimits:
    """What a caller may cost after it got its answer.

    Attributes:
        idle_seconds: How long it may send nothing.
        total_seconds: How long it may go on sending.
        received_bytes: How much it may go on sending.
        connections: How many may linger at once; one more closes the oldest.
    """

    idle_seconds: float = 5.0
    total_seconds: float = 30.0
    received_bytes: int = 16 * 1024 * 1024
    connections: int = 256


DEFAULT_LINGER_LIMITS: Final = LingerLimits()


@dataclass(slots=True)
class _Lingering:
    """One connection on its way out; moments are by the closer's clock."""

    sock: socket.socket
    ends_at_seconds: float
    idle_at_seconds: float
    remaining_bytes: int

    def is_over(self, now_seconds: float) -> bool:
        """Tell whether the caller had its share of time or bytes."""
        return self.remaining_bytes <= 0 or now_seconds >= min(self.ends_at_seconds, self.idle_at_seconds)


class _Watch:
    """A selector that other threads can wake."""

    def __init__(self) -> None:
        """Open the selector and the pair of sockets that wakes it."""
        self.selector = selectors.DefaultSelector()
        self._waker, self._woken = socket.socketpair()
        self._waker.setblocking(False)
        self._woken.setblocking(False)
        self.selector.register(self._woken, selectors.EVENT_READ, None)

    def wake(self) -> None:
        """Make the selector return; where the pair is full, it does so anyway."""
        with contextlib.suppress(BlockingIOError):
            self._waker.send(b"\0")

    def drain(self) -> None:
        """Take note of having been woken."""
        with contextlib.suppress(BlockingIOError):
            self._woken.recv(4096)

    def close(self) -> None:
        """Close this process's descriptors; a parent that shares them keeps its own."""
        self.selector.close()
        self._waker.close()
        self._woken.close()


class LingeringCloser:
    """Owns the connections given to it until they are closed.

    Holds no descriptor and no thread before the first connection. Safe to use from several threads; not usable in a
    child process that was forked off (see ``abandon``).
    """

    def __init__(
        self, *, limits: LingerLimits = DEFAULT_LINGER_LIMITS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Prepare to close connections within ``limits``; ``clock`` gives monotonic seconds."""
        self._limits = limits
        self._clock = clock
        self._sweep_seconds = min(_LONGEST_SWEEP_SECONDS, limits.idle_seconds / 4)
        self._next_sweep_seconds = 0.0
        self._lock = threading.Lock()
        self._incoming: deque[socket.socket] = deque()
        self._lingering: dict[int, _Lingering] = {}
        self._buffer = bytearray(_RECEIVE_BYTES)
        self._watch: _Watch | None = None
        self._thread: threading.Thread | None = None
        self._stops_at_seconds: float | None = None

    @property
    def most_connections(self) -> int:
        """How many connections may be open."""
        return self._limits.connections

    def __len__(self) -> int:
        """Return how many connections are open."""
        return len(self._lingering) + len(self._incoming)

    def add(self, sock: socket.socket) -> None:
        """Take over ``sock``, whose answer is written: nothing else may use it any more. Does not block."""
        try:
            sock.setblocking(False)
            sock.shutdown(socket.SHUT_WR)
        except OSError:
            sock.close()  # The caller is gone already.
            return
        with self._lock:
            if self._stops_at_seconds is not None:
                sock.close()
                return
            self._incoming.append(sock)
            self._start_once().wake()

    def finish(self, *, grace_seconds: float) -> None:
        """Give the open connections ``grace_seconds`` to end, then close them; later ones are closed at once."""
        with self._lock:
            self._stops_at_seconds = self._clock() + grace_seconds
            if self._watch is not None:
                self._watch.wake()
        if self._thread is not None:
            self._thread.join()
        self.abandon()

    def abandon(self) -> None:
        """Close this process's descriptors. In a forked child, what the parent holds is not touched."""
        for sock in (*self._incoming, *(one.sock for one in self._lingering.values())):
            sock.close()
        self._incoming.clear()
        self._lingering.clear()
        if self._watch is not None:
            self._watch.close()
            self._watch = None

    def _start_once(self) -> _Watch:
        """Start the thread, unless it runs; the caller holds the lock."""
        if self._watch is None:
            self._watch = _Watch()
            self._thread = threading.Thread(
                target=self._run, args=(self._watch,), name="openclaw-webhooks-lingering", daemon=True
            )
            self._thread.start()
        return self._watch

    def _run(self, watch: _Watch) -> None:
        """Serve until told to stop."""
        while not self._is_done():
            for key, _ in watch.selector.select(self._patience_seconds()):
                if key.data is None:
                    self._admit(watch)
                else:
                    self._receive(watch, key.data)
            self._sweep(watch)

    def _patience_seconds(self) -> float | None:
        """Return how long to wait for a caller or a wake, ``None`` where nothing ends by the clock."""
        if self._stops_at_seconds is not None:
            return min(self._sweep_seconds, max(0.0, self._stops_at_seconds - self._clock()))
        return self._sweep_seconds if self._lingering else None

    def _is_done(self) -> bool:
        """Tell whether the end was asked for and is due."""
        stops_at_seconds = self._stops_at_seconds
        return stops_at_seconds is not None and (not len(self) or self._clock() >= stops_at_seconds)

    def _admit(self, watch: _Watch) -> None:
        """Begin to watch the connections that were added."""
        watch.drain()
        while self._incoming:
            if len(self._lingering) >= self._limits.connections:
                self._close(watch, next(iter(self._lingering.values())))
            sock = self._incoming[0]
            one = self._begin(sock)
            self._lingering[sock.fileno()] = one
            self._incoming.popleft()
            watch.selector.register(sock, selectors.EVENT_READ, one)

    def _begin(self, sock: socket.socket) -> _Lingering:
        """Give a connection its share of time and bytes."""
        now_seconds = self._clock()
        return _Lingering(
            sock=sock,
            ends_at_seconds=now_seconds + self._limits.total_seconds,
            idle_at_seconds=now_seconds + self._limits.idle_seconds,
            remaining_bytes=self._limits.received_bytes,
        )

    def _receive(self, watch: _Watch, one: _Lingering) -> None:
        """Read once and drop it; close at the end of the stream, or of the caller's share."""
        try:
            received_bytes = one.sock.recv_into(self._buffer)
        except BlockingIOError:
            return
        except OSError:
            received_bytes = 0
        now_seconds = self._clock()
        one.remaining_bytes -= received_bytes
        one.idle_at_seconds = now_seconds + self._limits.idle_seconds
        if not received_bytes or one.is_over(now_seconds):
            self._close(watch, one)

    def _sweep(self, watch: _Watch) -> None:
        """Close what is over; at most once in a sweep time, so that busy senders do not pay for it."""
        now_seconds = self._clock()
        if now_seconds < self._next_sweep_seconds:
            return
        self._next_sweep_seconds = now_seconds + self._sweep_seconds
        for one in [one for one in self._lingering.values() if one.is_over(now_seconds)]:
            self._close(watch, one)

    def _close(self, watch: _Watch, one: _Lingering) -> None:
        """Stop watching a connection and close it, unless that happened earlier in the same round."""
        if self._lingering.pop(one.sock.fileno(), None) is not None:
            watch.selector.unregister(one.sock)
            one.sock.close()


class _ProcessCloser:
    """The one closer of this process; a forked child gets a new one, because threads do not survive a fork."""

    def __init__(self) -> None:
        """Have a closer ready, and be told of forks."""
        self.closer = self._build()
        os.register_at_fork(after_in_child=self.renew)

    def renew(self) -> None:
        """Replace the closer by one that can work in this process."""
        self.closer.abandon()
        self.closer = self._build()

    @staticmethod
    def _build() -> LingeringCloser:
        """Leave most descriptors to connections whose requests are yet to be answered."""
        share = most_connections(reserve=0) // _DESCRIPTORS_SHARE
        return LingeringCloser(limits=replace(DEFAULT_LINGER_LIMITS, connections=share))


_process = _ProcessCloser()


def process_closer() -> LingeringCloser:
    """Return the closer of this process."""
    return _process.closer
