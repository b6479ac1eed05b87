"""One HTTP/1.1 connection of the ASGI door: uvicorn's protocol over Node's own parser, with bounds on what it takes.

Uvicorn alone waits for a head as long as the caller likes, keeps as much of it as the caller sends, and loses the body
of a request that offers to upgrade.

Measured in CPU of the worker for a get, with 8 callers: 660 µs under gunicorn's own ASGI protocol, whose parser is
Python, and 570 so.

Source: uvicorn 0.54, ``protocols/http/httptools_impl.py``; Node.js 24, ``http.createServer`` (``maxHeaderSize``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from openclaw_webhooks.servers.whole_messages import WHOLE_MESSAGES

MAX_HEAD_BYTES: Final = 16_384
"""Of target and fields together: what the real Gateway takes."""
HEAD_TIMEOUT_SECONDS: Final = 15.0
"""From the connection on, and on a kept one from the first byte of a further head on."""
_UPGRADE_FIELDS: Final = frozenset((b"upgrade", b"connection", b"http2-settings"))


class _HeadTooLarge(Exception):
    """Stops the parser."""


class _WholeMessages:
    """Body and answer of one request, past uvicorn's messages (``servers.whole_messages``)."""

    __slots__ = ("_cycle", "_protocol")

    def __init__(self, protocol: HttpToolsProtocol, cycle: RequestResponseCycle) -> None:
        """Stand beside the ``receive`` and ``send`` of ``cycle``."""
        self._protocol = protocol
        self._cycle = cycle

    def take_body(self) -> bytes | None:
        """Do what uvicorn's ``receive`` does where all has come; a caller that is to be invited waits for it."""
        cycle = self._cycle
        if cycle.more_body or cycle.disconnected or cycle.waiting_for_100_continue or cycle.response_complete:
            return None
        body, cycle.body = bytes(cycle.body), bytearray()
        cycle.message_event.clear()  # What comes next is the end of the connection.
        self._protocol.flow.resume_reading()
        return body

    def answer(self, status: int, fields: Sequence[tuple[bytes, bytes]], body: bytes) -> bool:
        """Do what uvicorn does for an answer's two messages, but for the checks of what this app has written itself."""
        cycle, protocol = self._cycle, self._protocol
        if cycle.response_started or cycle.disconnected or protocol.flow.write_paused or not cycle.keep_alive:
            return False
        cycle.response_started = cycle.response_complete = True
        head = [part for name, value in fields for part in (name, b": ", value, b"\r\n")]
        protocol.transport.write(b"".join([STATUS_LINE[status], *head, b"\r\n", body]))
        cycle.message_event.set()
        cycle.on_response()
        return True


class BoundedProtocol(HttpToolsProtocol):
    """Answers 431 to a head that is too large and 408 to one that takes too long; goes on in HTTP/1.1, always."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Take what uvicorn gives a protocol."""
        super().__init__(*args, **kwargs)
        self._awaits_head = True
        self._head_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first head."""
        super().connection_made(transport)
        self._head_timer = self.loop.call_later(HEAD_TIMEOUT_SECONDS, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came; what is wrong with it ends the connection."""
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._ignore_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            is_too_large = isinstance(error.__context__, _HeadTooLarge)
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE if is_too_large else HTTPStatus.BAD_REQUEST)
        if self._awaits_head:
            self._wait_for_the_rest(len(data))

    def on_message_begin(self) -> None:
        """Begin a head."""
        self._awaits_head, self._head_bytes = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """End a head, and begin to serve its request.

        Raises:
            _HeadTooLarge: It is.
        """
        if len(self.url) + sum([len(name) + len(value) for name, value in self.headers]) > MAX_HEAD_BYTES:
            raise _HeadTooLarge
        self._awaits_head = False
        self._stop_timer()
        super().on_headers_complete()
        # The application runs in a later turn of the loop.
        self.scope["extensions"] = {WHOLE_MESSAGES: {"messages": _WholeMessages(self, self.cycle)}}

    def shutdown(self) -> None:
        """Close once the answer under way is sent, and after the server's grace without it.

        Uvicorn would then send a 500 for what it stops: a caller could take that for a change that was not made.
        """
        super().shutdown()
        self.loop.call_later(self.config.timeout_graceful_shutdown or 0, self.transport.abort)

    def _should_upgrade(self) -> bool:
        """Have uvicorn leave a request that offers an upgrade alone: ``_ignore_upgrade`` parses it again."""
        return True

    def _ignore_upgrade(self, rest: bytes) -> None:
        """Serve a request as if it had not offered another protocol (RFC 9110 section 7.8 lets a server do so).

        The parser takes what follows such a head for the other protocol's. Java's ``HttpClient`` offers HTTP/2 with
        each request, also with those that have a body.
        """
        method = self.parser.get_method()
        if method == b"CONNECT":
            self._refuse(HTTPStatus.BAD_REQUEST)
            return
        fields = [b"%s: %s\r\n" % field for field in self.headers if field[0] not in _UPGRADE_FIELDS]
        version = self.parser.get_http_version().encode("ascii")
        self.parser = httptools.HttpRequestParser(self)
        self.data_received(b"%s %s HTTP/%s\r\n%s\r\n%s" % (method, self.url, version, b"".join(fields), rest))

    def _wait_for_the_rest(self, received_bytes: int) -> None:
        """Give a head that has begun its time and its room."""
        self._head_bytes += received_bytes
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        elif self._head_timer is None and not self.transport.is_closing():
            self._head_timer = self.loop.call_later(HEAD_TIMEOUT_SECONDS, self._give_up)

    def _give_up(self) -> None:
        """End a connection whose head did not come; a caller that has sent part of one is told."""
        self._head_timer = None
        if self._head_bytes:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        else:
            self.transport.close()

    def _refuse(self, status: HTTPStatus) -> None:
        """Answer in the server's own name and close, unless a whole request before waits for its own answer."""
        cycle = self.cycle
        is_answering = cycle is not None and not cycle.response_complete
        if self.transport.is_closing():
            return
        if is_answering and not cycle.more_body:
            cycle.keep_alive = False
            return
        if not (is_answering and cycle.response_started):
            text = status.phrase.encode("ascii")
            fields = b"content-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\nconnection: close" % len(text)
            self.transport.write(b"HTTP/1.1 %d %s\r\n%s\r\n\r\n%s" % (status, text, fields, text))
        self.transport.close()

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
