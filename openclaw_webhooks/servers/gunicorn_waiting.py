"""The connections of one ``gunicorn_threads`` worker that wait for a request: received by its main thread, bounded.

Silence and half a head hold a descriptor and no thread.

Source: contract.md section 3 (deadlines and bounds of the stand-alone server).
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import time
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any, Protocol

from openclaw_webhooks.servers.connections import Connections
from openclaw_webhooks.servers.gunicorn_connection import HeadFirstConnection
from openclaw_webhooks.servers.head_buffer import HeadState


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadLimits:
    """What callers of one worker may cost.

    Attributes:
        head_seconds: How long a head may take: from the connection on, later from its first byte on.
        unread_seconds: How long nothing may be read of an answer.
    """

    head_seconds: float = 5.0
    unread_seconds: float = 30.0


class Host(Protocol):
    """The worker, as far as connections that wait concern it."""

    def is_trusted(self, peer: str | None, /) -> bool:
        """Tell whether a peer stands for many clients."""
        ...

    def enqueue_req(self, connection: Any, /) -> None:
        """Have a thread serve the request whose head has come."""
        ...

    def end(self, connection: HeadFirstConnection, status: HTTPStatus | None, /) -> None:
        """Close a connection, with an answer of this status where there is one."""
        ...


class WaitingRoom:
    """All connections of a worker; for its main thread."""

    def __init__(self, host: Host, poller: selectors.BaseSelector, *, head_seconds: float, most: int) -> None:
        """Have none; ``most`` is how many there may be."""
        self._host = host
        self._poller = poller
        self._head_seconds = head_seconds
        self._connections: Connections[HeadFirstConnection] = Connections(most=most, is_trusted=host.is_trusted)
        # Both in the order of their deadlines.
        self._heads: dict[HeadFirstConnection, None] = {}
        self._kept: dict[HeadFirstConnection, None] = {}

    def make_room(self) -> bool:
        """Where there are too many, end the one that gives way first; tell whether there is room for another."""
        surplus = self._connections.find_surplus(_awaits_reader)
        return surplus is None or self._end_dispensable(surplus)

    def give_back(self) -> bool:
        """End the connection that gives way first, for its descriptor; tell whether there was one."""
        dispensable = self._connections.find_dispensable(_awaits_reader)
        return dispensable is not None and self._end_dispensable(dispensable)

    def admit(self, connection: HeadFirstConnection) -> None:
        """Take in a new connection, whose head may have come already."""
        self._connections.add(connection, connection.peer)
        self._watch(connection, self._heads, self._head_seconds)
        self._receive(connection)

    def take_back(self, connection: HeadFirstConnection, seconds: float) -> None:
        """Take in a connection whose request was answered; a next one has ``seconds`` to begin, if it has not."""
        if connection.take_read_ahead() is HeadState.COMPLETE:
            self._host.enqueue_req(connection)
            return
        self._connections.note_idle(connection)
        if connection.head:
            self._watch(connection, self._heads, self._head_seconds)
            self._look_at(connection)
        else:
            self._watch(connection, self._kept, seconds)

    def remove(self, connection: HeadFirstConnection) -> None:
        """Forget a connection."""
        self._unwatch(connection)
        self._connections.remove(connection)

    def cap(self, deadline_seconds: float) -> None:
        """Wait for no request any longer than until then."""
        for connection in (*self._heads, *self._kept):
            connection.deadline_seconds = min(connection.deadline_seconds, deadline_seconds)

    def sweep(self, *, force: bool = False) -> None:
        """End those whose request has not come in time, or all."""
        now_seconds = time.monotonic()
        for waiting in (self._heads, self._kept):
            while (connection := next(iter(waiting), None)) is not None:
                if connection.deadline_seconds > now_seconds and not force:
                    break
                self._end(connection, HTTPStatus.REQUEST_TIMEOUT if connection.head else None)

    def _on_readable(self, connection: HeadFirstConnection, _sock: Any) -> None:
        # One that gave way to another may still be among the events of this round.
        if connection in self._heads or connection in self._kept:
            self._receive(connection)

    def _receive(self, connection: HeadFirstConnection) -> None:
        try:
            is_there = connection.receive()
        except OSError:
            is_there = False
        if is_there:
            self._look_at(connection)
        else:
            self._end(connection, None)

    def _look_at(self, connection: HeadFirstConnection) -> None:
        """Go on with a connection that waits, by what has come of its head."""
        if connection.head.state is HeadState.COMPLETE:
            self._unwatch(connection)
            self._connections.note_busy(connection)
            self._host.enqueue_req(connection)
        elif connection.head.state is HeadState.TOO_LARGE:
            self._end(connection, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        elif connection.head and connection in self._kept:
            del self._kept[connection]
            self._begin(connection, self._heads, self._head_seconds)

    def _watch(self, connection: HeadFirstConnection, waiting: dict[HeadFirstConnection, None], seconds: float) -> None:
        self._begin(connection, waiting, seconds)
        self._poller.register(connection.sock, selectors.EVENT_READ, partial(self._on_readable, connection))

    @staticmethod
    def _begin(connection: HeadFirstConnection, waiting: dict[HeadFirstConnection, None], seconds: float) -> None:
        connection.deadline_seconds = time.monotonic() + seconds
        waiting[connection] = None

    def _unwatch(self, connection: HeadFirstConnection) -> None:
        for waiting in (self._heads, self._kept):
            if connection in waiting:
                del waiting[connection]
                self._poller.unregister(connection.sock)

    def _end_dispensable(self, connection: HeadFirstConnection) -> bool:
        """End a connection, unless a thread serves its request and waits for nobody; tell whether it ends."""
        if connection in self._heads or connection in self._kept:
            self._end(connection, None)
        elif connection.sock.is_waiting:
            with contextlib.suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)  # Its thread wakes up and ends it.
        else:
            return False
        return True

    def _end(self, connection: HeadFirstConnection, status: HTTPStatus | None) -> None:
        self.remove(connection)
        self._host.end(connection, status)


def _awaits_reader(connection: HeadFirstConnection) -> bool:
    return connection.sock.is_waiting
