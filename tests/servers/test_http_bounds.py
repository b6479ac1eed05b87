"""What callers can make the connections of the ASGI door hold: trailers, pipelined requests, unread answers."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvicorn

from openclaw_webhooks.servers.connection_watch import ConnectionLimits, ConnectionWatch
from openclaw_webhooks.servers.http_protocol import BoundedProtocol, build_http_protocol
from openclaw_webhooks.servers.request_head import MAX_HEAD_BYTES

HEAD = b"POST /%s HTTP/1.1\r\nHost: x\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


@dataclass
class Served:
    """A running server: what its application saw, and the connections that it has."""

    port: int
    server: uvicorn.Server
    heads: list[list[tuple[bytes, bytes]]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    release: asyncio.Event = field(default_factory=asyncio.Event)
    callers: list[Caller] = field(default_factory=list)

    @property
    def connections(self) -> set[Any]:
        return self.server.server_state.connections

    async def connect(self, *, source: str = "127.0.0.1", window: int = 0) -> Caller:
        sock = socket.socket()
        if window:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        sock.setblocking(False)
        sock.bind((source, 0))
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self.port))
        self.callers.append(Caller(*await asyncio.open_connection(sock=sock)))
        return self.callers[-1]

    async def application(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer by the path: /at-once before the body, /held when released, /large with 4 MB, else with the body."""
        self.heads.append(scope["headers"])
        kind = scope["path"][1:]
        if kind != "at-once":
            body, more = b"", True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return
                body, more = body + message["body"], message["more_body"]
            self.bodies.append(body)
        if kind == "held":
            await self.release.wait()
        text = b"x" * 4_000_000 if kind == "large" else b"answer"
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(text))]})
        await send({"type": "http.response.body", "body": text})
        self.heads.append(scope["headers"])


@dataclass
class Caller:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def read_status(self) -> int:
        head = await self.reader.readuntil(b"\r\n\r\n")
        await self.reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]))
        return int(head[9:12])

    async def read_statuses(self) -> list[int]:
        """Read answers until the connection ends."""
        statuses = []
        while True:
            try:
                statuses.append(await self.read_status())
            except (asyncio.IncompleteReadError, ConnectionError):
                return statuses

    async def is_ended(self) -> bool:
        """Tell whether the server has closed, reading what it sent."""
        try:
            while await self.reader.read(65_536):
                pass
        except ConnectionError:
            return True
        return True

    def reset(self) -> None:
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


@asynccontextmanager
async def serving(trusted: str = "", **limits: float) -> AsyncIterator[Served]:
    watch = ConnectionWatch(
        ConnectionLimits(**limits),  # type: ignore[arg-type]
        is_trusted=lambda peer: peer == trusted,
    )
    served: Served | None = None

    async def application(scope: Any, receive: Any, send: Any) -> None:
        assert served is not None
        await served.application(scope, receive, send)

    config = uvicorn.Config(
        application,
        port=0,
        http=build_http_protocol(watch),  # type: ignore[arg-type]
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_keep_alive=20,
    )
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    served = Served(server.servers[0].sockets[0].getsockname()[1], server)
    try:
        yield served
    finally:
        served.release.set()
        for caller in served.callers:
            caller.writer.transport.abort()
        await server.shutdown()


def run(talk: Callable[[Served], Awaitable[None]], **limits: Any) -> None:
    async def talk_to_server() -> None:
        async with serving(**limits) as served:
            await talk(served)

    asyncio.run(asyncio.wait_for(talk_to_server(), 30))


async def until(is_true: Callable[[], bool]) -> None:
    while not is_true():  # noqa: ASYNC110 - no event tells it
        await asyncio.sleep(0.01)


def test_trailer_fields_do_not_become_fields_of_the_head() -> None:
    async def talk(served: Served) -> None:
        caller = await served.connect()
        for pieces in (
            [b"2\r\nhi\r\n0\r\nX-Late: v\r\n\r\n"],
            [b"2\r\nhi\r\n0\r\nX-La", b"te: v\r", b"\nX-More: w\r\n\r\n"],
        ):
            await caller.send(HEAD % b"echo" + CHUNKED)
            for piece in pieces:
                await caller.send(piece)
                await asyncio.sleep(0.01)
            assert await caller.read_status() == 200
        names = {name for fields in served.heads for name, _ in fields}
        assert names == {b"host", b"transfer-encoding"}
        assert served.bodies == [b"hi", b"hi"]

    run(talk)


