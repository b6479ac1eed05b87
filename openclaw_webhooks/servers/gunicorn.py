"""Everything that knows gunicorn's inside: the hooks of a configuration file, and the connection beneath a request.

For gunicorn's WSGI workers; its ASGI worker needs none of it, and pays for any ``pre_request`` hook, so leave the hooks
out there. In ``gunicorn.conf.py``::

    from openclaw_webhooks.servers import gunicorn

    pre_request = gunicorn.build_pre_request(is_route=lambda path: path.startswith("/plugins/webhooks/"))
    post_request = gunicorn.post_request
    post_worker_init = gunicorn.post_worker_init
    worker_exit = gunicorn.worker_exit

Without the hooks all still works, but that a caller who asked first is told to send its body before it was
authenticated, and that a connection about to close does not announce it.

Source: gunicorn 27.0; RFC 9110 section 10.1.1 (Expect), RFC 9112 section 9.6 (Tear-down).
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol, cast
from urllib.parse import unquote

from gunicorn.http.body import Body, ChunkedReader  # type: ignore[import-untyped]
from gunicorn.http.errors import InvalidHeader, ParseException  # type: ignore[import-untyped]
from gunicorn.http.message import Request  # type: ignore[import-untyped]

from openclaw_webhooks.exceptions import BrokenCoding
from openclaw_webhooks.servers.deadline import never
from openclaw_webhooks.servers.lingering import process_closer
from openclaw_webhooks.servers.request_head import MAX_HEAD_BYTES, is_host_valid
from openclaw_webhooks.servers.turns import Turns

__all__ = ["build_pre_request", "post_request", "post_worker_init", "worker_exit"]

_KEEP_ALIVE_DRAIN_BYTES: Final = 64 * 1024
_DRAIN_STEP_BYTES: Final = 8 * 1024
_EXIT_GRACE_SECONDS: Final = 0.5
_GIVE_UP_EARLIER_SECONDS: Final = 2

_logger = logging.getLogger(__name__)


class _Receiver(Protocol):
    """What gunicorn's reader wants of a socket."""

    def recv(self, size_bytes: int, /) -> bytes: ...


class _Unreader(Protocol):
    """Gunicorn's buffer between a socket and the readers of heads and bodies."""

    sock: _Receiver


class _Stream(Protocol):
    """``wsgi.input``."""

    def read(self, size_bytes: int, /) -> bytes: ...


class RouteBody(Body):  # type: ignore[misc]
    """``wsgi.input`` of a request to a route: knows its request, and invites the caller to send only once it is read.

    Attributes:
        request: Gunicorn's request.
        is_stopping: Tells whether the worker shuts down.
        leave_turn: Ends the thread's turn, where threads take turns (``servers.turns``).
        is_continue_due: Whether the caller waits for a ``100 Continue``.
    """

    def __init__(
        self, request: Any, *, is_stopping: Callable[[], bool], leave_turn: Callable[[], object] = never
    ) -> None:
        """Take the place of ``request.body``, before anything was read of it."""
        super().__init__(request.body.reader)
        self.request = request
        self.is_stopping = is_stopping
        self.leave_turn = leave_turn
        self._sock: socket.socket = request.unreader.sock
        self.is_continue_due: bool = request._expected_100_continue
        request._expected_100_continue = False

    def read(self, size: int | None = None) -> bytes:
        """Read as ``wsgi.input`` does, inviting the body first."""
        self._invite()
        return cast("bytes", super().read(size))

    def readline(self, size: int | None = None) -> bytes:
        """Read a line as ``wsgi.input`` does, inviting the body first."""
        self._invite()
        return cast("bytes", super().readline(size))

    def _invite(self) -> None:
        """Send the ``100 Continue`` that is due, once."""
        if self.is_continue_due:
            self.is_continue_due = False
            self._sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")


