"""Heads at the stand-alone server's protocol: too large, too slow, broken, and such that offer another protocol."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn

from openclaw_webhooks.servers.connection_watch import ConnectionLimits, ConnectionWatch
from openclaw_webhooks.servers.http_protocol import build_http_protocol
from openclaw_webhooks.servers.request_head import MAX_HEAD_BYTES
from openclaw_webhooks.servers.whole_messages import find_whole_messages

BODY = b'{"action":"list_flows"}'


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the method and what was sent; with one write where that is ``whole``."""
    messages = find_whole_messages(scope)
    body = messages.take_body()
    if body is None:
        body = await receive_all(receive)
    assert find_whole_messages({}).take_body() is None
    text = b"%s %s" % (scope["method"].encode(), body)
    fields = [(b"content-length", b"%d" % len(text))]
    if b"whole" in body:
        assert not find_whole_messages({}).answer(200, fields, text)
        if messages.answer(200, fields, text):
            assert not messages.answer(200, fields, text), "an answer is sent once"
            assert messages.take_body() is None, "nothing comes after an answer"
            return
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body", "body": text})


async def receive_all(receive: Any) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    return body


@asynccontextmanager
async def connected(**limits: float) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    watch = ConnectionWatch(ConnectionLimits(**limits))  # type: ignore[arg-type]
    config = uvicorn.Config(
        application, port=0, http=build_http_protocol(watch), lifespan="off", log_config=None, access_log=False
    )
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    (listener,) = server.servers[0].sockets
    reader, writer = await asyncio.open_connection(*listener.getsockname())
    try:
        yield reader, writer
    finally:
        writer.close()
        await server.shutdown()


def converse(talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]], **limits: float) -> None:
    async def run() -> None:
        async with connected(**limits) as (reader, writer):
            await talk(reader, writer)

    asyncio.run(asyncio.wait_for(run(), 20))


