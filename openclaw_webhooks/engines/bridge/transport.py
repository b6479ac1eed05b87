"""One HTTP exchange with the bridge that blocks its thread: kept connections, and limits over the whole exchange.

Knows neither Django nor what is asked.
"""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from openclaw_webhooks.conf.bridge import BridgeAddress
from openclaw_webhooks.engines.bridge.wire import (
    CHUNK_BYTES,
    MAX_IDLE_SECONDS,
    AnswerReader,
    NoAnswer,
    NotSent,
    Reply,
    Request,
    name_of,
)


class Transport:
    """Exchanges requests and answers; safe to use from several threads and after a fork."""

    def __init__(
        self,
        address: BridgeAddress,
        *,
        connect_seconds: float,
        total_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Connect to nothing yet."""
        self.address = address
        self.connect_seconds = connect_seconds
        self.total_seconds = total_seconds
        self._clock = clock
        self._forget()
        os.register_at_fork(after_in_child=self._forget)

    def exchange(self, request: Request) -> Reply:
        """Send a request and return the answer.

        A kept connection may have been closed by the peer in the moment of its use. A request that then was not sent
        whole is sent again on a new connection; one that was is only where it repeats.

        Raises:
            NotSent: Nobody has received the request.
            NoAnswer: It may have been received.
        """
        deadline = self._clock() + self.total_seconds
        kept = self._take()
        if kept is not None:
            try:
                return self._exchange_on(kept, request, deadline)
            except NotSent:
                pass
            except NoAnswer as error:
                if not request.repeats or not error.was_closed:
                    raise
        return self._exchange_on(self._connect(deadline), request, deadline)

    def close(self) -> None:
        """Close what rests; connections in use are closed by their users."""
        while (connection := self._pop()) is not None:
            connection.socket.close()

    def _forget(self) -> None:
        # A child must not talk on its parent's connections. The descriptors are the parent's to close.
        self._lock = threading.Lock()
        self._resting: deque[_Connection] = deque()

    def _take(self) -> _Connection | None:
        """Return the connection that was used last, if one rests that the peer has not closed."""
        while (connection := self._pop()) is not None:
            if connection.rests_until > self._clock() and not has_news(connection.socket):
                return connection
            connection.socket.close()
        return None

    def _pop(self) -> _Connection | None:
        with self._lock:
            return self._resting.pop() if self._resting else None

    def _connect(self, deadline: float) -> _Connection:
        opened, target = open_socket(self.address)
        connection = _Connection(opened, self._clock)
        connection.deadline = min(deadline, self._clock() + self.connect_seconds)
        try:
            connection.waiting_socket().connect(target)
        except OSError as error:
            opened.close()
            raise NotSent(f"cannot connect to {self.address} ({name_of(error)})") from error
        return connection

    def _exchange_on(self, connection: _Connection, request: Request, deadline: float) -> Reply:
        connection.deadline = deadline
        try:
            connection.send_whole(request.data)
            reply, stays_open = connection.receive()
        except BaseException:
            connection.socket.close()
            raise
        if not stays_open:
            connection.socket.close()
        else:
            connection.rests_until = self._clock() + MAX_IDLE_SECONDS
            with self._lock:
                self._resting.append(connection)
        return reply


class _Connection:
    """A connection whose every wait ends at ``deadline``."""

    rests_until = 0.0

    def __init__(self, opened: socket.socket, clock: Callable[[], float]) -> None:
        self.socket = opened
        self._clock = clock
        self.deadline = 0.0

    def send_whole(self, data: bytes) -> None:
        try:
            self.waiting_socket().sendall(data)
        except OSError as error:
            raise NotSent(f"the connection broke while a request was sent ({name_of(error)})") from error

    def receive(self) -> tuple[Reply, bool]:
        """Return the answer, and whether the connection stays open."""
        reader = AnswerReader()
        reply = None
        while reply is None:
            try:
                chunk = self.waiting_socket().recv(CHUNK_BYTES)
            except OSError as error:
                raise reader.fail(error) from error
            reply = reader.feed(chunk)
        return reply, reader.stays_open

    def waiting_socket(self) -> socket.socket:
        """Return the socket, which now waits no longer than is left: a time limit per wait would add up."""
        left_seconds = self.deadline - self._clock()
        if left_seconds <= 0:
            raise TimeoutError("The time for the call is over.")
        self.socket.settimeout(left_seconds)
        return self.socket


def open_socket(address: BridgeAddress) -> tuple[socket.socket, Any]:
    """Return a socket, not yet connected, and what it is to connect to."""
    if address.socket_path:
        return socket.socket(socket.AF_UNIX, socket.SOCK_STREAM), address.socket_path
    opened = socket.socket(socket.AF_INET6 if ":" in address.host else socket.AF_INET)
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return opened, (address.host, address.port)


def has_news(resting: socket.socket) -> bool:
    """Tell whether something can be read, which on a resting connection is its end."""
    poll = select.poll()
    poll.register(resting, select.POLLIN)
    return bool(poll.poll(0))
