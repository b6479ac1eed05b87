"""The bridge's calls on an event loop: as careful as in a thread, and no thread waits."""

from __future__ import annotations

import asyncio
import pathlib
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from openclaw_webhooks.conf.bridge import BridgeAddress
from openclaw_webhooks.engine_pool import EnginePool
from openclaw_webhooks.engines.bridge.breaker import FAILURES_TO_OPEN
from openclaw_webhooks.engines.bridge.client import BridgeClient
from openclaw_webhooks.engines.bridge.engine import BridgeEngine, BridgeSession
from openclaw_webhooks.engines.bridge.transport import Transport
from openclaw_webhooks.engines.results import MutationRefusal, NotApplied
from openclaw_webhooks.exceptions import EngineUnavailable, OutcomeUnknown, PersistFailed
from openclaw_webhooks.loop_calls import MOST_AT_ONCE, LoopCalls
from tests.bridge.test_faults import FLOW, RUBBISH, Answer, answer, engine_at, hang_up, peer, read_request, say_nothing

Call = Callable[[BridgeSession], Any]


def get(session: BridgeSession) -> Any:
    return session.get_flow("f-1")


def finish(session: BridgeSession) -> Any:
    return session.finish_flow("f-1", expected_revision=0)


def ask(engine: BridgeEngine, *calls: Call, at_once: bool = False, pause_seconds: float = 0) -> list[Any]:
    """Make calls on a loop, one after the other or at once; return what each gave or raised."""

    async def work() -> list[Any]:
        pool = EnginePool(2)
        loop_calls = LoopCalls(engine, pool)
        session = engine.bind_session("k")
        told: list[Any] = []
        try:
            if at_once:
                jobs = [loop_calls.submit(lambda call=call: call(session)) for call in calls]  # type: ignore[misc]
                return await asyncio.gather(*(job.future for job in jobs), return_exceptions=True)
            for call in calls:
                job = loop_calls.submit(lambda call=call: call(session))  # type: ignore[misc]
                told += await asyncio.gather(job.future, return_exceptions=True)
                await asyncio.sleep(pause_seconds)
            return told
        finally:
            await asyncio.to_thread(loop_calls.close)
            engine.close()

    return asyncio.run(asyncio.wait_for(work(), 20))


def kinds(told: list[Any]) -> list[type]:
    return [type(one) for one in told]


def test_nobody_listens(tmp_path: pathlib.Path) -> None:
    told = ask(engine_at(BridgeAddress(socket_path=str(tmp_path / "none.sock"))), get, finish)
    assert kinds(told) == [EngineUnavailable, PersistFailed]


@pytest.mark.parametrize("wrong", RUBBISH.values(), ids=RUBBISH)
def test_after_a_request_was_sent_a_change_may_have_happened(wrong: Answer, tmp_path: pathlib.Path) -> None:
    with peer(tmp_path, wrong) as address:
        told = ask(engine_at(address), get, finish)
    assert kinds(told) == [EngineUnavailable, OutcomeUnknown]
    assert told[1].flow_id == "f-1"


def test_a_peer_that_says_nothing_is_left_in_time_and_then_not_asked(tmp_path: pathlib.Path) -> None:
    with peer(tmp_path, say_nothing) as address:
        began = time.monotonic()
        told = ask(engine_at(address, seconds=0.2), finish, *[get] * FAILURES_TO_OPEN)
    assert time.monotonic() - began < 5
    assert kinds(told) == [OutcomeUnknown, *[EngineUnavailable] * FAILURES_TO_OPEN]
    assert "a moment ago" in str(told[-1])


def test_a_refusal_says_that_nothing_happened(tmp_path: pathlib.Path) -> None:
    refusal = {"ok": False, "error": {"code": "session_not_bound", "message": "m", "applied": "no"}}
    with peer(tmp_path, answer(refusal, status=403)) as address:
        assert kinds(ask(engine_at(address), get, finish)) == [EngineUnavailable, PersistFailed]


@pytest.mark.parametrize("split", [False, True])
def test_an_answer_is_read_in_pieces(split: bool, tmp_path: pathlib.Path) -> None:
    with peer(tmp_path, answer({"ok": True, "value": FLOW}, split=split)) as address:
        assert [flow.flow_id for flow in ask(engine_at(address), get, get)] == ["f-1"] * 2


def answer_once_then_close(connection: socket.socket) -> None:
    answer({"ok": True, "value": FLOW}, keep=True)(connection)


@pytest.mark.parametrize("pause_seconds", [0, 0.05], ids=["just now", "a while ago"])
def test_a_kept_connection_that_was_closed_costs_no_read(pause_seconds: float, tmp_path: pathlib.Path) -> None:
    with peer(tmp_path, answer_once_then_close) as address:
        assert all(ask(engine_at(address), *[get] * 4, pause_seconds=pause_seconds))


