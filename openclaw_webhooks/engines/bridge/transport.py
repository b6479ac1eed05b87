"""One HTTP exchange with the bridge: a pool of kept connections, and time limits over the whole exchange.

Every error says how far the request had come, because that decides what a mutation's caller may be told. Knows neither
Django nor what is asked.
"""

from __future__ import annotations

import http.client
import os
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from openclaw_webhooks.conf.bridge import BridgeAddress

MAX_IDLE_SECONDS: Final = 60.0
"""A kept connection that rested longer is not used again; the plugin closes one after 75."""
MAX_ANSWER_BYTES: Final = 512 * 1024 * 1024
"""More than any session's list of flows; what is longer is rubbish."""


class NotSent(Exception):
    """The request did not reach the peer whole: it cannot have acted."""


class NoAnswer(Exception):
    """The request was sent and no whole answer came: the peer may have acted."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: status and body, whatever they are."""

    status: int
    body: bytes


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
        self._address = address
        self._connect_seconds = connect_seconds
        self._total_seconds = total_seconds
        self._clock = clock
        self._forget()
        os.register_at_fork(after_in_child=self._forget)

    def exchange(self, method: str, path: str, body: bytes | None, headers: dict[str, str], *, repeats: bool) -> Reply:
        """Send a request and return the answer.

        A kept connection may have been closed by the peer in the moment of its use. A request that then was not sent
        whole is sent again on a new connection; one that was is only where ``repeats`` says that it changes nothing.

        Raises:
            NotSent: Nobody has received the request.
            NoAnswer: It may have been received.
        """
        deadline = self._clock() + self._total_seconds
        kept = self._take()
        if kept is not None:
            try:
                return self._exchange_on(kept, (method, path, body, headers), deadline)
            except NotSent:
                pass
            except NoAnswer:
                if not repeats or not kept.was_closed:
                    raise
        return self._exchange_on(self._connect(deadline), (method, path, body, headers), deadline)

    def close(self) -> None:
        """Close what rests; connections in use are closed by their users."""
        while (connection := self._pop()) is not None:
            connection.close()

    def _forget(self) -> None:
        # A child must not talk on its parent's connections. The descriptors are the parent's to close.
        self._lock = threading.Lock()
        self._resting: deque[_Connection] = deque()

    def _take(self) -> _Connection | None:
        """Return the connection that was used last, if one rests that the peer has not closed."""
        while (connection := self._pop()) is not None:
            if connection.rests_until > self._clock() and not connection.has_news():
                return connection
            connection.close()
        return None

    def _pop(self) -> _Connection | None:
        with self._lock:
            return self._resting.pop() if self._resting else None

    def _connect(self, deadline: float) -> _Connection:
        connection = _Connection(self._address, self._clock)
        connection.timer.deadline = min(deadline, self._clock() + self._connect_seconds)
        try:
            connection.connect()
        except OSError as error:
            connection.close()
            raise NotSent(f"cannot connect to {self._address} ({_name(error)})") from error
        return connection

    def _exchange_on(self, connection: _Connection, request: tuple[Any, ...], deadline: float) -> Reply:
        connection.timer.deadline = deadline
        try:
            connection.send_whole(*request)
            reply = connection.receive()
        except BaseException:
            connection.close()
            raise
        if connection.sock is not None:  # The peer wants to keep it.
            connection.rests_until = self._clock() + MAX_IDLE_SECONDS
            with self._lock:
                self._resting.append(connection)
        return reply


class _Timer:
    """When a call's time is over; shared by a connection and its socket, which may outlive the connection's hold."""

    __slots__ = ("_clock", "deadline")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.deadline = 0.0

    def left_seconds(self) -> float:
        """Return how long may still be waited.

        Raises:
            TimeoutError: No longer.
        """
        left = self.deadline - self._clock()
        if left <= 0:
            raise TimeoutError("The time for the call is over.")
        return left


class _Connection(http.client.HTTPConnection):
    """A connection whose every wait ends with its timer; ``was_closed``: it ended before a byte of the answer."""

    rests_until = 0.0
    was_closed = False

    def __init__(self, address: BridgeAddress, clock: Callable[[], float]) -> None:
        super().__init__(address.host or "localhost", address.port or 80)
        self._bridge_address = address
        self.timer = _Timer(clock)

    def connect(self) -> None:
        address = self._bridge_address
        if address.socket_path:
            made = _DeadlineSocket(socket.AF_UNIX, socket.SOCK_STREAM)
            target: Any = address.socket_path
        else:
            family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
            made = _DeadlineSocket(family, socket.SOCK_STREAM)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            target = (address.host, address.port)
        made.timer = self.timer
        self.sock = made
        made.settimeout(self.timer.left_seconds())
        made.connect(target)

    def has_news(self) -> bool:
        """Tell whether something can be read, which on a resting connection is its end."""
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return bool(poll.poll(0))

    def send_whole(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> None:
        try:
            self.request(method, path, body, headers)
        except OSError as error:
            raise NotSent(f"the connection broke while a request was sent ({_name(error)})") from error

    def receive(self) -> Reply:
        try:
            response = self.getresponse()
        except (ConnectionError, http.client.RemoteDisconnected) as error:
            self.was_closed = True
            raise NoAnswer("the connection was closed instead of an answer") from error
        except (OSError, http.client.HTTPException) as error:
            raise NoAnswer(f"no answer came ({_name(error)})") from error
        try:
            body = response.read(MAX_ANSWER_BYTES)
        except (OSError, http.client.HTTPException) as error:
            raise NoAnswer(f"the answer broke off ({_name(error)})") from error
        if response.length:
            raise NoAnswer("the answer broke off" if len(body) < MAX_ANSWER_BYTES else "the answer is too long")
        return Reply(response.status, body)


class _DeadlineSocket(socket.socket):
    """A socket that asks before each wait how long it may still wait; a time limit per wait would add up."""

    timer: _Timer

    def sendall(self, *args: Any) -> None:
        self.settimeout(self.timer.left_seconds())
        super().sendall(*args)

    def recv_into(self, *args: Any) -> int:
        self.settimeout(self.timer.left_seconds())
        return super().recv_into(*args)


def _name(error: BaseException) -> str:
    return os.strerror(error.errno) if isinstance(error, OSError) and error.errno else type(error).__name__
