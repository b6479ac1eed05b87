"""Django's pages behind the WSGI door: a body is whole, in memory and within its limits before Django sees it.

Django itself keeps what is uploaded in files of any size, and waits for it as long as the caller likes. A caller that
holds back its body holds a thread; where that are too many threads, the longest waits end before their deadline.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from io import BytesIO
from typing import Any, Final, TypeAlias

from openclaw_webhooks.exceptions import BodyError, BodyNotJson, BodyTimeout, BodyTooLarge, ClientGone
from openclaw_webhooks.servers.wsgi_stream import BodyWatcher, announce_close, read_body
from project.page_bodies import BODY_LIMITS, BodyBudget, BodyLimits

Environ: TypeAlias = dict[str, Any]
StartResponse: TypeAlias = Callable[..., Any]
Application: TypeAlias = Callable[[Environ, StartResponse], Iterable[bytes]]

_REFUSALS: Final[dict[type[BodyError], tuple[HTTPStatus, bytes]]] = {
    BodyTooLarge: (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, b"Payload too large"),
    BodyTimeout: (HTTPStatus.REQUEST_TIMEOUT, b"Request body timeout"),
    BodyNotJson: (HTTPStatus.BAD_REQUEST, b"Bad Request"),
    ClientGone: (HTTPStatus.BAD_REQUEST, b"Bad Request"),
}
"""``BodyNotJson`` is a broken transfer coding; nobody reads the answer to ``ClientGone``."""
_BUSY: Final = (HTTPStatus.SERVICE_UNAVAILABLE, b"Service Unavailable")
CROWD_GRACE_SECONDS: Final = 2.0
"""How long a body may take however many others are waited for."""


class BoundedBodies:
    """A WSGI application around Django's, which gets bodies that were received whole; all others are refused."""

    def __init__(self, application: Application, *, threads: int, limits: BodyLimits = BODY_LIMITS) -> None:
        """Serve nothing yet; ``threads`` is how many of them serve requests in this process."""
        self._application = application
        self._limits = limits
        self._budget = BodyBudget(limits.together_bytes)
        self._crowd = _Crowd(most=max(1, threads // 2))

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        if not environ.get("CONTENT_LENGTH") and not environ.get("HTTP_TRANSFER_ENCODING"):
            return self._application(environ, start_response)
        refusal = self._receive(environ)
        if refusal is not None:
            return _refuse(environ, start_response, *refusal)
        return self._application(environ, start_response)

    def _receive(self, environ: Environ) -> tuple[HTTPStatus, bytes] | None:
        """Put the body where Django finds it, or return what its caller is refused with."""
        held = self._budget.open(_do_nothing)
        place = self._crowd.enter()
        watcher = BodyWatcher(
            on_received=held.add, is_unwanted=lambda: held.is_refused or self._crowd.is_surplus(place)
        )
        limit_bytes, timeout_seconds = self._limits.each_bytes, self._limits.timeout_seconds
        try:
            body = read_body(environ, limit_bytes=limit_bytes, timeout_seconds=timeout_seconds, watcher=watcher)
        except BodyError as error:
            return _BUSY if watcher.is_unwanted() else _REFUSALS[type(error)]
        finally:
            held.close()
            self._crowd.leave(place)
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        environ |= {"wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        return None


class _Crowd:
    """The bodies that threads wait for; for several threads."""

    def __init__(self, *, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._since_seconds: dict[object, float] = {}

    def enter(self) -> object:
        """Begin to wait; return what stands for this wait."""
        place = object()
        with self._lock:
            self._since_seconds[place] = time.monotonic()
        return place

    def leave(self, place: object) -> None:
        """End a wait."""
        with self._lock:
            del self._since_seconds[place]

    def is_surplus(self, place: object) -> bool:
        """Tell whether this wait is one of those that end."""
        with self._lock:
            surplus = list(self._since_seconds)[: max(0, len(self._since_seconds) - self._most)]
            return place in surplus and time.monotonic() - self._since_seconds[place] >= CROWD_GRACE_SECONDS


def _do_nothing() -> None:
    """Let the body's own thread notice that its room was taken away."""


def _refuse(environ: Environ, start_response: StartResponse, status: HTTPStatus, text: bytes) -> Iterable[bytes]:
    hand_over = announce_close(environ)
    fields = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(text)))]
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        fields.append(("Retry-After", "1"))
    start_response(f"{status.value} {status.phrase}", fields)
    return _Refusal(text, hand_over)


class _Refusal:
    """An answer after which the connection ends."""

    def __init__(self, text: bytes, hand_over: Callable[[], None] | None) -> None:
        self._text = text
        self._hand_over = hand_over

    def __iter__(self) -> Iterator[bytes]:
        return iter((self._text,))

    def close(self) -> None:
        """End the connection; the server calls this once the answer is written."""
        if self._hand_over is not None:
            self._hand_over()
