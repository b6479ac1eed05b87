"""An ASGI body in pieces: put together, too long, too late, broken off, and given up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from openclaw_webhooks.exceptions import BodyTimeout, BodyTooLarge, ClientGone
from openclaw_webhooks.servers.asgi_body import AsgiBody

Message = dict[str, Any]


def piece(body: bytes, *, more: bool = True) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


def from_queue(*messages: Message, pause_seconds: float = 0.0) -> Callable[[], Awaitable[Message]]:
    """Hand out one message a call, each after a pause; then wait for ever, as a silent caller does."""
    left = list(messages)

    async def receive() -> Message:
        if pause_seconds:
            await asyncio.sleep(pause_seconds)
        if not left:
            await asyncio.Event().wait()
        return left.pop(0)

    return receive


async def read(body: AsgiBody, *, limit_bytes: int, timeout_seconds: float) -> bytes:
    received = body.read(limit_bytes=limit_bytes, timeout_seconds=timeout_seconds)
    return received if isinstance(received, bytes) else await received


def test_a_body_that_the_server_has_whole_takes_no_waiting() -> None:
    body = AsgiBody(from_queue(), lambda: b"abc")
    assert body.read(limit_bytes=3, timeout_seconds=5) == b"abc"
    assert (body.is_complete, body.received_bytes) == (True, 3)
    with pytest.raises(BodyTooLarge):
        AsgiBody(from_queue(), lambda: b"abcd").read(limit_bytes=3, timeout_seconds=5)


@pytest.mark.parametrize("pause_seconds", [0.0, 0.001], ids=["there", "waited for"])
def test_pieces_are_put_together(pause_seconds: float) -> None:
    body = AsgiBody(from_queue(piece(b"ab"), piece(b""), piece(b"c", more=False), pause_seconds=pause_seconds))
    assert asyncio.run(read(body, limit_bytes=3, timeout_seconds=5)) == b"abc"
    assert (body.is_complete, body.received_bytes) == (True, 3)


@pytest.mark.parametrize("pause_seconds", [0.0, 0.001], ids=["there", "waited for"])
def test_what_is_too_long_and_what_breaks_off_is_told(pause_seconds: float) -> None:
    body = AsgiBody(from_queue(piece(b"ab"), piece(b"cd", more=False), pause_seconds=pause_seconds))
    with pytest.raises(BodyTooLarge):
        asyncio.run(read(body, limit_bytes=3, timeout_seconds=5))
    gone = AsgiBody(from_queue(piece(b"ab"), {"type": "http.disconnect"}, pause_seconds=pause_seconds))
    with pytest.raises(ClientGone):
        asyncio.run(read(gone, limit_bytes=3, timeout_seconds=5))


def test_a_deadline_bounds_all_pieces_together() -> None:
    body = AsgiBody(from_queue(*[piece(b"x")] * 1000, pause_seconds=0.01))
    with pytest.raises(BodyTimeout):
        asyncio.run(read(body, limit_bytes=1000, timeout_seconds=0.1))
    assert 0 < body.received_bytes < 1000


def test_a_cancellation_reaches_the_server_that_is_waited_for() -> None:
    seen: list[str] = []

    async def receive() -> Message:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise
        raise AssertionError

    async def work() -> None:
        reading = asyncio.create_task(read(AsgiBody(receive), limit_bytes=1, timeout_seconds=5))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading

    asyncio.run(work())
    assert seen == ["cancelled"]


def test_a_server_that_raises_after_a_wait_is_heard() -> None:
    async def receive() -> Message:
        await asyncio.sleep(0)
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        asyncio.run(read(AsgiBody(receive), limit_bytes=1, timeout_seconds=5))
