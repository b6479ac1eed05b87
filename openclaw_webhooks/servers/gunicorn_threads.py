"""A worker of gunicorn's whose threads get whole heads, take turns, stay with a caller that goes on, and share callers.

Gunicorn's own ``gthread`` has a thread wait for a head as long as its caller likes, and for the reading of its answer
too; stops accepting at its bound of connections; hands a connection back to its main thread after each answer, and lets
all its threads fight for the interpreter. Here the main thread receives the heads: a caller that sends nothing, or half
a head, holds a descriptor and no thread. In ``gunicorn.conf.py``, beside the hooks of ``servers.gunicorn``::

    worker_class = "openclaw_webhooks.servers.gunicorn_threads.TurnTakingWorker"

TLS is the business of a proxy in front.

Source: gunicorn 27.0, ``workers/gthread.py``; contract.md section 3 (deadlines and bounds of the stand-alone server).
"""

from __future__ import annotations

import contextlib
import errno
import sys
import time
from concurrent.futures import Future
from http import HTTPStatus
from typing import Any, Final

from gunicorn.errors import ConfigError  # type: ignore[import-untyped]
from gunicorn.http.message import MAX_HEADERS  # type: ignore[import-untyped]
from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER, ThreadWorker  # type: ignore[import-untyped]

from openclaw_webhooks.servers.answer_socket import AnswerSocket, ReaderPatience
from openclaw_webhooks.servers.connections import most_connections
from openclaw_webhooks.servers.gunicorn_connection import HeadFirstConnection
from openclaw_webhooks.servers.gunicorn_requests import build_refusal, is_body_read, refusal_of
from openclaw_webhooks.servers.gunicorn_waiting import ThreadLimits, WaitingRoom
from openclaw_webhooks.servers.head_buffer import HeadState
from openclaw_webhooks.servers.lingering import process_closer
from openclaw_webhooks.servers.request_head import MAX_HEAD_BYTES
from openclaw_webhooks.servers.turns import Turns

__all__ = ["TurnTakingWorker"]

