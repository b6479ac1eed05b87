"""Django's pages behind the WSGI door: a body is whole, in memory and within its limits before Django sees it.

Django itself keeps what is uploaded in files of any size, and waits for it as long as the caller likes. What bodies
hold together is bounded by the threads: each has one at most.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from io import BytesIO
from typing import Any, Final, TypeAlias

from openclaw_webhooks.exceptions import BodyError, BodyNotJson, BodyTimeout, BodyTooLarge, ClientGone
from openclaw_webhooks.servers.wsgi_stream import announce_close, read_body
from project.page_bodies import BODY_LIMITS, BodyLimits

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


def bound_bodies(application: Application, limits: BodyLimits = BODY_LIMITS) -> Application:
    """Have ``application`` get bodies that were received whole, and refuse all others."""

    def bounded(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if not environ.get("CONTENT_LENGTH") and not environ.get("HTTP_TRANSFER_ENCODING"):
            return application(environ, start_response)
        try:
            body = read_body(environ, limit_bytes=limits.each_bytes, timeout_seconds=limits.timeout_seconds)
        except BodyError as error:
            return _refuse(environ, start_response, *_REFUSALS[type(error)])
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        environ |= {"wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        return application(environ, start_response)

    return bounded


def _refuse(environ: Environ, start_response: StartResponse, status: HTTPStatus, text: bytes) -> Iterable[bytes]:
    hand_over = announce_close(environ)
    fields = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(text)))]
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
