"""Pages for monitoring at the ASGI door: however many ask, few threads; what is known at once takes none."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import pytest

from openclaw_webhooks import monitor_door
from openclaw_webhooks.asgi import mount
from openclaw_webhooks.effects import Answer
from openclaw_webhooks.engines.base import EngineCapabilities
from openclaw_webhooks.monitoring.shared_answers import SharedAnswers
from openclaw_webhooks.runtime import close_runtime
from tests.asgi_client import AsgiAnswer, AsgiCall, build_scope
from tests.monitoring.scraping import TOKEN

OPERATOR = {"authorization": f"Bearer {TOKEN}"}
WELL = Answer(status=200, headers=(), body=b"well")


class HangingEngine:
    """Says that it works once it is let."""

    capabilities = EngineCapabilities(reports_tasks=False, prunes=False, keeps_history=False, keeps_whole_numbers=True)
    release = threading.Event()

    def check_health(self) -> None:
        self.release.wait(20)


@pytest.fixture
def hanging(settings: Any, as_served: None) -> Iterator[threading.Event]:
    HangingEngine.release.clear()
    settings.OPENCLAW_WEBHOOKS = settings.OPENCLAW_WEBHOOKS | {
        "ENGINE": f"{__name__}.HangingEngine",
        "RECORD_CALLS": False,
        "HEALTH": True,
        "METRICS": True,
        "METRICS_TOKEN": TOKEN,
    }
    yield HangingEngine.release
    HangingEngine.release.set()
    close_runtime()


async def elsewhere(*_: Any) -> None:
    raise AssertionError("is no page of others")


def ask(path: str, *body: bytes, method: str = "GET", **headers: str) -> AsgiCall:
    return AsgiCall(mount(elsewhere), build_scope(path, headers, method=method), body or (b"",))


def count_threads() -> int:
    return sum(thread.name == "openclaw-webhooks-page" for thread in threading.enumerate())


@pytest.mark.django_db(transaction=True)
def test_a_hundred_that_ask_for_readiness_wait_for_one_thread(hanging: threading.Event) -> None:
    async def crowd() -> tuple[int, list[AsgiAnswer], list[AsgiAnswer]]:
        waiting = [asyncio.create_task(ask("/readyz").run()) for _ in range(100)]
        waiting.append(asyncio.create_task(ask("/readyz", **OPERATOR).run()))
        await asyncio.sleep(0.05)
        at_once = [
            await ask("/healthz").run(),
            await ask("/metrics").run(),
            await ask("/readyz", method="DELETE").run(),
        ]
        threads = count_threads()
        hanging.set()
        return threads, at_once, await asyncio.gather(*waiting)

    threads, at_once, answers = asyncio.run(crowd())
    assert threads == 2
    assert [answer.status for answer in at_once] == [200, 401, 405]
    assert {answer.status for answer in answers} == {200}
    assert {answer.body for answer in answers[:-1]} == {b'{"ready": true}\n'}
    assert set(answers[-1].json) == {"ready", "checks", "notes"}


@pytest.mark.django_db(transaction=True)
def test_a_caller_does_not_wait_for_ever(hanging: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor_door, "PATIENCE_SECONDS", 0.05)
    answer = asyncio.run(ask("/readyz").run())
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")


def test_a_body_is_never_read_before_the_answer_and_ends_the_connection(hanging: threading.Event) -> None:
    call = ask("/healthz", b"x" * 1000, b"x" * 1000, method="POST", **{"content-length": "2000"})
    answer = asyncio.run(call.run())
    assert (answer.status, answer.headers["connection"], call.asked) == (405, "close", 2)
    assert [message["type"] for message in answer.messages] == ["http.response.start"] + ["http.response.body"] * 2


def test_what_comes_without_a_body_is_answered_unread(hanging: threading.Event) -> None:
    call = ask("/healthz", method="HEAD")
    answer = asyncio.run(call.run())
    assert (answer.status, answer.headers["content-length"], answer.body, call.asked) == (200, "3", b"", 0)


class Maker:
    """Makes an answer once it is let."""

    def __init__(self) -> None:
        self.calls, self.release = 0, threading.Event()

    def __call__(self) -> Answer:
        self.calls += 1
        self.release.wait(20)
        return WELL


def test_one_answer_serves_all_that_ask_while_it_is_made_and_the_next_is_new() -> None:
    shared, make = SharedAnswers(), Maker()
    first = [shared.request("a", make) for _ in range(10)]
    other = shared.request("b", make)
    make.release.set()
    assert [future.result(10) for future in first] == [WELL] * 10
    assert (other.result(10), make.calls) == (WELL, 2)
    assert shared.request("a", make).result(10) == WELL
    assert make.calls == 3


def test_an_error_reaches_everyone_that_waits() -> None:
    shared, release = SharedAnswers(), threading.Event()

    def fail() -> Answer:
        release.wait(20)
        raise ZeroDivisionError

    waiting = [shared.request("a", fail) for _ in range(2)]
    release.set()
    for future in waiting:
        with pytest.raises(ZeroDivisionError):
            future.result(10)


def test_a_thread_that_cannot_start_leaves_nothing_to_wait_for(monkeypatch: pytest.MonkeyPatch) -> None:
    shared = SharedAnswers()
    start: Callable[[threading.Thread], None] = threading.Thread.start

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(RuntimeError):
        shared.request("a", lambda: WELL)
    monkeypatch.setattr(threading.Thread, "start", start)
    future: Future[Answer] = shared.request("a", lambda: WELL)
    assert future.result(10) == WELL
