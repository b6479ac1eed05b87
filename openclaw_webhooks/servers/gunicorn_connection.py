"""One connection of ``gunicorn_threads``: what was received of its next request, and gunicorn's parser behind that.

Source: gunicorn 27.0, ``workers/gthread.py`` (``TConn``).
"""

from __future__ import annotations

import contextlib
import select
from typing import Any, Final

from gunicorn.http.parser import RequestParser  # type: ignore[import-untyped]
from gunicorn.workers.gthread import TConn  # type: ignore[import-untyped]

from openclaw_webhooks.servers.answer_socket import AnswerSocket
from openclaw_webhooks.servers.head_buffer import HeadBuffer, HeadState

_RECEIVE_BYTES: Final = 16_384


class HeadFirstConnection(TConn):  # type: ignore[misc]
    """A plain HTTP/1 connection that a thread takes up only when the head of a request has come.

    Attributes:
        head: What was received of the next request.
        deadline_seconds: Until when it is waited for, monotonic.
    """

    sock: AnswerSocket

    def __init__(self, cfg: Any, sock: AnswerSocket, client: Any, server: Any) -> None:
        """Wait for the first request."""
        super().__init__(cfg, sock, client, server)
        self.parser = RequestParser(cfg, sock, client)
        self.data_ready = True
        self.head = HeadBuffer()
        self.deadline_seconds = 0.0

    @property
    def peer(self) -> str | None:
        """The peer's address, ``None`` over a unix socket."""
        return str(self.client[0]) if isinstance(self.client, tuple) else None

    def receive(self) -> bool:
        """Take in what has come, without waiting; tell whether the caller is still there.

        Raises:
            OSError: The connection broke.
        """
        received = self.sock.receive_now(_RECEIVE_BYTES)
        if received:
            self.head.add(received)
        return received != b""

    def receive_next(self, patience_ms: int) -> None:
        """Take in a next request that was sent along with the last one, or that comes within ``patience_ms``."""
        if self.take_read_ahead() is not HeadState.INCOMPLETE:
            return
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        if poll.poll(patience_ms):
            # An end or a fault shows again where the next request is waited for.
            with contextlib.suppress(OSError):
                self.receive()

    def take_read_ahead(self) -> HeadState:
        """Take back what the parser has received beyond its request; return how far the next head is."""
        received = self.parser.unreader.take_buffered()
        return self.head.add(received) if received else self.head.state

    def hand_to_parser(self) -> None:
        """Give the parser all that was received."""
        self.parser.unreader.unread(self.head.take())
