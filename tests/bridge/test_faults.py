"""A peer that is away, slow, talks rubbish or is of another version; hand-made, for what no real Gateway does."""

from __future__ import annotations

import asyncio
import contextlib
import json
import pathlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from openclaw_webhooks.conf.bridge import BridgeAddress
from openclaw_webhooks.engines.bridge.breaker import FAILURES_TO_OPEN, PAUSE_SECONDS, CircuitBreaker
from openclaw_webhooks.engines.bridge.client import BridgeClient
from openclaw_webhooks.engines.bridge.engine import BridgeEngine
from openclaw_webhooks.engines.bridge.mapping import map_cancel, map_mutation, map_run_task
from openclaw_webhooks.engines.bridge.transport import Transport
from openclaw_webhooks.engines.results import (
    CancelRefusal,
    MutationRefusal,
    NotApplied,
    NotCancelled,
    RunTaskRefusal,
    TaskNotCreated,
)
from openclaw_webhooks.exceptions import EngineUnavailable, OutcomeUnknown, PersistFailed
from tests.pausing import OnLoop, call_on, running_loop

FLOW = {
    "flowId": "f-1",
    "revision": 0,
    "status": "queued",
    "notifyPolicy": "done_only",
    "goal": "g",
    "createdAt": 1,
    "updatedAt": 1,
    "syncMode": "managed",
    "ownerKey": "agent:main:secret",
}
Answer = Callable[[socket.socket], None]


