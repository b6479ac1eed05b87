"""One HTTP exchange with the bridge on an event loop: no thread waits, and results come by callback.

As strict and as careful as ``transport``. Knows neither Django nor what is asked.
"""

from __future__ import annotations

import asyncio
import errno
import os
import time
from collections.abc import Callable
from contextvars import Context
from socket import SO_ERROR, SOL_SOCKET
from typing import Any, Final, TypeAlias

from openclaw_webhooks.engines.bridge.transport import Transport, has_news, open_socket
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

Outcome: TypeAlias = Reply | NotSent | NoAnswer
Done: TypeAlias = Callable[[Outcome], None]
_IN_PROGRESS: Final = frozenset({0, errno.EINPROGRESS})


class LoopTransport:
    """Exchanges requests and answers; each event loop has connections of its own, and so has a child after a fork."""

    def __init__(self, transport: Transport) -> None:
        """Talk to where ``transport`` does, with the same limits."""
        self._transport = transport
        self._forget()
        os.register_at_fork(after_in_child=self._forget)

    def begin(self, request: Request, done: Done) -> None:
        """Send a request; ``done`` is called on the running event loop, once, with the answer or what became of it.

        A request whose kept connection the peer was just closing is sent again as by ``Transport.exchange``.
        """
        loop = asyncio.get_running_loop()
        resting = self._resting_of(loop)
        kept = _take(resting)
        exchange = _Exchange(loop, resting, request, done, deadline=loop.time() + self._transport.total_seconds)
        if kept is None:
            exchange.connect(self._transport)
        else:
            exchange.run_on(kept, otherwise=self._transport)

    def close(self) -> None:
        """Close what rests; to be called when no loop uses it any more."""
        for resting in self._by_loop.values():
            while resting:
                resting.pop().close()

    def _resting_of(self, loop: asyncio.AbstractEventLoop) -> list[_Connection]:
        found = self._by_loop.get(loop)
        if found is None:
            for other in [one for one in self._by_loop if one.is_closed()]:
                for connection in self._by_loop.pop(other):
                    connection.close()
            found = self._by_loop[loop] = []
        return found

    def _forget(self) -> None:
        # As Transport does: the descriptors are the parent's to close.
        self._by_loop: dict[asyncio.AbstractEventLoop, list[_Connection]] = {}


def _take(resting: list[_Connection]) -> _Connection | None:
    """Return the connection that was used last, if one rests that the peer has not closed."""
    while resting:
        connection = resting.pop()
        if connection.is_open and connection.rests_until > time.monotonic() and not has_news(connection.socket):
            return connection
        connection.close()
    return None


class _Connection:
    """A connection that an event loop reads for as long as it is open; ``exchange`` gets what comes."""

    __slots__ = ("_loop", "_waits_to_write", "exchange", "rests_until", "socket")

    def __init__(self, loop: asyncio.AbstractEventLoop, opened: Any) -> None:
        self._loop = loop
        self.socket = opened
        self.exchange: _Exchange | None = None
        self.rests_until = 0.0
        self._waits_to_write = False

    @property
    def is_open(self) -> bool:
        return int(self.socket.fileno()) >= 0

    def listen(self) -> None:
        # Outside the request that it is made for, because it will serve others.
        Context().run(self._loop.add_reader, self.socket.fileno(), self._read)

    def when_writable(self, then: Callable[[], None]) -> None:
        self._waits_to_write = True
        self._loop.add_writer(self.socket.fileno(), then)

    def stop_writing(self) -> None:
        if self._waits_to_write:
            self._waits_to_write = False
            self._loop.remove_writer(self.socket.fileno())

    def close(self) -> None:
        if not self.is_open:
            return
        if not self._loop.is_closed():
            self._loop.remove_reader(self.socket.fileno())
            self.stop_writing()
        self.socket.close()

    def _read(self) -> None:
        if self.exchange is None:
            self.close()  # Whoever takes a connection looks whether it was closed.
        else:
            self.exchange.read()


