"""One HTTP/1.1 connection of the ASGI door: uvicorn's protocol over Node's own parser, with bounds on what it takes.

Uvicorn alone waits for a head as long as the caller likes, keeps as much of it as the caller sends, believes trailer
fields, parses as many pipelined requests as it receives, drops a caller that closes its sending side, and loses the
body of a request that offers to upgrade.

What all connections of a worker share is in ``servers.connection_watch``.

Source: uvicorn 0.54, ``protocols/http/httptools_impl.py``; Node.js 24, ``http.createServer`` (``maxHeaderSize``);
RFC 9110 sections 6.5.1 and 7.8; contract.md section 3.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any, Final, cast

import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from openclaw_webhooks.servers.connection_watch import ConnectionWatch
from openclaw_webhooks.servers.request_head import MAX_HEAD_BYTES, is_host_valid
from openclaw_webhooks.servers.uvicorn_cycle import Flow, GentleTransport, UvicornMessages, disconnect, is_over_tcp
from openclaw_webhooks.servers.whole_messages import WHOLE_MESSAGES

_PIECE_BYTES: Final = 1024
"""How much is parsed at once: it bounds how many pipelined requests wait in a connection."""
_PIECES_PER_TURN: Final = 16
"""How many are parsed before others have their turn: a piece of chunks of one byte each takes 0.2 ms."""
_FIELD_FRAMING_BYTES: Final = len(b": \r\n")
_VERSIONS: Final = ("1.1", "1.0")
"""The parser takes 0.9, which is a request line without a version, and 2.0 as well."""


class _Refused(Exception):
    """Stops the parser; ``status`` is the answer."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__()
        self.status = status