@contextlib.contextmanager
def peer(folder: pathlib.Path, *answers: Answer) -> Iterator[BridgeAddress]:
    """Listen on a socket; each connection reads one request and gets the next answer, the last one again and again."""
    path = str(folder / "peer.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()

        def serve() -> None:
            for number in range(100):
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection, contextlib.suppress(OSError):
                    answers[min(number, len(answers) - 1)](connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield BridgeAddress(socket_path=path)
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def read_request(connection: socket.socket) -> bytes:
    """Return the body of a request; ``ConnectionError`` where the connection ends instead."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += _receive(connection)
    head, _, body = received.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
    while len(body) < length:
        body += _receive(connection)
    return body


def _receive(connection: socket.socket) -> bytes:
    received = connection.recv(65536)
    if not received:
        raise ConnectionError
    return received


def answer(value: Any, *, status: int = 200, keep: bool = False, split: bool = False) -> Answer:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    head = f"HTTP/1.1 {status} x\r\nContent-Length: {len(body)}\r\n".encode()

    def write(connection: socket.socket) -> None:
        read_request(connection)
        ending = b"\r\n" if keep else b"Connection: close\r\n\r\n"
        connection.sendall(head + ending + (b"" if split else body))
        if split:
            connection.sendall(body)
        if keep:
            read_request(connection)

    return write


def hang_up(connection: socket.socket) -> None:
    read_request(connection)


def say_nothing(connection: socket.socket) -> None:
    read_request(connection)
    connection.recv(1)


def say_half(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(b'HTTP/1.1 200 x\r\nContent-Length: 100\r\n\r\n{"ok":')


class Caller:
    """Binds sessions whose calls block their thread, or pause on an event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop | None) -> None:
        self._loop = loop
        self._transports: list[Transport] = []

    def bind(self, address: BridgeAddress, *, seconds: float = 5, token: str | None = None) -> Any:
        transport = Transport(address, connect_seconds=1, total_seconds=seconds)
        self._transports.append(transport)
        session = BridgeEngine(BridgeClient(transport, token=lambda: token)).bind_session("k")
        return session if self._loop is None else OnLoop(session, self._loop)

    def expect(
        self, address: BridgeAddress, read: type[Exception], change: type[Exception], *, seconds: float = 5
    ) -> None:
        """Ask for a read and for a change, and expect what is known of each."""
        session = self.bind(address, seconds=seconds)
        with pytest.raises(read):
            session.get_flow("f-1")
        with pytest.raises(change) as raised:
            session.finish_flow("f-1", expected_revision=0)
        if isinstance(raised.value, OutcomeUnknown):
            assert raised.value.flow_id == "f-1"

    def close(self) -> None:
        """Close what is kept, for which peers wait."""
        for transport in self._transports:
            if self._loop is None:
                transport.close()
            else:
                call_on(self._loop, transport.close)


@pytest.fixture(params=["thread", "loop"])
def caller(request: pytest.FixtureRequest) -> Iterator[Caller]:
    with contextlib.ExitStack() as stack:
        made = Caller(None if request.param == "thread" else stack.enter_context(running_loop()))
        yield made
        made.close()


def test_nobody_listens(caller: Caller, tmp_path: pathlib.Path) -> None:
    caller.expect(BridgeAddress(socket_path=str(tmp_path / "none.sock")), EngineUnavailable, PersistFailed)


def say(text: bytes) -> Answer:
    def write(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(text)

    return write


RUBBISH = {
    "hung up": hang_up,
    "broken off": say_half,
    "no JSON": answer(b"rubbish"),
    "no object": answer([]),
    "no flow": answer({"ok": True, "value": 5}),
    "no HTTP": say(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
    "another HTTP": say(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}"),
    "no length": say(b"HTTP/1.1 200 OK\r\n\r\n{}"),
    "a negative length": say(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}"),
    "an endless length": say(b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n{}"),
    "more than it says": say(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{}"),
    "chunks": say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\n{}\r\n0\r\n\r\n"),
    "an endless head": say(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 300_000),
}


@pytest.mark.parametrize("wrong", RUBBISH.values(), ids=RUBBISH)
def test_after_a_request_was_sent_a_change_may_have_happened(
    caller: Caller, wrong: Answer, tmp_path: pathlib.Path
) -> None:
    with peer(tmp_path, wrong) as address:
        caller.expect(address, EngineUnavailable, OutcomeUnknown)


def test_a_peer_that_says_nothing_is_left_in_time(caller: Caller, tmp_path: pathlib.Path) -> None:
    with peer(tmp_path, say_nothing) as address:
        caller.expect(address, EngineUnavailable, OutcomeUnknown, seconds=0.2)


@pytest.mark.parametrize(
    "code", ["unauthorized", "session_not_bound", "unsupported_protocol", "shutting_down", "too_large"]
)
def test_a_refusal_says_that_nothing_happened(caller: Caller, code: str, tmp_path: pathlib.Path) -> None:
    refusal = {"ok": False, "error": {"code": code, "message": "m", "applied": "no"}}
    with peer(tmp_path, answer(refusal, status=403)) as address:
        caller.expect(address, EngineUnavailable, PersistFailed)


def test_a_change_that_failed_in_the_middle_is_unknown(caller: Caller, tmp_path: pathlib.Path) -> None:
    failure = {"ok": False, "error": {"code": "call_failed", "message": "m", "applied": "unknown"}}
    with peer(tmp_path, answer(failure, status=500)) as address:
        caller.expect(address, EngineUnavailable, OutcomeUnknown)


def test_an_answer_may_end_its_connection_in_a_packet_of_its_own(caller: Caller, tmp_path: pathlib.Path) -> None:
    with peer(tmp_path, answer({"ok": True, "value": FLOW}, split=True)) as address:
        session = caller.bind(address)
        assert [session.get_flow("f-1") is not None for _ in range(3)] == [True] * 3


def test_a_kept_connection_that_was_closed_costs_no_read(caller: Caller, tmp_path: pathlib.Path) -> None:
    def answer_once_then_close(connection: socket.socket) -> None:
        answer({"ok": True, "value": FLOW}, keep=True)(connection)

    with peer(tmp_path, answer_once_then_close) as address:
        session = caller.bind(address)
        assert all(session.get_flow("f-1") for _ in range(4))
        caller.close()  # The peer waits for another request.


def test_nothing_that_the_gateway_adds_gets_out(caller: Caller, tmp_path: pathlib.Path) -> None:
    with peer(tmp_path, answer({"ok": True, "value": FLOW | {"more": "agent:main:secret"}})) as address:
        assert "secret" not in repr(caller.bind(address).get_flow("f-1"))


@pytest.mark.parametrize("token", ["line\nend", "ü" * 20, "with blank"])
def test_a_token_that_no_header_can_carry_is_not_told(caller: Caller, token: str, tmp_path: pathlib.Path) -> None:
    session = caller.bind(BridgeAddress(socket_path=str(tmp_path / "s")), token=token)
    with pytest.raises(EngineUnavailable, match="no header can carry") as raised:
        session.get_flow("f-1")
    assert token not in str(raised.value)


def test_the_breaker_opens_asks_again_and_closes() -> None:
    now = [100.0]
    breaker = CircuitBreaker(clock=lambda: now[0])
    for _ in range(FAILURES_TO_OPEN):
        assert breaker.may_call()
        breaker.note_failure(is_in_vain=True)
    assert not breaker.may_call()
    now[0] += PAUSE_SECONDS
    assert [breaker.may_call(), breaker.may_call()] == [True, False]
    now[0] += 100 * PAUSE_SECONDS
    assert not breaker.may_call(), "one thread already waits for a peer that may hang"
    breaker.note_failure(is_in_vain=True)
    now[0] += PAUSE_SECONDS
    assert breaker.may_call()
    breaker.note_failure(is_in_vain=False)
    assert [breaker.may_call(), breaker.may_call()] == [True, False], "what hung is gone now, and may be back at once"
    breaker.note_success()
    assert [breaker.may_call(), breaker.may_call()] == [True, True]


def test_what_fails_at_once_is_asked_each_time(caller: Caller, tmp_path: pathlib.Path) -> None:
    """The first request after the return of a Gateway that was gone is served."""
    session = caller.bind(BridgeAddress(socket_path=str(tmp_path / "peer.sock")))
    for _ in range(10 * FAILURES_TO_OPEN):
        assert "cannot connect" in str(_fail(session))
    with peer(tmp_path, *[hang_up] * 10 * FAILURES_TO_OPEN, answer({"ok": True, "value": FLOW})):
        for _ in range(10 * FAILURES_TO_OPEN):
            assert "closed" in str(_fail(session))
        assert session.get_flow("f-1") is not None


def test_a_peer_that_hangs_holds_one_thread(caller: Caller, tmp_path: pathlib.Path) -> None:
    """Callers that come while somebody waits are answered at once, and so when that wait has failed."""
    with peer(tmp_path, say_nothing) as address:
        session = caller.bind(address, seconds=1)
        for _ in range(FAILURES_TO_OPEN):
            with pytest.raises(EngineUnavailable, match="no answer came"):
                session.get_flow("f-1")
        time.sleep(PAUSE_SECONDS)
        with ThreadPoolExecutor(8) as pool:
            told = [str(error) for error in pool.map(_fail, [session] * 8)]
    assert sorted("a moment ago" in text for text in told) == [False] + [True] * 7, told


def _fail(session: Any) -> EngineUnavailable:
    with pytest.raises(EngineUnavailable) as raised:
        session.get_flow("f-1")
    return raised.value


def test_a_reason_or_code_that_is_not_known_is_the_fallback_without_its_words() -> None:
    strange = "agent:main:secret is busy"
    assert map_mutation({"applied": False, "code": strange}) == NotApplied(MutationRefusal.OTHER)
    assert map_cancel({"found": True, "cancelled": False, "reason": strange}) == NotCancelled(CancelRefusal.OTHER)
    assert map_run_task({"found": True, "created": False, "reason": strange}) == TaskNotCreated(RunTaskRefusal.OTHER)


def test_known_reasons_are_passed_on() -> None:
    done = map_cancel({"found": True, "cancelled": False, "reason": "Flow is already succeeded."})
    assert done == NotCancelled(CancelRefusal.TERMINAL, "Flow is already succeeded.")
    made_up = map_run_task({"found": True, "created": False, "reason": "Flow is already agent:main:secret."})
    assert made_up == TaskNotCreated(RunTaskRefusal.OTHER)
    busy = map_run_task({"found": True, "created": False, "reason": "Task backing ownership could not be verified."})
    assert busy == TaskNotCreated(RunTaskRefusal.OTHER, "Task backing ownership could not be verified.")


def test_a_refusal_beside_a_flow_that_cannot_be_read_stays_a_refusal() -> None:
    strange = FLOW | {"status": "of a later version"}
    assert map_mutation({"applied": False, "code": "revision_conflict", "current": strange}) == NotApplied(
        MutationRefusal.REVISION_CONFLICT
    )
    cancelled = map_cancel({"found": True, "cancelled": False, "reason": "", "flow": strange, "tasks": [{}]})
    assert cancelled == NotCancelled(CancelRefusal.OTHER)


def test_a_flow_that_cannot_be_read_does_not_hide_the_others(
    caller: Caller, tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    listed = [FLOW, FLOW | {"flowId": "f-2", "status": "hibernating"}, 7, FLOW | {"flowId": "f-3"}]
    with peer(tmp_path, answer({"ok": True, "value": listed})) as address:
        flows = caller.bind(address).list_flows()
    assert [flow.flow_id for flow in flows] == ["f-1", "f-3"]
    assert "'f-2'" in caplog.text
    assert "secret" not in caplog.text
