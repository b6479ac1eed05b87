"""A worker of gunicorn's whose threads get whole heads, take turns, stay with a caller that goes on, and share callers.

Gunicorn's own ``gthread`` has a thread wait for a head as long as its caller likes, stops accepting at its bound of
connections, hands a connection back to its main thread after each answer, and lets all its threads fight for the
interpreter. Here the main thread receives the heads: a caller that sends nothing, or half a head, holds a descriptor
and no thread. In ``gunicorn.conf.py``, beside the hooks of ``servers.gunicorn``::

    worker_class = "openclaw_webhooks.servers.gunicorn_threads.TurnTakingWorker"

TLS is the business of a proxy in front.

Source: gunicorn 27.0, ``workers/gthread.py``; contract.md section 3 (deadlines and bounds of the stand-alone server).
"""

from __future__ import annotations

import errno
import select
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from selectors import EVENT_READ
from socket import SHUT_RDWR
from typing import Any, Final

from gunicorn.errors import ConfigError  # type: ignore[import-untyped]
from gunicorn.workers.gthread import TConn, ThreadWorker  # type: ignore[import-untyped]

from openclaw_webhooks.servers.connections import Connections, most_connections
from openclaw_webhooks.servers.lingering import DEFAULT_LINGER_LIMITS, process_closer
from openclaw_webhooks.servers.request_head import MAX_HEAD_BYTES
from openclaw_webhooks.servers.turns import Turns
from openclaw_webhooks.servers.unread import UnreadAnswers, count_queued

__all__ = ["TurnTakingWorker"]

