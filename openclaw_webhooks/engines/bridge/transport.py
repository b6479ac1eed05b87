"""One HTTP exchange with the bridge: a pool of kept connections, and time limits over the whole exchange.

Every error says how far the request had come, because that decides what a mutation's caller may be told. Knows neither
Django nor what is asked.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from openclaw_webhooks.conf.bridge import BridgeAddress
from openclaw_webhooks.engines.bridge.deadline_socket import DeadlineSocket
from openclaw_webhooks.engines.bridge.loop_socket import LoopSocket
from openclaw_webhooks.pausing import find_loop
from openclaw_webhooks.values import value

MAX_IDLE_SECONDS: Final = 60.0
"""A kept connection that rested longer is not used again; the plugin closes one after 75."""
MAX_ANSWER_BYTES: Final = 512 * 1024 * 1024
"""More than any session's list of flows; what is longer is rubbish."""

_MAX_HEAD_BYTES: Final = 16 * 1024
_CHUNK_BYTES: Final = 256 * 1024
_LENGTH_DIGITS: Final = 18
_END_OF_HEAD: Final = b"\r\n\r\n"
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.1 ([2-5]\d\d)(?: |\Z)")


class NotSent(Exception):
    """The request did not reach the peer whole: it cannot have acted. Caused by ``TimeoutError`` where time was up."""


class NoAnswer(Exception):
    """The request was sent and no whole answer came: the peer may have acted. Its cause is told alike."""


@value()
class Reply:
    """An answer: status and body, whatever they are."""

    status: int
    body: bytes


class Transport:
    """Exchanges requests and answers; safe to use from several threads and event loops, and after a fork.

    An exchange blocks its thread, or pauses where that is possible (``pausing``).
    """

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

    def exchange(self, request: bytes, *, repeats: bool) -> Reply:
        """Send a request of HTTP/1.1, whole as it is, and return the answer.

        A kept connection may have been closed by the peer in the moment of its use. A request that then was not sent
        whole is sent again on a new connection; one that was is only where ``repeats`` says that it changes nothing.

        Raises:
            NotSent: Nobody has received the request.
            NoAnswer: It may have been received.
        """
        deadline = self._clock() + self._total_seconds
        loop = find_loop()
        kept = self._take(loop)
        if kept is not None:
            try:
                return self._exchange_on(kept, request, deadline)
            except NotSent:
                pass
            except NoAnswer:
                if not repeats or not kept.was_closed:
                    raise
        return self._exchange_on(self._connect(loop, deadline), request, deadline)

    def close(self) -> None:
        """Close what rests; connections in use are closed by their users."""
        for loop in tuple(self._resting):
            while (connection := self._pop(loop)) is not None:
                connection.sock.close()

    def _forget(self) -> None:
        # A child must not talk on its parent's connections. The descriptors are the parent's to close.
        self._lock = threading.Lock()
        # Those of threads are of no event loop.
        self._resting: dict[asyncio.AbstractEventLoop | None, deque[_Connection]] = {}

    def _take(self, loop: asyncio.AbstractEventLoop | None) -> _Connection | None:
        """Return the connection that was used last, if one rests that the peer has not closed."""
        while (connection := self._pop(loop)) is not None:
            if connection.rests_until > self._clock() and not connection.sock.has_news():
                return connection
            connection.sock.close()
        return None

    def _pop(self, loop: asyncio.AbstractEventLoop | None) -> _Connection | None:
        with self._lock:
            resting = self._resting.get(loop)
            return resting.pop() if resting else None

    def _keep(self, connection: _Connection) -> None:
        connection.rests_until = self._clock() + MAX_IDLE_SECONDS
        with self._lock:
            resting = self._resting.get(connection.loop)
            if resting is None:
                # Loops that were closed want theirs no more.
                self._resting = {one: kept for one, kept in self._resting.items() if one is None or not one.is_closed()}
                resting = self._resting[connection.loop] = deque()
            resting.append(connection)

    def _connect(self, loop: asyncio.AbstractEventLoop | None, deadline: float) -> _Connection:
        family, target = _find_target(self._address)
        until = min(deadline, self._clock() + self._connect_seconds)
        try:
            if loop is None:
                return _Connection(DeadlineSocket.open(family, target, clock=self._clock, deadline=until), loop)
            return _Connection(LoopSocket.open(family, target, loop=loop, clock=self._clock, deadline=until), loop)
        except OSError as error:
            raise NotSent(f"cannot connect to {self._address} ({_name(error)})") from error

    def _exchange_on(self, connection: _Connection, request: bytes, deadline: float) -> Reply:
        connection.sock.deadline = deadline
        try:
            connection.send_whole(request)
            reply = connection.receive()
        except BaseException:
            connection.sock.close()
            raise
        if connection.stays_open:
            self._keep(connection)
        else:
            connection.sock.close()
        return reply