STAY_MS: Final = 2
"""How long a thread waits for a next request: some times what a caller on this machine or network takes to send it."""
COURTESY_SECONDS: Final = 0.0001
"""For each connection that a worker has, how long it leaves a new one to the others: what waking up takes."""
_MOST_COURTESY_SECONDS: Final = 0.001
_PAUSE_SECONDS: Final = 0.1
_DRAIN_SECONDS: Final = 0.05
_USED_UP: Final = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
_RESERVED_DESCRIPTORS: Final = 64
"""What a worker opens beside connections: sockets, logs, the limits, what its threads do not open."""
_DESCRIPTORS_OF_THREAD: Final = 3
"""A connection to an SQLite database, and a file in passing."""


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
        self.cfg.set("limit_request_fields", MAX_HEADERS)
        self.worker_connections = self.max_keepalived = sys.maxsize  # It never stops accepting: see ``_waiting``.
        self._deaf_until_seconds = 0.0

    @classmethod
    def check_config(cls, cfg: Any, _log: Any) -> None:
        """Refuse what is not plain HTTP/1.1: a handshake would hold a thread.

        Raises:
            ConfigError: TLS, HTTP/2, the PROXY protocol or uWSGI's is configured.
        """
        if cfg.is_ssl or cfg.proxy_protocol != "off" or cfg.protocol != "http" or "h2" in cfg.http_protocols:
            raise ConfigError("this worker serves plain HTTP/1.1 only, no TLS: put a proxy in front")

    def run(self) -> None:
        """Serve until told to stop."""
        reserve = _RESERVED_DESCRIPTORS + self.cfg.threads * _DESCRIPTORS_OF_THREAD + process_closer().most_connections
        most = min(self.cfg.worker_connections, most_connections(reserve=reserve))
        self._waiting = WaitingRoom(self, self.poller, head_seconds=self.limits.head_seconds, most=most)
        super().run()

    def is_trusted(self, peer: str | None) -> bool:
        """Tell by a peer's address whether it stands for many clients: its connections give way after all others.

        To be overridden where a proxy is in front. ``None`` is a peer on a unix socket.
        """
        return peer is None

    def set_accept_enabled(self, enabled: bool) -> None:
        """Take new connections or not, as told; for a moment never where there was no room for one."""
        super().set_accept_enabled(enabled and time.monotonic() >= self._deaf_until_seconds)

    def accept(self, listener: Any) -> None:
        """Take a new connection, unless a worker that has fewer takes it first. Only the main thread waits."""
        if self.cfg.workers > 1 and self.nr_conns:
            time.sleep(min(self.nr_conns * COURTESY_SECONDS, _MOST_COURTESY_SECONDS))
        if not self._waiting.make_room():
            self._pause()  # All are being served: a new one waits in the kernel until one of them is done.
            return
        try:
            sock, client = listener.accept()
        except OSError as error:
            # All others are the connection's own, and pass with it (accept(2)).
            if error.errno in _USED_UP and not self._waiting.give_back():
                self._pause()
            return
        self.nr_conns += 1
        answer_socket = AnswerSocket.take_over(sock, ReaderPatience(unread_seconds=self.limits.unread_seconds))
        self._waiting.admit(HeadFirstConnection(self.cfg, answer_socket, client, listener.getsockname()))

    def handle(self, conn: HeadFirstConnection) -> Any:
        """Serve a request whose head is there, and those that follow at once as long as no other waits for a thread."""
        result = self._serve_in_turn(conn)
        while result is True and self._may_stay():
            conn.receive_next(STAY_MS)
            if conn.head.state is not HeadState.COMPLETE:
                break
            result = self._serve_in_turn(conn)
        return result

    def finish_request(self, conn: HeadFirstConnection, fs: Future[Any]) -> None:
        """Wait for a next request, or end; called in the main thread once a thread has done its work."""
        if not fs.cancelled() and fs.exception() is None and fs.result():
            self._waiting.take_back(conn, self.cfg.keepalive if self.alive else STOP_KEEPALIVE_LINGER)
        else:
            self._waiting.remove(conn)
            self._end_gently(conn)

    def murder_keepalived(self, force: bool = False) -> None:
        """End those whose request has not come in time (gunicorn's name for it), or all."""
        self._waiting.sweep(force=force)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer what could not be parsed; what the caller has sent is repeated neither to it nor to the log."""
        status = refusal_of(exc)
        if status is None:
            super().handle_error(req, client, addr, exc)
            return
        self.log.warning("Malformed requests are refused: %s", type(exc).__name__)
        with contextlib.suppress(OSError):
            client.sendall(build_refusal(status))

    def end(self, conn: HeadFirstConnection, status: HTTPStatus | None) -> None:
        """Close a connection that waited for a request, with an answer of this status where there is one."""
        if status is None:
            self.nr_conns -= 1
            conn.sock.close()
            return
        with contextlib.suppress(OSError):
            conn.sock.send_now(build_refusal(status))
        self._end_gently(conn)

    def _end_gently(self, conn: HeadFirstConnection) -> None:
        """Close a connection after an answer. Gunicorn's main thread would wait two seconds until the caller closes."""
        self.nr_conns -= 1
        if conn.sock.has_given_up:
            conn.sock.close()
        else:
            process_closer().add(conn.sock)

    def _pause(self) -> None:
        self._deaf_until_seconds = time.monotonic() + _PAUSE_SECONDS
        self.set_accept_enabled(False)

    def _serve_in_turn(self, conn: HeadFirstConnection) -> Any:
        self.turns.take()
        try:
            conn.hand_to_parser()
            return super().handle(conn)
        finally:
            self.turns.leave()

    def _keepalive_after(self, conn: HeadFirstConnection, keepalive: bool) -> bool:
        """Tell whether the connection goes on: not where a thread would have to wait for the rest of a body."""
        if not keepalive:
            return False
        return is_body_read(conn.parser) or bool(conn.parser.finish_body(deadline=time.monotonic() + _DRAIN_SECONDS))

    def _cap_keepalive(self, deadline: float) -> None:
        """Wait for callers until then at most (gunicorn's name for it)."""
        self._waiting.cap(deadline)

    def _may_stay(self) -> bool:
        return bool(self.alive) and self.tpool._work_queue.empty()
