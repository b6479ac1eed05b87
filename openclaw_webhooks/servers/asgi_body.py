"""The body of one ASGI request: received within a limit and a deadline, or read on and forgotten after a refusal.

What the ASGI door calls; holds no HTTP status and makes no answer. Holds no thread.

Source: contract.md section 3, step 6; ASGI 3.0, "Request - receive event"; RFC 9112 section 9.6.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from typing import Any, Final

from openclaw_webhooks.exceptions import BodyTimeout, BodyTooLarge, ClientGone
from openclaw_webhooks.servers.lingering import DEFAULT_LINGER_LIMITS

LINGER_LIMITS: Final = DEFAULT_LINGER_LIMITS
"""What a caller may cost after its refusal; the same at both doors."""


class AsgiBody:
    """The body behind an ASGI ``receive``; for one task.

    Attributes:
        is_complete: Whether its end has been received.
        received_bytes: How many bytes ``read`` has received so far.
    """

    __slots__ = ("_receive", "_take_whole", "is_complete", "received_bytes")

    def __init__(
        self,
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        take_whole: Callable[[], bytes | None] = lambda: None,
    ) -> None:
        """Receive nothing yet. ``take_whole`` is ``servers.whole_messages.WholeMessages.take_body``."""
        self._receive = receive
        self._take_whole = take_whole
        self.is_complete = False
        self.received_bytes = 0

    def read(self, *, limit_bytes: int, timeout_seconds: float) -> bytes | Coroutine[Any, Any, bytes]:
        """Receive the body whole: at once where the server has it, as it mostly does, else by the returned coroutine.

        Raises:
            BodyTooLarge: More was sent than ``limit_bytes``.
            BodyTimeout: It was not complete after ``timeout_seconds``.
            ClientGone: The connection ended first.
        """
        whole = self._take_whole()
        if whole is None:
            return self._read_pieces(limit_bytes, timeout_seconds)
        self.is_complete = True
        self._count(whole, limit_bytes)
        return whole

    async def _read_pieces(self, limit_bytes: int, timeout_seconds: float) -> bytes:
        pieces: list[bytes] = []
        try:
            async with asyncio.timeout(timeout_seconds):
                while not self.is_complete:
                    pieces.append(await self._receive_piece())
                    self._count(pieces[-1], limit_bytes)
        except TimeoutError:
            raise BodyTimeout("the body was not complete in time") from None
        return b"".join(pieces)

    def _count(self, piece: bytes, limit_bytes: int) -> None:
        self.received_bytes += len(piece)
        if self.received_bytes > limit_bytes:
            raise BodyTooLarge("more bytes were sent than allowed")

    async def linger(self) -> None:
        """Read and forget the rest, within ``LINGER_LIMITS``, so that closing does not reset the answer away.

        A caller that sends all of its body before it reads would otherwise see a broken connection and no answer.
        """
        left_bytes = LINGER_LIMITS.received_bytes
        with contextlib.suppress(TimeoutError, ClientGone):
            async with asyncio.timeout(LINGER_LIMITS.total_seconds):
                while not self.is_complete and left_bytes > 0:
                    async with asyncio.timeout(LINGER_LIMITS.idle_seconds):
                        left_bytes -= len(await self._receive_piece())

    async def _receive_piece(self) -> bytes:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise ClientGone("the caller closed the connection")
        self.is_complete = not message.get("more_body", False)
        body: bytes = message.get("body", b"")
        return body