class _Connection:
    """A connection whose every wait ends at a deadline; ``was_closed``: it ended before a byte of the answer.

    Reads HTTP/1.1 as the plugin writes it: a length is always declared. ``http.client`` takes 0.15 ms more for a call.
    """

    rests_until = 0.0
    was_closed = False
    stays_open = False

    def __init__(self, sock: DeadlineSocket | LoopSocket, loop: asyncio.AbstractEventLoop | None) -> None:
        self.sock = sock
        self.loop = loop

    def send_whole(self, request: bytes) -> None:
        try:
            self.sock.send_whole(request)
        except OSError as error:
            raise NotSent(f"the connection broke while a request was sent ({_name(error)})") from error

    def receive(self) -> Reply:
        head, rest = self._receive_head()
        status, length, self.stays_open = _parse_head(head)
        return Reply(status, self._receive_body(rest, length))

    def _receive_head(self) -> tuple[bytes, bytes]:
        received = b""
        while (end := received.find(_END_OF_HEAD)) < 0:
            if len(received) > _MAX_HEAD_BYTES:
                raise NoAnswer("what came is no answer of a bridge")
            try:
                chunk = self.sock.receive(_MAX_HEAD_BYTES)
            except ConnectionError as error:
                self.was_closed = not received
                raise NoAnswer("the connection was closed instead of an answer") from error
            except OSError as error:
                raise NoAnswer(f"no answer came ({_name(error)})") from error
            if not chunk:
                self.was_closed = not received
                raise NoAnswer("the connection was closed instead of an answer")
            received += chunk
        return received[:end], received[end + len(_END_OF_HEAD) :]

    def _receive_body(self, rest: bytes, length: int) -> bytes:
        if length > MAX_ANSWER_BYTES:
            raise NoAnswer("the answer is too long")
        chunks, missing = [rest], length - len(rest)
        while missing > 0:
            try:
                chunk = self.sock.receive(min(missing, _CHUNK_BYTES))
            except OSError as error:
                raise NoAnswer(f"the answer broke off ({_name(error)})") from error
            if not chunk:
                raise NoAnswer("the answer broke off")
            chunks.append(chunk)
            missing -= len(chunk)
        if missing < 0:
            raise NoAnswer("the answer is longer than it says")
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _find_target(address: BridgeAddress) -> tuple[int, Any]:
    """Return the family of sockets, and what such a socket is connected to."""
    if address.socket_path:
        return socket.AF_UNIX, address.socket_path
    return socket.AF_INET6 if ":" in address.host else socket.AF_INET, (address.host, address.port)


def _parse_head(head: bytes) -> tuple[int, int, bool]:
    """Return status, length of the body, and whether the connection stays open."""
    first, *lines = head.split(b"\r\n")
    status = _STATUS_LINE.match(first)
    fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
    length = fields.get(b"content-length", b"")
    if status is None or not length.isdigit() or b"transfer-encoding" in fields:
        raise NoAnswer("what came is no answer of a bridge")
    return int(status[1]), int(length[:_LENGTH_DIGITS]), fields.get(b"connection", b"").lower() != b"close"


def _name(error: BaseException) -> str:
    return os.strerror(error.errno) if isinstance(error, OSError) and error.errno else type(error).__name__