class GunicornConnection:
    """The HTTP/1 connection of one request under a WSGI worker of gunicorn, found through its environ."""

    def __init__(self, sock: socket.socket, stream: _Stream, unreader: _Unreader) -> None:
        """Use ``of``."""
        self._sock = sock
        self._stream = stream
        self._unreader = unreader

    @classmethod
    def of(cls, environ: Mapping[str, Any]) -> GunicornConnection | None:
        """Find the connection; ``None`` under another server, over HTTP/2, or where ``wsgi.input`` was replaced."""
        sock: socket.socket | None = environ.get("gunicorn.socket")
        stream: _Stream | None = environ.get("wsgi.input")
        if sock is None or stream is None:
            return None
        reader = getattr(stream, "reader", None)
        unreader = getattr(reader, "unreader", None) or getattr(getattr(reader, "req", None), "unreader", None)
        is_over_socket = getattr(unreader, "sock", None) is sock
        return cls(sock, stream, cast("_Unreader", unreader)) if is_over_socket else None

    @property
    def sock(self) -> socket.socket:
        """The socket itself, plain or TLS."""
        return self._sock

    @property
    def is_stopping(self) -> Callable[[], bool]:
        """Tells whether the worker shuts down."""
        return self._stream.is_stopping if isinstance(self._stream, RouteBody) else never

    @property
    def leave_turn(self) -> Callable[[], object]:
        """Ends the thread's turn: to be called before it waits for the caller."""
        return self._stream.leave_turn if isinstance(self._stream, RouteBody) else never

    def read(self, size_bytes: int, *, source: _Receiver) -> bytes:
        """Read up to ``size_bytes`` of the body, its bytes received through ``source``; blocks until that or its end.

        Raises:
            OSError: As ``source`` raises it, or at an early end.
            BrokenCoding: The transfer coding is broken or ends early.
        """
        self._unreader.sock = source
        try:
            return self._stream.read(size_bytes)
        except ParseException:
            # Its message quotes what was sent, so it goes no further.
            raise BrokenCoding from None
        finally:
            self._unreader.sock = self._sock
            # Asking is no system call, as setting is; mostly the body was there and nothing was waited for.
            if self._sock.gettimeout() is not None:
                self._sock.settimeout(None)

    def drop_received(self) -> bool:
        """Drop what arrived of the body without waiting for more, and tell whether that was its end.

        Gives up after what gunicorn itself would drain before it keeps a connection.
        """
        self._sock.settimeout(0)
        try:
            for _ in range(0, _KEEP_ALIVE_DRAIN_BYTES, _DRAIN_STEP_BYTES):
                if not self._stream.read(_DRAIN_STEP_BYTES):
                    return True
        except (OSError, ParseException):
            return False
        finally:
            self._sock.settimeout(None)
        return False

    def withdraw_invitation(self) -> bool:
        """Never send a ``100 Continue`` that is still due; tell whether there was one."""
        was_due = isinstance(self._stream, RouteBody) and self._stream.is_continue_due
        if was_due:
            cast("RouteBody", self._stream).is_continue_due = False
        return was_due

    def announce_close(self) -> None:
        """Have the answer say ``Connection: close``, where a hook left the request at hand."""
        if isinstance(self._stream, RouteBody):
            self._stream.request.force_close()

    def hand_over(self) -> None:
        """Take the connection away from gunicorn, once its answer is written, to be closed gently.

        Gunicorn would wait for the rest of the body in a worker thread, or for the caller in its main loop. It is left
        with a descriptor at whose end nobody is, so that all it still does returns at once.
        """
        try:
            dead_end, other_end = socket.socketpair()
            with dead_end, other_end:
                connection = socket.fromfd(self._sock.fileno(), self._sock.family, self._sock.type)
                os.dup2(dead_end.fileno(), self._sock.fileno(), inheritable=False)
        except OSError:
            _logger.warning("No descriptor is left to close a connection gently; gunicorn closes it.")
            return
        process_closer().add(connection)


def build_pre_request(*, is_route: Callable[[str], bool]) -> Callable[[Any, Any], None]:
    """Build the ``pre_request`` hook.

    Args:
        is_route: Tells by a request's decoded path whether a webhook route answers it; all others stay gunicorn's.
            Called for each request.
    """

    def pre_request(worker: Any, req: Any) -> None:
        if not isinstance(req, Request):
            return
        _check_head(req)
        if is_route(unquote(req.path)):
            turns: Turns | None = getattr(worker, "turns", None)
            leave_turn = never if turns is None else turns.leave
            req.body = RouteBody(req, is_stopping=lambda: not worker.alive, leave_turn=leave_turn)

    return pre_request


def _check_head(req: Any) -> None:
    hosts = [value.encode("latin-1") for name, value in req.headers if name == "HOST"]
    if not is_host_valid(hosts, ".".join(map(str, req.version))):
        raise InvalidHeader("HOST")
    if "CLOSE" in _connection_options(req):
        req.force_close()  # Gunicorn takes it for one only where it stands alone.
    if isinstance(req.body.reader, ChunkedReader):
        req.body.reader.limit_trailer_section = MAX_HEAD_BYTES
        req.body.reader.req = _TrailerSink(req.unreader)


def _connection_options(req: Any) -> set[str]:
    values = [value.upper() for name, value in req.headers if name == "CONNECTION"]
    return {option.strip() for value in values for option in value.split(",")}


class _TrailerSink:
    """What a reader of chunks hands trailer fields to: they are dropped, for they must not change what was judged."""

    def __init__(self, unreader: _Unreader) -> None:
        self.unreader = unreader
        self.trailers: list[tuple[str, str]] = []

    @staticmethod
    def parse_headers(_data: bytes, **_: Any) -> list[tuple[str, str]]:
        """Find no field, as ``gunicorn.http.message.Message`` would."""
        return []


def post_request(_worker: Any, req: Any, _environ: Mapping[str, Any], _response: Any) -> None:
    """Keep gunicorn's reading of an unread body from inviting it after the answer (``post_request`` hook)."""
    if isinstance(req.body, RouteBody):
        req.body.is_continue_due = False


def post_worker_init(worker: Any) -> None:
    """Have a stopping worker give up before the arbiter kills it (``post_worker_init`` hook).

    Both wait for ``graceful_timeout``; a worker killed at its end would not run its exit hooks.
    """
    timeout_seconds = worker.cfg.graceful_timeout
    worker.cfg.set("graceful_timeout", max(1, timeout_seconds - _GIVE_UP_EARLIER_SECONDS))


def worker_exit(_server: Any, _worker: Any) -> None:
    """Let callers that were just refused read their answer (``worker_exit`` hook); takes half a second at most."""
    process_closer().finish(grace_seconds=_EXIT_GRACE_SECONDS)
