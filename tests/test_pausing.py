"""Code that is written as if it blocked, and pauses on an event loop instead."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from openclaw_webhooks.call_context import call_context, get_call_context
from openclaw_webhooks.pausing import Pause, find_loop, result_of, run_pausable
from tests.pausing import LOOPS, call_on, running_loop


@pytest.fixture(params=LOOPS)
def loop(request: pytest.FixtureRequest) -> Iterator[asyncio.AbstractEventLoop]:
    with running_loop(request.param) as running:
        yield running


def complete_in(seconds: float, result: str) -> Future[str]:
    future: Future[str] = Future()
    threading.Timer(seconds, future.set_result, [result]).start()
    return future


def test_the_loop_goes_on_while_a_call_pauses(loop: asyncio.AbstractEventLoop) -> None:
    async def work() -> list[str]:
        told: list[str] = []
        running = asyncio.get_running_loop()

        def call() -> None:
            pause = Pause()
            running.call_later(0.05, pause.end)
            pause.wait()
            pause.end()
            told.append("resumed")

        run_pausable(call, running)
        told.append("went on")
        await asyncio.sleep(0.3)
        return told

    assert asyncio.run_coroutine_threadsafe(work(), loop).result(10) == ["went on", "resumed"]


def test_only_code_that_may_pause_finds_its_loop(loop: asyncio.AbstractEventLoop) -> None:
    async def find() -> asyncio.AbstractEventLoop | None:
        return find_loop()

    assert call_on(loop, find_loop) is loop
    assert asyncio.run_coroutine_threadsafe(find(), loop).result(10) is None
    assert find_loop() is None


def test_whose_work_it_is_is_known_to_each_call_by_itself(loop: asyncio.AbstractEventLoop) -> None:
    seen: dict[str, str] = {}
    future: Future[str] = Future()

    def work(actor: str) -> None:
        with call_context(actor):
            result_of(future, timeout_seconds=10)
            seen[actor] = get_call_context().actor

    async def begin() -> None:
        for actor in ("route a", "route b"):
            run_pausable(lambda actor=actor: work(actor), asyncio.get_running_loop())
        assert get_call_context().actor == ""

    asyncio.run_coroutine_threadsafe(begin(), loop).result(10)
    future.set_result("")
    call_on(loop, result_of, complete_in(0.1, ""), timeout_seconds=10)
    assert seen == {"route a": "route a", "route b": "route b"}


def test_the_result_of_another_thread_is_waited_for_in_either_way(loop: asyncio.AbstractEventLoop) -> None:
    done: Future[str] = Future()
    done.set_result("there")
    assert call_on(loop, result_of, done, timeout_seconds=0) == "there"
    assert call_on(loop, result_of, complete_in(0.05, "late"), timeout_seconds=10) == "late"
    assert result_of(complete_in(0.05, "late"), timeout_seconds=10) == "late"


def test_a_result_that_does_not_come_in_time_is_not_waited_for(loop: asyncio.AbstractEventLoop) -> None:
    never: Future[str] = Future()
    with pytest.raises(TimeoutError):
        call_on(loop, result_of, never, timeout_seconds=0.05)
    never.set_result("")
    with pytest.raises(TimeoutError):
        result_of(Future(), timeout_seconds=0.05)


WITHOUT_GREENLET = """
import sys
sys.modules["greenlet"] = None
import django
from django.conf import settings
settings.configure(
    SECRET_KEY="x",
    INSTALLED_APPS=["openclaw_webhooks"],
    OPENCLAW_WEBHOOKS={
        "ENGINE": "openclaw_webhooks.engines.bridge.configured.build_bridge_engine",
        "BRIDGE_URL": "unix:///nowhere.sock",
        "ROUTES": {},
    },
)
django.setup()
from openclaw_webhooks.runtime import get_runtime
print(type(get_runtime().engine_pool).__name__)
"""


def test_where_greenlet_is_not_installed_calls_take_threads() -> None:
    told = subprocess.run([sys.executable, "-c", WITHOUT_GREENLET], capture_output=True, text=True, check=False)
    assert told.stdout.strip() == "EnginePool", told.stderr