def request(*fields: str, method: str = "POST", body: bytes = BODY) -> bytes:
    lines = [f"{method} /hook HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *fields]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def reset(writer: asyncio.StreamWriter) -> None:
    """Leave as a process that is killed does, with data unread."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    return int(head[9:12]), await reader.readexactly(length)


async def read_refusal(reader: asyncio.StreamReader) -> int:
    """Read an answer and the end of the connection."""
    status, _ = await read_answer(reader)
    assert await reader.read() == b""
    return status


def test_requests_follow_each_other_and_may_be_sent_ahead() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(request() + request(body=b"second"))
        assert await read_answer(reader) == (200, b"POST " + BODY)
        assert await read_answer(reader) == (200, b"POST second")
        for byte in request(body=b"drop by drop"):
            writer.write(bytes([byte]))
            await writer.drain()
        assert await read_answer(reader) == (200, b"POST drop by drop")

    converse(talk)


def test_a_caller_that_waits_to_be_invited_is() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        whole = request("Expect: 100-continue")
        writer.write(whole.removesuffix(BODY))
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(BODY)
        assert await read_answer(reader) == (200, b"POST " + BODY)

    converse(talk)


def test_once_a_body_was_taken_there_is_only_the_end_to_wait_for(monkeypatch: pytest.MonkeyPatch) -> None:
    left = asyncio.Event()

    async def wait_for_the_end(scope: Any, receive: Any, send: Any) -> None:
        messages = find_whole_messages(scope)
        assert messages.take_body() == BODY
        assert await receive() == {"type": "http.disconnect"}
        assert messages.take_body() is None
        left.set()

    monkeypatch.setattr("tests.servers.test_http_protocol.application", wait_for_the_end)

    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(request())
        await asyncio.sleep(0.1)
        assert not left.is_set()
        reset(writer)
        await asyncio.wait_for(left.wait(), 5)

    converse(talk)


def test_whole_answers_come_in_the_order_of_their_requests() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(request(body=b"whole 1") + request(body=b"in parts") + request(body=b"whole 2"))
        for body in (b"whole 1", b"in parts", b"whole 2"):
            assert await read_answer(reader) == (200, b"POST " + body)

    converse(talk)


def test_a_whole_answer_to_a_caller_that_wants_no_more_ends_the_connection() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(request("Connection: close", body=b"whole"))
        assert await read_answer(reader) == (200, b"POST whole")
        assert await reader.read() == b""

    converse(talk)


def test_whole_answers_wait_for_a_caller_that_does_not_read() -> None:
    """Twenty answers of a megabyte, sent ahead of being read: no more than a few wait in the server."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = b"whole" + b"x" * 1_000_000
        sending = asyncio.create_task(_send_all(writer, [request(body=body)] * 20))
        await asyncio.sleep(0.3)
        assert not sending.done()
        for _ in range(20):
            assert await read_answer(reader) == (200, b"POST " + body)
        await sending

    converse(talk)


async def _send_all(writer: asyncio.StreamWriter, requests: list[bytes]) -> None:
    for one in requests:
        writer.write(one)
        await writer.drain()


@pytest.mark.parametrize(("padding", "status"), [(MAX_HEAD_BYTES - 200, 200), (MAX_HEAD_BYTES, 431)])
def test_a_whole_head_has_its_bound(padding: int, status: int) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(request("X-Padding: " + "x" * padding))
        assert (await read_answer(reader))[0] == status
        if status != 200:
            assert await reader.read() == b""

    converse(talk)


def test_a_head_without_end_is_refused_at_the_bound() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(request())
        assert (await read_answer(reader))[0] == 200
        writer.write(b"POST /hook HTTP/1.1\r\nX-Padding: ")
        for _ in range(MAX_HEAD_BYTES // 1024 + 1):
            writer.write(b"x" * 1024)
            await writer.drain()
        assert await read_refusal(reader) == 431

    converse(talk)


@pytest.mark.parametrize("begun", [b"", b"POST /hook HTTP/1.1\r\nHo"])
@pytest.mark.parametrize("kept", [False, True])
def test_a_head_that_does_not_come_ends_the_connection(begun: bytes, kept: bool) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if kept:
            writer.write(request())
            assert (await read_answer(reader))[0] == 200
        writer.write(begun)
        if begun:
            assert await read_refusal(reader) == 408
        elif not kept:  # a kept connection that rests is uvicorn's to end
            assert await reader.read() == b""

    converse(talk, head_seconds=0.3)


def test_dripping_a_head_does_not_buy_time() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def drip() -> None:
            for byte in request():
                writer.write(bytes([byte]))
                await asyncio.sleep(0.05)

        dripping = asyncio.create_task(drip())
        assert await read_refusal(reader) == 408
        dripping.cancel()

    converse(talk, head_seconds=0.3)


def test_a_slow_body_is_not_the_protocols_business() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        whole = request()
        writer.write(whole[:-5])
        await asyncio.sleep(0.3)
        writer.write(whole[-5:])
        assert await read_answer(reader) == (200, b"POST " + BODY)

    converse(talk, head_seconds=0.1)


@pytest.mark.parametrize(
    "fields",
    [
        ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"),
        ("Connection: Upgrade", "Upgrade: websocket"),
        ("Proxy-Connection: Upgrade", "Upgrade: h2c"),
        ("Connection: keep-alive, Upgrade", "Proxy-Connection: upgrade", "Upgrade: h2c", "Upgrade: websocket"),
    ],
)
def test_an_offered_upgrade_is_passed_over_and_the_body_kept(fields: tuple[str, ...]) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            whole = request(*fields)
            writer.write(whole[:-5])
            await asyncio.sleep(0.01)
            writer.write(whole[-5:])
            assert await read_answer(reader) == (200, b"POST " + BODY)
        writer.write(request(*fields, method="GET", body=b"") + request())
        assert await read_answer(reader) == (200, b"GET ")
        assert await read_answer(reader) == (200, b"POST " + BODY)

    converse(talk)


@pytest.mark.parametrize(
    "sent",
    [
        b"hello\r\n\r\n",
        b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /hook HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /hook HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"POST /hook HTTP/1.1\r\nHost : x\r\n\r\n",
        b"POST /hook HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        b"POST /hook HTTP/1.1\r\nX: a\r\n folded\r\n\r\n",
        b"GET /hook\r\nHost: x\r\n\r\n",
        b"GET /hookHTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n",
        b"GET /hook HTTP/2.0\r\nHost: x\r\n\r\n",
        b"GET /hook HTTP/2.0\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_what_is_no_http_is_refused(sent: bytes) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        assert await read_refusal(reader) == 400

    converse(talk)


def test_a_broken_body_is_refused() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"POST /hook HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n")
        assert await read_refusal(reader) == 400

    converse(talk)


def test_a_whole_request_is_answered_whatever_follows_it() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(request() + b"nonsense\r\n\r\n")
        assert await read_answer(reader) == (200, b"POST " + BODY)
        assert await reader.read() == b""

    converse(talk)