class BoundedProtocol(HttpToolsProtocol):
    """Serves HTTP/1.1 within the limits of its ``ConnectionWatch``.

    Answers 431 to a head that is too large, 408 to one that takes too long, and 400 to what is no HTTP/1.1. A request
    that was received whole is answered before the connection ends, whatever follows it.
    """

    flow: Flow

    def __init__(self, *args: Any, watch: ConnectionWatch, **kwargs: Any) -> None:
        """Take what uvicorn gives a protocol, and what the connections of a worker share."""
        super().__init__(*args, **kwargs)
        self._watch = watch
        self._received: memoryview | None = None
        self._running: RequestResponseCycle | None = None
        self._awaits_head = True
        self._head_bytes = 0
        self._drained_bytes = 0
        self._is_resting = False
        self._is_deaf = False
        self._has_ended = False
        self._timer: asyncio.TimerHandle | None = None

    @property
    def awaits_caller(self) -> bool:
        """Tell whether nothing happens here until the caller sends or reads."""
        running = self._running
        return running is None or running.more_body or self.flow.write_paused

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first head. A peer that is gone already has no address to count, and is not served."""
        super().connection_made(transport)
        self.flow = Flow(transport)
        if self.client is None and is_over_tcp(transport):
            transport.abort()
        else:
            self._wait(self._watch.limits.head_seconds, self._end_head)
            self._watch.add(self, self.client[0] if self.client else None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more; requests that were not begun are dropped."""
        self._stop_waiting()
        self._watch.remove(self)
        self._received = None
        self.pipeline.clear()
        if self._running is not None:
            disconnect(self._running)
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override]
        """Answer a caller that has closed its sending side what it has asked completely; tell whether there is that."""
        self._has_ended = True
        return self._finish_whole_requests()

    def pause_writing(self) -> None:
        """Note an answer that is not read as fast as it was written."""
        super().pause_writing()
        self._watch.note_unread(self)

    def data_received(self, data: bytes) -> None:
        """Parse what came, in pieces, as long as no request waits for the answer to another."""
        if self._is_deaf:
            self._drain(len(data))
            return
        waiting = self._received
        self._received = memoryview(data if waiting is None else b"".join((waiting, data)))
        self._parse()

    def on_message_begin(self) -> None:
        """Begin a head."""
        self._head_bytes = max(1, self._head_bytes)
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note a field of the head. A trailer field is dropped: what was judged does not change any more."""
        if self._awaits_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """End a head, and begin to serve its request.

        Raises:
            _Refused: The head is too large, or is not HTTP/1.1.
        """
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                raise _Refused(HTTPStatus.BAD_REQUEST)
            return  # ``_without_upgrade`` has it parsed again.
        self._check_head()
        self._awaits_head, self._head_bytes, self._drained_bytes = False, 0, 0
        self._stop_waiting()
        self._watch.note_busy(self)
        super().on_headers_complete()
        # The application runs in a later turn of the loop.
        self.scope["extensions"] = {WHOLE_MESSAGES: {"messages": UvicornMessages(self, self.cycle)}}

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body; of what is around the pieces, chunk extensions and trailer fields, none is kept."""
        self._head_bytes = 0
        if self.cycle.response_complete:
            self._drain(len(body))
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request, and wait for a next one where this one was answered already."""
        if self.parser.should_upgrade():
            return
        super().on_message_complete()
        self.cycle.more_body = False
        self._awaits_head, self._head_bytes = True, 0
        if self.cycle.response_complete:
            self._rest()

    def on_response_complete(self) -> None:
        """Begin the next request, read the rest of this one, or wait for a further one."""
        self.server_state.total_requests += 1
        if self._running is not None:
            self._running.body = bytearray()  # The application did not want it.
            self._running = None
        if self.transport.is_closing() or (self._is_deaf and not self.pipeline):
            return
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self.cycle.more_body:
            self._watch.note_idle(self)
            self._wait(self._watch.limits.drain_seconds, self.transport.abort)
        else:
            self._rest()
        if not self.pipeline:
            self._expect_head()
            if self._received is None:
                self.flow.resume_reading()
            else:
                self.loop.call_soon(self._parse)

    def shutdown(self) -> None:
        """Close once the answer under way is sent, and after the server's grace without it.

        Uvicorn would then send a 500 for what it stops: a caller could take that for a change that was not made.
        """
        super().shutdown()
        self.loop.call_later(self.config.timeout_graceful_shutdown or 0, self.transport.abort)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def _should_upgrade(self) -> bool:
        """Have uvicorn leave a request that offers an upgrade alone: ``_without_upgrade`` has it parsed again."""
        return True

    def _parse(self) -> None:
        """Parse what was received, until its end or until a request has to wait for its turn."""
        data, self._received = self._received, None
        self.flow.has_waiting_data = False
        pieces_left = _PIECES_PER_TURN
        while data and not self._is_deaf and not self.transport.is_closing():
            if self.pipeline or not pieces_left:
                self._keep_waiting(data)
                return
            pieces_left -= 1
            piece: memoryview | None = data[:_PIECE_BYTES]
            data = data[_PIECE_BYTES:]
            while piece:
                piece = self._parse_piece(piece)
        if not self.pipeline and not self._is_receiving_too_much():
            self.flow.resume_reading()

    def _keep_waiting(self, data: memoryview) -> None:
        """Parse the rest in its turn: after the requests before it, or after what else the event loop has to do."""
        self._received = data
        self.flow.pause_reading()
        self.flow.has_waiting_data = True
        if not self.pipeline:
            self.loop.call_soon(self._parse)

    def _is_receiving_too_much(self) -> bool:
        return self.cycle is not None and len(self.cycle.body) > HIGH_WATER_LIMIT

    def _parse_piece(self, piece: memoryview) -> memoryview | None:
        """Parse a piece and return what is to be parsed once more; what is wrong with it ends the connection."""
        self._head_bytes += len(piece)
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade as upgrade:
            return self._without_upgrade(piece[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            cause = error.__context__
            self._refuse(cause.status if isinstance(cause, _Refused) else HTTPStatus.BAD_REQUEST)
            return None
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        else:
            self._expect_head()
        return None

    def _expect_head(self) -> None:
        """Give a head that was begun its time, which does not run while nothing is read of it."""
        if self._awaits_head and self._head_bytes and not self.pipeline and (self._timer is None or self._is_resting):
            self._wait(self._watch.limits.head_seconds, self._end_head)

    def _without_upgrade(self, rest: memoryview) -> memoryview:
        """Return a head without its offer of another protocol, and what follows (RFC 9110 section 7.8).

        The parser takes what follows such a head for the other protocol's. Java's ``HttpClient`` offers HTTP/2 with
        each request, also with those that have a body.
        """
        target, method, version = self.url, self.parser.get_method(), self.parser.get_http_version().encode("ascii")
        # The parser knows no offer without this field, whatever ``Connection`` and ``Proxy-Connection`` say.
        fields = [b"%s: %s\r\n" % field for field in self.headers if field[0] != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        return memoryview(b"%s %s HTTP/%s\r\n%s\r\n%s" % (method, target, version, b"".join(fields), rest))

    def _check_head(self) -> None:
        size_bytes = len(self.url) + sum(
            [len(name) + len(value) + _FIELD_FRAMING_BYTES for name, value in self.headers]
        )
        if size_bytes > MAX_HEAD_BYTES:
            raise _Refused(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        hosts = [value for name, value in self.headers if name == b"host"]
        version = self.parser.get_http_version()
        if version not in _VERSIONS or not is_host_valid(hosts, version):
            raise _Refused(HTTPStatus.BAD_REQUEST)

    def _rest(self) -> None:
        """Wait for a next request, of which a part may be there."""
        self._watch.note_idle(self)
        self.cycle = cast("Any", None)
        if not self._head_bytes:
            # Thousands of fields take 300 KB.
            self.scope = self.headers = cast("Any", None)
            self._wait(self.timeout_keep_alive, self.transport.close)
            self._is_resting = True

    def _end_head(self) -> None:
        """End a connection whose head did not come; a caller that has sent part of one is told."""
        if self._head_bytes:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        else:
            self.transport.close()

    def _refuse(self, status: HTTPStatus) -> None:
        """Answer in the server's own name, unless whole requests before wait for their own answers; read no more."""
        is_new = self._awaits_head
        if self.transport.is_closing() or self._finish_whole_requests():
            return
        running = self._running
        if is_new or (running is not None and not running.response_started):
            text = status.phrase.encode("ascii")
            fields = b"content-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\nconnection: close" % len(text)
            self.transport.write(b"HTTP/1.1 %d %s\r\n%s\r\n\r\n%s" % (status, text, fields, text))
        if running is not None:
            disconnect(running)
        self._close_gently()

    def _finish_whole_requests(self) -> bool:
        """Read nothing more, and close after the last request that was received whole; tell whether there is one."""
        self._is_deaf, self._received = True, None
        if self.pipeline and self.pipeline[0][0].more_body:
            self.pipeline.popleft()
        last = self.pipeline[0][0] if self.pipeline else self._running
        if last is None or last.more_body:
            return False
        self._stop_waiting()
        last.keep_alive = False
        last.transport = cast("asyncio.Transport", GentleTransport(self.transport, self._close_gently))
        return True

    def _close_gently(self) -> None:
        """Let the caller read what was written though it may still be sending: a reset would tear that away."""
        if self._has_ended or self.transport.is_closing() or not self.transport.can_write_eof():
            self.transport.close()
            return
        self.transport.write_eof()
        self.flow.has_waiting_data = False
        self.flow.resume_reading()
        self._drained_bytes = 0
        self._watch.note_idle(self)
        self._wait(self._watch.limits.drain_seconds, self.transport.abort)

    def _drain(self, size_bytes: int) -> None:
        """Forget what came after an answer; there is a bound to it."""
        self._drained_bytes += size_bytes
        if self._drained_bytes > self._watch.limits.drain_bytes:
            self.transport.abort()

    def _wait(self, seconds: float, then: Callable[[], None]) -> None:
        self._stop_waiting()
        self._timer = self.loop.call_later(seconds, then)

    def _stop_waiting(self) -> None:
        self._is_resting = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def build_http_protocol(watch: ConnectionWatch) -> Callable[..., BoundedProtocol]:
    """Build what uvicorn's ``http`` setting takes, for the connections of one worker."""
    return partial(BoundedProtocol, watch=watch)
