"""Reading a body under WSGI within a limit and a deadline, and ending a connection that a refusal left half read.

What a door calls; holds no HTTP status and makes no answer. Under gunicorn's WSGI workers bodies end exactly at their
deadline and no thread waits for one that is not wanted. Under other servers the deadline is looked at between reads:
those that hand a body over only when it is complete, or close after each answer, need no more.

Source: contract.md section 3, step 6; PEP 3333; RFC 9112 sections 6 and 9.6.
"""

from __future__ import annotations

import time
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from django.http.response import HttpResponseBase

from openclaw_webhooks.exceptions import BodyError, BodyNotJson, BodyTimeout, BodyTooLarge, BrokenCoding, ClientGone
from openclaw_webhooks.servers.deadline import DeadlineSocket, ignore, never

if TYPE_CHECKING:
    from openclaw_webhooks.servers.gunicorn import GunicornConnection

_STATE_KEY: Final = "openclaw_webhooks.body"
_PLAIN_READ_BYTES: Final = 65_536
_SMALL_BODY_BYTES: Final = 65_536


class _BodyState(Enum):
    """What became of a request's body; kept in its environ."""

    READ = "read"
    BROKEN_OFF = "broken off"


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyWatcher:
    """Follows how a body comes.

    Attributes:
        on_received: Called with the number of bytes whenever some have come.
        is_unwanted: Asked twice a second whether to give the body up; it then has a second left.
    """

    on_received: Callable[[int], object] = ignore
    is_unwanted: Callable[[], bool] = never


_NOBODY: Final = BodyWatcher()


def read_body(
    environ: MutableMapping[str, Any],
    *,
    limit_bytes: int,
    timeout_seconds: float,
    clock: Callable[[], float] = time.monotonic,
    watcher: BodyWatcher = _NOBODY,
) -> bytes:
    """Read the whole body of a request, with or without Content-Length; blocks.

    A caller that sent ``Expect: 100-continue`` is invited only now (with the hooks of ``servers.gunicorn``).

    Args:
        environ: The WSGI environ, nothing read of its ``wsgi.input`` yet.
        limit_bytes: The largest body allowed.
        timeout_seconds: How long the whole body may take from now on.
        clock: Monotonic seconds.
        watcher: Who follows how it comes, under gunicorn.

    Raises:
        BodyTooLarge: More was declared (nothing was read then) or sent.
        BodyTimeout: The body was not complete in time, or is not wanted any more, or the server is stopping.
        ClientGone: The connection ended first.
        BodyNotJson: The chunked coding is broken.
    """
    deadline_seconds = clock() + timeout_seconds
    length = _declared_length(environ)
    try:
        if length is not None and length > limit_bytes:
            raise BodyTooLarge
        size_bytes = limit_bytes + 1 if length is None else length
        body = _receive(environ, size_bytes, deadline_seconds, clock, watcher)
        _check_complete(body, length=length, limit_bytes=limit_bytes)
    except BodyError:
        environ[_STATE_KEY] = _BodyState.BROKEN_OFF
        raise
    environ[_STATE_KEY] = _BodyState.READ
    return body


def close_connection_after(response: HttpResponseBase, environ: MutableMapping[str, Any]) -> None:
    """End the connection gently once ``response`` is written, unless its body is known to have arrived whole.

    To be called for every response of a route before it is returned: costs nothing where the body was read. Otherwise
    the connection announces its close and a thread of its own lets the caller finish sending, so that it can read the
    answer and no worker thread waits. After a ``BodyError`` the connection always closes. Under a server other than
    gunicorn nothing happens.
    """
    hand_over = announce_close(environ)
    if hand_over is not None:
        response._resource_closers.append(hand_over)  # type: ignore[attr-defined]


def announce_close(environ: MutableMapping[str, Any]) -> Callable[[], None] | None:
    """Do what ``close_connection_after`` does for a response that is not Django's.

    Returns:
        What is to be called once the response is written; ``None`` where nothing is.
    """
    state = environ.get(_STATE_KEY)
    connection = None if state is _BodyState.READ else _find_connection(environ)
    if connection is None or (state is None and _has_arrived(environ, connection)):
        return None
    connection.announce_close()
    return connection.hand_over


def _find_connection(environ: MutableMapping[str, Any]) -> GunicornConnection | None:
    """Return the connection of a request under gunicorn, which is an extra: elsewhere it may not be installed."""
    if "gunicorn.socket" not in environ:
        return None
    from openclaw_webhooks.servers.gunicorn import GunicornConnection  # noqa: PLC0415 - see above

    return GunicornConnection.of(environ)


def _declared_length(environ: MutableMapping[str, Any]) -> int | None:
    """Return how many bytes the body has, ``None`` where only its end will tell."""
    if environ.get("HTTP_TRANSFER_ENCODING") and environ.get("wsgi.input_terminated"):
        return None
    declared = str(environ.get("CONTENT_LENGTH") or "")
    return int(declared) if declared.isascii() and declared.isdigit() else 0


def _receive(
    environ: MutableMapping[str, Any],
    size_bytes: int,
    deadline_seconds: float,
    clock: Callable[[], float],
    watcher: BodyWatcher,
) -> bytes:
    """Read up to ``size_bytes``, stopping early at the end of the body or of the connection."""
    connection = _find_connection(environ)
    if connection is None:
        return _receive_plain(environ["wsgi.input"], size_bytes, deadline_seconds, clock)
    source = DeadlineSocket(
        connection.sock,
        deadline_seconds=deadline_seconds,
        clock=clock,
        is_stopping=lambda: connection.is_stopping() or watcher.is_unwanted(),
        before_waiting=connection.leave_turn,
        on_received=watcher.on_received,
    )
    try:
        return connection.read(size_bytes, source=source)
    except TimeoutError:
        raise BodyTimeout from None
    except OSError:
        raise ClientGone from None
    except BrokenCoding:
        raise (ClientGone if source.has_ended else BodyNotJson) from None


def _receive_plain(stream: Any, size_bytes: int, deadline_seconds: float, clock: Callable[[], float]) -> bytes:
    """Do what WSGI itself allows: read in steps and look at the clock in between."""
    read_some = getattr(stream, "read1", stream.read)
    body = bytearray()
    while len(body) < size_bytes:
        if clock() >= deadline_seconds:
            raise BodyTimeout
        try:
            piece = read_some(min(size_bytes - len(body), _PLAIN_READ_BYTES))
        except TimeoutError:
            raise BodyTimeout from None
        except OSError:
            raise ClientGone from None
        if not piece:
            break
        body += piece
    return bytes(body)


def _check_complete(body: bytes, *, length: int | None, limit_bytes: int) -> None:
    """Refuse what is longer than allowed or shorter than declared."""
    if len(body) > limit_bytes:
        raise BodyTooLarge
    if length is not None and len(body) < length:
        raise ClientGone


def _has_arrived(environ: MutableMapping[str, Any], connection: GunicornConnection) -> bool:
    """Tell whether a body that nobody asked for has arrived whole; drops it then, so that the connection goes on."""
    length = _declared_length(environ)
    if length == 0:
        return True
    if length is not None and length > _SMALL_BODY_BYTES:
        return False
    return not connection.withdraw_invitation() and connection.drop_received()