class _Exchange:
    """One request and its answer."""

    __slots__ = (
        "_connection",
        "_deadline",
        "_done",
        "_loop",
        "_otherwise",
        "_reader",
        "_request",
        "_resting",
        "_timer",
        "_unsent",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        resting: list[_Connection],
        request: Request,
        done: Done,
        *,
        deadline: float,
    ) -> None:
        self._loop = loop
        self._resting = resting
        self._request = request
        self._done = done
        self._deadline = deadline
        self._otherwise: Transport | None = None
        self._connection: _Connection | None = None
        self._reader = AnswerReader()
        self._unsent = memoryview(request.data)
        self._timer: asyncio.TimerHandle | None = None

    def run_on(self, connection: _Connection, *, otherwise: Transport | None = None) -> None:
        """Send on a connection; where that had just ended, once more on a new one to ``otherwise``."""
        self._otherwise = otherwise
        self._connection = connection
        self._reader = AnswerReader()
        self._unsent = memoryview(self._request.data)
        connection.exchange = self
        self._timer = self._loop.call_at(self._deadline, self._run_out)
        self._send()

    def connect(self, transport: Transport) -> None:
        """Send on a new connection."""
        opened, target = open_socket(transport.address)
        opened.setblocking(False)
        self._connection = connection = _Connection(self._loop, opened)
        status = opened.connect_ex(target)
        if status not in _IN_PROGRESS:
            return self._end(_not_connected(transport, OSError(status, "")))
        if status == 0:
            return self._connected(connection)
        connect_by = min(self._deadline, self._loop.time() + transport.connect_seconds)
        self._timer = self._loop.call_at(connect_by, self._end, _not_connected(transport, TimeoutError()))
        connection.when_writable(lambda: self._check_connected(transport, connection))
        return None

    def read(self) -> None:
        """Take what has come; called by the connection."""
        assert self._connection is not None  # noqa: S101 - a connection calls
        try:
            reply = self._reader.feed(self._connection.socket.recv(CHUNK_BYTES))
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._lose(self._reader.fail(error))
        except NoAnswer as error:
            self._lose(error)
        else:
            if reply is not None:
                self._end(reply)

    def _check_connected(self, transport: Transport, connection: _Connection) -> None:
        connection.stop_writing()
        self._cancel_timer()
        if error := connection.socket.getsockopt(SOL_SOCKET, SO_ERROR):
            return self._end(_not_connected(transport, OSError(error, "")))
        return self._connected(connection)

    def _connected(self, connection: _Connection) -> None:
        connection.listen()
        self.run_on(connection)

    def _send(self) -> None:
        """Send what is left; mostly all of it goes at once."""
        assert self._connection is not None  # noqa: S101 - only called with one
        try:
            sent = self._connection.socket.send(self._unsent)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError as error:
            return self._lose(NotSent(f"the connection broke while a request was sent ({name_of(error)})"))
        self._unsent = self._unsent[sent:]
        if self._unsent:
            self._connection.when_writable(self._send)
        else:
            self._connection.stop_writing()
        return None

    def _run_out(self) -> None:
        why = f"no answer came ({name_of(TimeoutError())})"
        self._end(NotSent("the request could not be sent in time") if self._unsent else NoAnswer(why))

    def _lose(self, error: NotSent | NoAnswer) -> None:
        """Note that the connection is lost: a request that cannot have acted, or changes nothing, is sent once more."""
        if self._unsent:
            error = NotSent(f"the connection broke while a request was sent ({error})")
        may_repeat = isinstance(error, NotSent) or (self._request.repeats and error.was_closed)
        if self._otherwise is None or not may_repeat:
            return self._end(error)
        transport, self._otherwise = self._otherwise, None
        self._let_go()
        return self.connect(transport)

    def _end(self, outcome: Outcome) -> None:
        connection = self._connection
        if isinstance(outcome, Reply) and self._reader.stays_open and not self._unsent and connection is not None:
            self._cancel_timer()
            connection.exchange, connection.rests_until = None, time.monotonic() + MAX_IDLE_SECONDS
            self._resting.append(connection)
        else:
            self._let_go()
        self._done(outcome)

    def _let_go(self) -> None:
        self._cancel_timer()
        if self._connection is not None:
            self._connection.exchange = None
            self._connection.close()
            self._connection = None

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _not_connected(transport: Transport, error: OSError) -> NotSent:
    return NotSent(f"cannot connect to {transport.address} ({name_of(error)})")