STAY_MS: Final = 2
"""How long a thread waits for a next request: some times what a caller on this machine or network takes to send it."""
COURTESY_SECONDS: Final = 0.0001
"""For each connection that a worker has, how long it leaves a new one to the others: what waking up takes."""
_MOST_COURTESY_SECONDS: Final = 0.001
_RECEIVE_BYTES: Final = 65_536
_RESERVED_DESCRIPTORS: Final = 128 + DEFAULT_LINGER_LIMITS.connections
"""What a worker opens beside connections: the database's files in each thread, the limits, sockets, logs; and what is
on its way out."""
_FULL: Final = (errno.EMFILE, errno.ENFILE)
_PASSING: Final = (errno.EAGAIN, errno.EWOULDBLOCK, errno.ECONNABORTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadLimits:
    """What callers may cost, in seconds.

    Attributes:
        head_seconds: How long a head may take: from the connection on, later from its first byte on.
        unread_seconds: How long nothing may be read of an answer.
    """

    head_seconds: float = 5.0
    unread_seconds: float = 30.0


class HeadConnection(TConn):  # type: ignore[misc]
    """A connection whose next head is received before it takes a thread.

    Attributes:
        head: What was received of it, and perhaps more.
        ends_at_seconds: Until when it is waited for; ``time.monotonic``.
    """

    def __init__(self, *args: Any) -> None:
        """Take what gunicorn gives a connection."""
        super().__init__(*args)
        self.data_ready = True
        self.head = bytearray()
        self.ends_at_seconds = 0.0

    @property
    def peer(self) -> str | None:
        """The address of the caller, ``None`` over a unix socket."""
        return self.client[0] if isinstance(self.client, tuple) and self.client else None

    def has_head(self) -> bool:
        """Tell whether a head is there as a whole. Empty lines before it do not count."""
        while self.head.startswith(b"\r\n"):
            del self.head[:2]
        return 0 <= self.head.find(b"\r\n\r\n") <= MAX_HEAD_BYTES

    def take_buffered(self) -> None:
        """Take what gunicorn's reader has received of a next request."""
        if self.parser is not None:
            self.head[:0] = self.parser.unreader.take_buffered()

    def give_head(self) -> None:
        """Give gunicorn's reader what was received."""
        self.init()
        self.parser.unreader.unread(bytes(self.head))
        self.head.clear()


class TurnTakingWorker(ThreadWorker):  # type: ignore[misc]
    """``gthread`` with bounds and turns; the way it stops is its own.

    Attributes:
        turns: What ``servers.gunicorn`` leaves before a request waits for its body.
        limits: What callers may cost.
    """

    limits = ThreadLimits()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Take what gunicorn gives a worker."""
        super().__init__(*args, **kwargs)
        self.turns = Turns()
        # A head is bounded as a whole, as at the ASGI door: target and fields share its room.
        self.cfg.set("limit_request_line", 0)
        self.cfg.set("limit_request_field_size", MAX_HEAD_BYTES)
        self.worker_connections = sys.maxsize  # It never stops accepting: see ``_connections``.
        most = min(self.cfg.worker_connections, most_connections(reserve=_RESERVED_DESCRIPTORS))
        self._connections: Connections[HeadConnection] = Connections(most=most, is_trusted=self.is_trusted)
        self._waiting: set[HeadConnection] = set()
        self._unread: UnreadAnswers[HeadConnection] = UnreadAnswers()
        self._stops_at_seconds = float("inf")

    @classmethod
    def check_config(cls, cfg: Any, _log: Any) -> None:
        """Refuse TLS: a handshake would hold a thread.

        Raises:
            ConfigError: A certificate is configured.
        """
        if cfg.is_ssl:
            raise ConfigError("this worker serves no TLS: put a proxy in front")

    def is_trusted(self, peer: str | None) -> bool:
        """Tell by a peer's address whether it stands for many clients: its connections give way after all others.

        To be overridden where a proxy is in front. ``None`` is a peer on a unix socket.
        """
        return peer is None

    def accept(self, listener: Any) -> None:
        """Take a new connection, unless a worker that has fewer takes it first. Only the main thread waits."""
        if self.cfg.workers > 1 and self.nr_conns:
            time.sleep(min(self.nr_conns * COURTESY_SECONDS, _MOST_COURTESY_SECONDS))
        try:
            sock, client = listener.accept()
        except OSError as error:
            if error.errno in _FULL:
                self._make_room(self._connections.find_dispensable)
                time.sleep(_MOST_COURTESY_SECONDS)  # A thread may have to let go first.
            elif error.errno not in _PASSING:
                raise
            return
        self._make_room(self._connections.find_surplus)
        connection = HeadConnection(self.cfg, sock, client, listener.getsockname())
        self.nr_conns += 1
        self._connections.add(connection, connection.peer)
        self._await_head(connection, self.limits.head_seconds)

    def handle(self, conn: HeadConnection) -> Any:
        """Serve a request whose head is there, and those that follow at once as long as no other waits for a thread."""
        result = self._serve_in_turn(conn)
        while result is True and self._may_stay() and self._has_next_head(conn):
            result = self._serve_in_turn(conn)
        return result

    def finish_request(self, conn: HeadConnection, fs: Any) -> None:
        """Wait for a next request, or end; called in the main thread once a thread has done its work."""
        if fs.cancelled() or fs.exception() is not None or not fs.result():
            self._close_gently(conn)
            return
        conn.take_buffered()
        self._connections.note_idle(conn)
        if conn.has_head():
            self._submit(conn)
        else:
            self._await_head(conn, self.limits.head_seconds if conn.head else self.cfg.keepalive)

    def murder_keepalived(self, force: bool = False) -> None:
        """End what takes too long; gunicorn calls this once a second, and with ``force`` at its end."""
        now_seconds = time.monotonic()
        for connection in list(self._waiting):
            if force or now_seconds >= min(connection.ends_at_seconds, self._stops_at_seconds):
                self._end_waiting(connection)
        self._end_unread(now_seconds)

    def _cap_keepalive(self, deadline: float) -> None:
        """Wait for callers until then at most (gunicorn's name for it)."""
        self._stops_at_seconds = deadline

    def _await_head(self, connection: HeadConnection, seconds: float) -> None:
        connection.sock.setblocking(False)
        connection.ends_at_seconds = time.monotonic() + seconds
        self._waiting.add(connection)
        self.poller.register(connection.sock, EVENT_READ, partial(self._receive_head, connection))

    def _receive_head(self, connection: HeadConnection, _sock: Any) -> None:
        try:
            received = connection.sock.recv(_RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            received = b""
        if not received:
            self._end(connection)
            return
        if not connection.head and connection.initialized:
            connection.ends_at_seconds = time.monotonic() + self.limits.head_seconds
        connection.head += received
        if connection.has_head():
            self._stop_waiting(connection)
            self._submit(connection)
        elif len(connection.head) > MAX_HEAD_BYTES:
            self._refuse(connection, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def _submit(self, connection: HeadConnection) -> None:
        self._connections.note_busy(connection)
        self.enqueue_req(connection)

    def _serve_in_turn(self, connection: HeadConnection) -> Any:
        self.turns.take()
        try:
            connection.give_head()
            return super().handle(connection)
        finally:
            self.turns.leave()

    def _may_stay(self) -> bool:
        return bool(self.alive) and self.tpool._work_queue.empty()

    def _has_next_head(self, connection: HeadConnection) -> bool:
        """Tell whether a next head is there, or comes within ``STAY_MS``."""
        connection.take_buffered()
        if not connection.head and _is_readable(connection.sock):
            with suppress(OSError):
                connection.head += connection.sock.recv(_RECEIVE_BYTES)
        return connection.has_head()

    def _make_room(self, find: Callable[[Callable[[HeadConnection], bool]], HeadConnection | None]) -> None:
        connection = find(lambda busy: count_queued(busy.sock) > 0)
        if connection is None:
            return
        if connection in self._waiting:
            self._end(connection)
        else:
            self._break_off(connection)

    def _end_waiting(self, connection: HeadConnection) -> None:
        """End a connection whose head did not come; a caller that has sent part of one is told."""
        if connection.head:
            self._refuse(connection, HTTPStatus.REQUEST_TIMEOUT)
        else:
            self._end(connection)

    def _end_unread(self, now_seconds: float) -> None:
        """End connections whose threads have waited too long for their callers to read."""
        for connection in self._connections.busy():
            queued_bytes = count_queued(connection.sock)
            self._unread.measure(connection, held_bytes=0, queued_bytes=queued_bytes, now_seconds=now_seconds)
        for connection, unread in self._unread.stillest_first():
            if now_seconds - unread.since_seconds >= self.limits.unread_seconds:
                self._break_off(connection)

    def _break_off(self, connection: HeadConnection) -> None:
        """Wake the thread that reads or writes here; it ends the connection."""
        self._unread.forget(connection)
        with suppress(OSError):
            connection.sock.shutdown(SHUT_RDWR)

    def _refuse(self, connection: HeadConnection, status: HTTPStatus) -> None:
        """Answer in the server's own name."""
        text = status.phrase.encode("ascii")
        fields = b"Content-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nConnection: close" % len(text)
        with suppress(OSError):
            connection.sock.send(b"HTTP/1.1 %d %s\r\n%s\r\n\r\n%s" % (status, text, fields, text))
        self._stop_waiting(connection)
        self._close_gently(connection)

    def _stop_waiting(self, connection: HeadConnection) -> None:
        if connection in self._waiting:
            self._waiting.remove(connection)
            self.poller.unregister(connection.sock)

    def _end(self, connection: HeadConnection) -> None:
        """Close at once a connection that no thread has."""
        self._stop_waiting(connection)
        self._forget(connection)
        connection.close()

    def _close_gently(self, connection: HeadConnection) -> None:
        """Let the caller read the answer though it may still be sending; gunicorn's main thread would wait for that."""
        self._forget(connection)
        process_closer().add(connection.sock)

    def _forget(self, connection: HeadConnection) -> None:
        self.nr_conns -= 1
        self._connections.remove(connection)
        self._unread.forget(connection)


def _is_readable(sock: Any) -> bool:
    """Tell whether something is there to receive, or comes within ``STAY_MS``."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(STAY_MS))