def test_a_peer_that_went_is_noticed_before_a_change_is_sent(tmp_path: pathlib.Path) -> None:
    closing = threading.Event()

    def answer_then_wait(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 x\r\nContent-Length: 24\r\n\r\n" + b'{"ok":true,"value":null}')
        closing.wait(5)

    def close(_: BridgeSession) -> None:
        (tmp_path / "peer.sock").unlink()
        closing.set()

    with peer(tmp_path, answer_then_wait) as address:
        told = ask(engine_at(address), get, close, finish, pause_seconds=0.05)
    assert kinds(told[2:]) == [PersistFailed]


def test_a_change_that_was_sent_on_a_connection_that_closed_is_never_sent_again(tmp_path: pathlib.Path) -> None:
    seen: list[bytes] = []

    def answer_then_hang_up(connection: socket.socket) -> None:
        body = read_request(connection)
        connection.sendall(b"HTTP/1.1 200 x\r\nContent-Length: 24\r\n\r\n" + b'{"ok":true,"value":null}')
        seen.extend((body, read_request(connection)))

    with peer(tmp_path, answer_then_hang_up, hang_up) as address:
        told = ask(engine_at(address), get, finish)
    assert told[0] is None
    assert isinstance(told[1], OutcomeUnknown)
    assert len([body for body in seen if b"finish" in body]) == 1


def test_a_long_answer_is_read_in_a_thread_and_no_thread_waits_for_others(tmp_path: pathlib.Path) -> None:
    many = [FLOW | {"flowId": f"f-{number}"} for number in range(1000)]
    threads: list[str] = []

    def list_all(session: BridgeSession) -> Any:
        flows = session.list_flows()
        threads.append(threading.current_thread().name)
        return flows

    def get_one(session: BridgeSession) -> Any:
        flow = session.get_flow("f-1")
        threads.append(threading.current_thread().name)
        return flow

    with peer(tmp_path, answer({"ok": True, "value": many})) as address:
        (flows,) = ask(engine_at(address), list_all)
    assert len(flows) == 1000
    with peer(tmp_path / "..", answer({"ok": True, "value": FLOW})) as address:
        ask(engine_at(address), get_one)
    assert threads == ["openclaw-webhooks-engine-0", "MainThread"]


def test_many_calls_at_once_are_each_answered(tmp_path: pathlib.Path) -> None:
    with peer(tmp_path, answer({"ok": True, "value": FLOW})) as address:
        assert [flow.flow_id for flow in ask(engine_at(address), *[get] * 30, at_once=True)] == ["f-1"] * 30


def test_more_calls_than_a_loop_may_have_take_turns_in_threads(tmp_path: pathlib.Path) -> None:
    threads = set()

    def get_and_tell(session: BridgeSession) -> Any:
        threads.add(threading.current_thread().name.rpartition("-")[0])
        return get(session)

    with peer(tmp_path, answer({"ok": True, "value": FLOW})) as address:
        told = ask(engine_at(address), *[get_and_tell] * (MOST_AT_ONCE + 10), at_once=True)
    assert [flow.flow_id for flow in told] == ["f-1"] * (MOST_AT_ONCE + 10)
    assert threads == {"", "openclaw-webhooks-engine"}


def test_a_large_request_is_sent_whole_to_a_peer_that_reads_late(tmp_path: pathlib.Path) -> None:
    received: list[int] = []

    def read_late(connection: socket.socket) -> None:
        time.sleep(0.2)
        received.append(len(read_request(connection)))
        body = b'{"ok":true,"value":{"applied":false,"code":"not_found"}}'
        connection.sendall(b"HTTP/1.1 200 x\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body)

    large = {"text": "x" * 2_000_000}
    with peer(tmp_path, read_late) as address:
        (told,) = ask(
            engine_at(address), lambda session: session.finish_flow("f", expected_revision=0, state_json=large)
        )
    assert told == NotApplied(MutationRefusal.NOT_FOUND)
    assert received[0] > 2_000_000


def test_a_token_that_takes_a_file_or_a_program_takes_a_thread(tmp_path: pathlib.Path) -> None:
    asked_in: list[str] = []

    def token() -> str:
        asked_in.append(threading.current_thread().name)
        return "a-token-of-the-tests"

    with peer(tmp_path, answer({"ok": True, "value": FLOW})) as address:
        transport = Transport(address, connect_seconds=1, total_seconds=5)
        engine = BridgeEngine(BridgeClient(transport, token=token, is_token_at_hand=False))
        assert ask(engine, get)[0].flow_id == "f-1"
    assert asked_in == ["openclaw-webhooks-engine-0"]


def test_over_tcp(tmp_path: pathlib.Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                answer({"ok": True, "value": FLOW})(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        assert ask(engine_at(BridgeAddress(host="127.0.0.1", port=port)), get)[0].flow_id == "f-1"
        thread.join()
    assert kinds(ask(engine_at(BridgeAddress(host="127.0.0.1", port=port)), finish)) == [PersistFailed]


def test_what_a_call_raises_before_its_question_is_its_callers(tmp_path: pathlib.Path) -> None:
    def fail(_: BridgeSession) -> Any:
        raise ValueError("a mistake")

    told = ask(engine_at(BridgeAddress(socket_path=str(tmp_path / "s"))), fail, lambda _: 7)
    assert (kinds(told), told[1]) == ([ValueError, int], 7)


def test_a_caller_that_leaves_does_not_end_its_call(tmp_path: pathlib.Path) -> None:
    def answer_late(connection: socket.socket) -> None:
        time.sleep(0.2)
        answer({"ok": True, "value": FLOW})(connection)

    async def work(engine: BridgeEngine) -> list[Any]:
        loop_calls = LoopCalls(engine, EnginePool(1))
        job = loop_calls.submit(lambda: get(engine.bind_session("k")))
        job.future.cancel()
        told: list[Any] = []
        job.leave(lambda result, error: told.append((result.flow_id, error)))
        await asyncio.to_thread(loop_calls.close)  # Waits for it, as a server does that stops.
        engine.close()
        return told

    with peer(tmp_path, answer_late) as address:
        assert asyncio.run(work(engine_at(address))) == [("f-1", None)]