@pytest.mark.parametrize("path", [b"echo", b"at-once"])
@pytest.mark.parametrize("piece", [b"a:b\r\n" * 200, b"a" * 1000])
@pytest.mark.parametrize("before", [b"0\r\n", b"2;"])
def test_trailers_and_chunk_extensions_without_end_end_the_connection(path: bytes, piece: bytes, before: bytes) -> None:
    async def talk(served: Served) -> None:
        caller = await served.connect()
        await caller.send(HEAD % path + CHUNKED + before + (b"x-name: " if before == b"0\r\n" else b""))
        if path == b"at-once":
            assert await caller.read_status() == 200
        for _ in range(2 * MAX_HEAD_BYTES // len(piece)):
            await caller.send(piece)
            await asyncio.sleep(0)
        caller.writer.write_eof()
        # 431, or 400 where fields cannot stand there; nothing more after an answer.
        assert len(await caller.read_statuses()) == (path == b"echo")
        assert not served.bodies

    run(talk)


def test_small_trailers_and_extensions_are_served() -> None:
    async def talk(served: Served) -> None:
        caller = await served.connect()
        chunks = b"".join(b"1;note=%d\r\nx\r\n" % number for number in range(5000))
        await caller.send(HEAD % b"echo" + CHUNKED + chunks + b"0\r\nX-Sum: 5\r\n\r\n")
        assert await caller.read_status() == 200
        assert served.bodies == [b"x" * 5000]

    run(talk)


@pytest.mark.parametrize("offer", [b"", b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n"])
def test_thousands_of_pipelined_requests_wait_as_bytes(offer: bytes) -> None:
    async def talk(served: Served) -> None:
        caller = await served.connect()
        sending = asyncio.ensure_future(caller.send((b"GET /held HTTP/1.1\r\nHost: x\r\n%s\r\n" % offer) * 3000))
        await until(lambda: len(served.heads) == 1)
        await asyncio.sleep(0.05)
        (connection,) = served.connections
        assert 0 < len(connection.pipeline) <= 40
        served.release.set()
        for _ in range(3000):
            assert await caller.read_status() == 200
        await sending

    run(talk)


def test_a_caller_that_closes_its_sending_side_is_answered() -> None:
    async def talk(served: Served) -> None:
        for count in (1, 50):
            caller = await served.connect()
            await caller.send((HEAD % b"held" + b"Content-Length: 2\r\n\r\nhi") * count)
            caller.writer.write_eof()
            await until(lambda: bool(served.heads))
            served.release.set()
            assert await caller.read_statuses() == [200] * count
        await until(lambda: not served.connections)

    run(talk)


@pytest.mark.parametrize("sent", [b"", b"POST /held HT", HEAD % b"held" + b"Content-Length: 5\r\n\r\nhi"])
def test_a_caller_that_closes_before_its_request_is_whole_is_gone(sent: bytes) -> None:
    async def talk(served: Served) -> None:
        caller = await served.connect()
        await caller.send(sent)
        await asyncio.sleep(0.02)
        caller.writer.write_eof()
        assert await caller.read_statuses() == []
        await until(lambda: not served.connections)

    run(talk)


@pytest.mark.parametrize(
    "second",
    [
        b"nonsense\r\n\r\n",
        HEAD % b"echo" + CHUNKED + b"no size\r\n",
        b"GET /x HTTP/1.1\r\n\r\n",
        b"GET /x HTTP/1.1\r\nHost: x\r\nX: " + b"y" * MAX_HEAD_BYTES,
    ],
)
def test_what_follows_a_whole_request_does_not_answer_for_it(second: bytes) -> None:
    """Each whole request gets its own answer; what follows is refused in its own place, or the connection ends."""

    async def talk(served: Served) -> None:
        for count in (1, 3):
            served.release.clear()
            caller = await served.connect()
            await caller.send((HEAD % b"held" + b"Content-Length: 2\r\n\r\nhi") * count + second)
            await asyncio.sleep(0.05)
            sending = asyncio.ensure_future(caller.send(b"z" * 100_000))
            served.release.set()
            statuses = await caller.read_statuses()
            assert statuses[:count] == [200] * count
            assert statuses[count:] in ([], [400], [431])
            await sending

    run(talk)


def test_close_beside_an_offered_upgrade_closes() -> None:
    async def talk(served: Served) -> None:
        caller = await served.connect()
        await caller.send(b"GET /echo HTTP/1.1\r\nHost: x\r\nConnection: close, Upgrade\r\nUpgrade: h2c\r\n\r\n")
        assert await caller.read_statuses() == [200]

    run(talk)


@pytest.mark.parametrize(
    ("version", "hosts", "status"),
    [
        (b"1.1", [], 400),
        (b"1.1", [b"a", b"b"], 400),
        (b"1.1", [b"a/b"], 400),
        (b"1.1", [b"a?b"], 400),
        (b"1.1", [b"a#b"], 400),
        (b"1.1", [b"user@a"], 400),
        (b"1.1", [b"a b"], 400),
        (b"1.1", [b"under_score.example:8080"], 200),
        (b"1.1", [b"[::1]:80"], 200),
        (b"1.0", [], 200),
        (b"1.0", [b"a", b"a"], 400),
    ],
)
def test_one_host_is_named(version: bytes, hosts: list[bytes], status: int) -> None:
    async def talk(served: Served) -> None:
        caller = await served.connect()
        await caller.send(b"GET /echo HTTP/%s\r\n%s\r\n" % (version, b"".join(b"Host: %s\r\n" % one for one in hosts)))
        assert await caller.read_status() == status

    run(talk)


def test_an_answer_that_is_not_read_ends_its_connection() -> None:
    async def talk(served: Served) -> None:
        still, slow = await served.connect(window=4096), await served.connect(window=4096)
        for caller in (still, slow):
            await caller.send((HEAD % b"large" + b"\r\n") * 4)
        for _ in range(40):  # a reader that takes its time is served on
            await slow.reader.read(65_536)
            await asyncio.sleep(0.1)
        assert len(served.connections) == 1
        assert await still.is_ended()

    run(talk, unread_seconds=1.5)


def test_unread_answers_together_have_a_bound() -> None:
    async def talk(served: Served) -> None:
        callers = [await served.connect(window=4096) for _ in range(20)]
        for caller in callers:
            await caller.send((HEAD % b"large" + b"\r\n") * 2)
        await asyncio.sleep(0.3)
        unsent = sum(one.transport.get_write_buffer_size() for one in served.connections)
        assert unsent <= 10_000_000 + 4_000_000

    run(talk, unsent_bytes=10_000_000)


@pytest.mark.parametrize(("limits", "size"), [({"drain_seconds": 0.3}, 100), ({"drain_bytes": 300_000}, 2_000_000)])
def test_the_rest_of_a_request_that_was_answered_ends(limits: dict[str, Any], size: int) -> None:
    async def talk(served: Served) -> None:
        caller = await served.connect()
        await caller.send(HEAD % b"at-once" + b"Content-Length: 100000000\r\n\r\n")
        assert await caller.read_status() == 200
        caller.writer.write(b"x" * size)
        assert await caller.is_ended()

    run(talk, **limits)


def test_a_connection_goes_on_after_the_rest_of_an_answered_request() -> None:
    async def talk(served: Served) -> None:
        caller = await served.connect()
        for _ in range(3):
            await caller.send(HEAD % b"at-once" + b"Content-Length: 300000\r\n\r\n")
            assert await caller.read_status() == 200
            await caller.send(b"x" * 300_000)

    run(talk)


def test_a_connection_that_waits_holds_nothing_of_its_last_request() -> None:
    fields = b"".join(b"%c%c:%c\r\n" % (97 + number % 26, 97 + number // 26, 97) for number in range(600))

    async def talk(served: Served) -> None:
        caller = await served.connect()
        await caller.send(HEAD % b"at-once" + fields + b"Content-Length: 300000\r\n\r\n" + b"x" * 200_000)
        assert await caller.read_status() == 200
        (connection,) = served.connections
        assert not connection.cycle.body
        await caller.send(b"x" * 100_000)
        await until(lambda: connection.cycle is None)
        assert not connection.headers
        assert not connection.scope
        await caller.send(HEAD % b"echo" + fields + b"Content-Length: 2\r\n\r\nhi")
        assert await caller.read_status() == 200
        await until(lambda: connection.cycle is None)

    run(talk)


def test_a_head_has_its_time_from_when_it_is_read() -> None:
    """Requests that were sent ahead of an answer wait for it; a head of which only a part was read waits with them."""

    async def talk(served: Served) -> None:
        caller = await served.connect()
        ahead = HEAD % b"held" + b"Content-Length: 2\r\n\r\nhi"
        await caller.send(ahead * 2 + ahead[:20])
        await asyncio.sleep(0.4)
        caller.writer.write(ahead[20:])
        served.release.set()
        assert [await caller.read_status() for _ in range(3)] == [200] * 3
        await caller.send(ahead * 2 + ahead[:20])
        assert await caller.read_statuses() == [200, 200, 408]

    run(talk, head_seconds=0.2)


def test_too_many_connections_end_the_longest_idle_one() -> None:
    async def talk(served: Served) -> None:
        proxy = [await served.connect(source="127.0.0.9") for _ in range(4)]
        strangers = [await served.connect() for _ in range(40)]
        await until(lambda: len(served.connections) == 10)
        for caller in [*proxy, *strangers[-5:]]:
            await caller.send(HEAD % b"echo" + b"Content-Length: 2\r\n\r\nhi")
            assert await caller.read_status() == 200
        for caller in strangers[:30]:
            assert await caller.is_ended()

    run(talk, connections=10, trusted="127.0.0.9")


def test_strangers_that_withhold_their_bodies_end_no_connection_of_a_proxy() -> None:
    async def talk(served: Served) -> None:
        kept = [await served.connect(source="127.0.0.9") for _ in range(4)]
        strangers = [await served.connect() for _ in range(4)]
        for caller in strangers:
            await caller.send(HEAD % b"echo" + b"Content-Length: 2\r\n\r\n")
        await asyncio.sleep(0.05)
        late = await served.connect()
        assert await strangers[0].is_ended()
        for caller in (*kept, late):
            await caller.send(HEAD % b"echo" + b"Content-Length: 2\r\n\r\nhi")
            assert await caller.read_status() == 200

    run(talk, connections=8, trusted="127.0.0.9")


def test_where_none_is_idle_the_one_that_waits_for_its_caller_gives_way() -> None:
    async def talk(served: Served) -> None:
        at_work = [await served.connect() for _ in range(3)]
        for caller in at_work:
            await caller.send(HEAD % b"held" + b"\r\n")
        await until(lambda: len(served.heads) == 3)
        withholding = await served.connect()
        await withholding.send(HEAD % b"echo" + b"Content-Length: 2\r\n\r\n")
        await asyncio.sleep(0.05)
        late = await served.connect()
        assert await withholding.is_ended()
        served.release.set()
        for caller in at_work:
            assert await caller.read_status() == 200
        await late.send(HEAD % b"echo" + b"\r\n")
        assert await late.read_status() == 200

    run(talk, connections=4)


def test_a_peer_that_is_gone_is_not_served() -> None:
    """Its address cannot be known any more, and so its requests could not be counted."""

    async def talk(served: Served) -> None:
        for _ in range(20):
            with socket.socket() as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                sock.connect(("127.0.0.1", served.port))
                sock.sendall(HEAD % b"echo" + b"Content-Length: 2\r\n\r\nhi")
        caller = await served.connect()
        await caller.send(HEAD % b"echo" + b"\r\n")
        assert await caller.read_status() == 200
        assert served.bodies == [b""]

    run(talk)


def test_callers_that_leave_leave_nothing() -> None:
    async def talk(served: Served) -> None:
        sent = [
            b"",
            b"POST",
            HEAD % b"echo" + CHUNKED + b"2\r\nhi",
            HEAD % b"large" + b"\r\n",
            HEAD % b"at-once" + CHUNKED,
        ]
        callers = [await served.connect() for _ in sent]
        for caller, data in zip(callers, sent, strict=True):
            await caller.send(data)
        await asyncio.sleep(0.05)
        assert all(isinstance(one, BoundedProtocol) for one in served.connections)
        for caller in callers:
            caller.reset()
        await until(lambda: not served.connections)
        await until(lambda: not served.server.server_state.tasks)

    run(talk)
