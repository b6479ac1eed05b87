"""The body of one ASGI request: received within a limit and a deadline, or read on and forgotten after a refusal.

What the ASGI door calls; holds no HTTP status and makes no answer. Holds no thread.

Source: contract.md section 3, step 6; ASGI 3.0, "Request - receive event"; RFC 9112 section 9.6.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Generator, MutableMapping
from types import coroutine
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

    __slots__ = ("_receive", "is_complete", "received_bytes")

    def __init__(self, receive: Callable[[], Awaitable[MutableMapping[str, Any]]]) -> None:
        """Receive nothing yet."""
        self._receive = receive
        self.is_complete = False
        self.received_bytes = 0

    def read(self, *, limit_bytes: int, timeout_seconds: float) -> bytes | Coroutine[Any, Any, bytes]:
        """Receive the body whole: at once where it is there with its head, as most are, else by the returned coroutine.

        Raises:
            BodyTooLarge: More was sent than ``limit_bytes``.
            BodyTimeout: It was not complete after ``timeout_seconds``.
            ClientGone: The connection ended first.
        """
        chunks: list[bytes] = []
        reading = self._read_within(limit_bytes, chunks)
        try:
            first = reading.send(None)
        except StopIteration:
            return b"".join(chunks)
        return self._read_on(reading, first, chunks, timeout_seconds)

    async def _read_on(
        self, reading: Coroutine[Any, Any, None], first: Any, chunks: list[bytes], timeout_seconds: float
    ) -> bytes:
        try:
            async with asyncio.timeout(timeout_seconds):
                await _go_on(reading, first)
        except TimeoutError:
            raise BodyTimeout("the body was not complete in time") from None
        return b"".join(chunks)

    async def linger(self) -> None:
        """Read and forget the rest, within ``LINGER_LIMITS``, so that closing does not reset the answer away.

        A caller that sends all of its body before it reads would otherwise see a broken connection and no answer.
        """
        left_bytes = LINGER_LIMITS.received_bytes
        with contextlib.suppress(TimeoutError, ClientGone):
            async with asyncio.timeout(LINGER_LIMITS.total_seconds):
                while not self.is_complete and left_bytes > 0:
                    async with asyncio.timeout(LINGER_LIMITS.idle_seconds):
                        left_bytes -= len(await self._receive_chunk())

    async def _read_within(self, limit_bytes: int, chunks: list[bytes]) -> None:
        while not self.is_complete:
            chunk = await self._receive_chunk()
            self.received_bytes += len(chunk)
            if self.received_bytes > limit_bytes:
                raise BodyTooLarge("more bytes were sent than allowed")
            chunks.append(chunk)

    async def _receive_chunk(self) -> bytes:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise ClientGone("the caller closed the connection")
        self.is_complete = not message.get("more_body", False)
        body: bytes = message.get("body", b"")
        return body


@coroutine
def _go_on(begun: Coroutine[Any, Any, None], awaited: Any) -> Generator[Any, Any, None]:
    """Await a coroutine that was begun by hand and waits for ``awaited`` now.

    Most bodies are there with their head, and a deadline that nobody waits for costs 10 µs a request, coroutines around
    one that waits for nothing 3.
    """
    with contextlib.suppress(StopIteration):
        while True:
            try:
                sent = yield awaited
            except BaseException as error:  # noqa: BLE001 - a cancellation too belongs to who waits
                awaited = begun.throw(error)
            else:
                awaited = begun.send(sent)
