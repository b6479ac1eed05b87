"""What the connections of one worker at the ASGI door share: how many there are, and what their callers do not read.

Source: contract.md section 3 (deadlines and bounds of the stand-alone server).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from openclaw_webhooks.servers.connections import MOST_CONNECTIONS, Connections
from openclaw_webhooks.servers.unread import UnreadAnswers, count_queued

_SWEEP_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """What callers may cost.

    Attributes:
        head_seconds: How long a head may take: from the connection on, later from its first byte on.
        unread_seconds: How long nothing may be read of an answer.
        drain_seconds: How long the rest of a request that was answered may take.
        drain_bytes: How large that rest may be.
        unsent_bytes: What the answers that wait for their callers may hold together.
        connections: How many there may be.
    """

    head_seconds: float = 5.0
    unread_seconds: float = 30.0
    drain_seconds: float = 30.0
    drain_bytes: int = 16 * 1024 * 1024
    unsent_bytes: int = 32 * 1024 * 1024
    connections: int = MOST_CONNECTIONS


class WatchedConnection(Protocol):
    """One connection."""

    transport: asyncio.Transport

    @property
    def awaits_caller(self) -> bool:
        """Tell whether nothing happens here until the caller sends or reads."""
        ...


def _trust_nobody(_peer: str | None) -> bool:
    return False


class ConnectionWatch:
    """Ends what takes too long or too much; for one event loop."""

    def __init__(
        self,
        limits: ConnectionLimits = ConnectionLimits(),
        *,
        is_trusted: Callable[[str | None], bool] = _trust_nobody,
    ) -> None:
        """Watch nothing yet; ``is_trusted`` is that of ``Connections``."""
        self.limits = limits
        self._connections: Connections[WatchedConnection] = Connections(most=limits.connections, is_trusted=is_trusted)
        self._unread: UnreadAnswers[WatchedConnection] = UnreadAnswers()
        self._all: set[WatchedConnection] = set()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, connection: WatchedConnection, peer: str | None) -> None:
        """Take in a new connection; where there are too many, the longest idle one ends."""
        surplus = self._connections.find_surplus(_awaits_caller)
        if surplus is not None:
            self._end(surplus)
        self._connections.add(connection, peer)
        self._all.add(connection)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_SWEEP_SECONDS, self._sweep)

    def remove(self, connection: WatchedConnection) -> None:
        """Forget a connection."""
        self._connections.remove(connection)
        self._unread.forget(connection)
        self._all.discard(connection)

    def note_busy(self, connection: WatchedConnection) -> None:
        """Note that the connection has a request under way."""
        self._connections.note_busy(connection)

    def note_idle(self, connection: WatchedConnection) -> None:
        """Note that the connection waits for a request."""
        self._connections.note_idle(connection)

    def note_unread(self, connection: WatchedConnection) -> None:
        """Note that an answer waits for its caller. Where they are too much together, others end, the stillest first.

        One answer alone has no bound: it was asked for, and its caller may be reading.
        """
        now_seconds = asyncio.get_running_loop().time()
        self._measure(now_seconds)
        unread = self._unread.stillest_first()
        total_bytes = sum(one.held_bytes for _, one in unread)
        for other, one in unread:
            if total_bytes <= self.limits.unsent_bytes:
                return
            if other is not connection:
                total_bytes -= one.held_bytes
                self._end(other)

    def _sweep(self) -> None:
        """Look at every connection once a second, as long as there is one."""
        now_seconds = asyncio.get_running_loop().time()
        self._measure(now_seconds)
        for connection, unread in self._unread.stillest_first():
            if now_seconds - unread.since_seconds >= self.limits.unread_seconds:
                self._end(connection)
        self._timer = asyncio.get_running_loop().call_later(_SWEEP_SECONDS, self._sweep) if self._all else None

    def _measure(self, now_seconds: float) -> None:
        for connection in self._all:
            held_bytes = connection.transport.get_write_buffer_size()
            queued_bytes = count_queued(connection.transport.get_extra_info("socket")) if held_bytes else 0
            self._unread.measure(connection, held_bytes=held_bytes, queued_bytes=queued_bytes, now_seconds=now_seconds)

    def _end(self, connection: WatchedConnection) -> None:
        """Close at once; what was written and not read is dropped."""
        self.remove(connection)
        connection.transport.abort()


def _awaits_caller(connection: WatchedConnection) -> bool:
    return connection.awaits_caller
