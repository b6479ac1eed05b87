"""What stands between uvicorn's requests and their connection: whole answers, paused reading, gentle closing.

Source: uvicorn 0.54, ``protocols/http/httptools_impl.py`` and ``flow_control.py``.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from typing import Any, Final

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

_LARGE_ANSWER_BYTES: Final = 65_536


class UvicornMessages:
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
        """Do what uvicorn does for an answer's two messages, without its checks of what this app has written itself."""
        cycle, protocol = self._cycle, self._protocol
        if cycle.response_started or cycle.disconnected or protocol.flow.write_paused or not cycle.keep_alive:
            return False
        if len(body) > _LARGE_ANSWER_BYTES or protocol.transport.is_closing():
            return False  # A large body is sent without a copy.
        cycle.response_started = cycle.response_complete = True
        head = [part for name, value in fields for part in (name, b": ", value, b"\r\n")]
        protocol.transport.write(b"".join([STATUS_LINE[status], *head, b"\r\n", body]))
        cycle.message_event.set()
        cycle.on_response()
        return True


class Flow(FlowControl):
    """Uvicorn's control of reading and writing, which does not resume reading while received data waits.

    Attributes:
        has_waiting_data: Whether received requests are still to be parsed.
    """

    has_waiting_data = False

    def resume_reading(self) -> None:
        """Read on, unless pipelined requests are still to be parsed."""
        if not self.has_waiting_data:
            super().resume_reading()


class GentleTransport:
    """A transport whose ``close`` lets the caller read the last answer though it may still be sending."""

    __slots__ = ("_transport", "close")

    def __init__(self, transport: asyncio.Transport, close: Callable[[], None]) -> None:
        """Stand for ``transport``, which ``close`` closes."""
        self._transport = transport
        self.close = close

    def __getattr__(self, name: str) -> Any:
        """Have the transport do all else."""
        return getattr(self._transport, name)


def disconnect(cycle: RequestResponseCycle) -> None:
    """Tell the application that its caller is gone: nothing can be written any more."""
    cycle.disconnected = True
    cycle.message_event.set()


def is_over_tcp(transport: asyncio.Transport) -> bool:
    """Tell whether a connection has a peer with an address."""
    sock = transport.get_extra_info("socket")
    return sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6)
