"""Calls on the event loop itself: they pause at once, take turns beyond the bound, and none is lost."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest

from openclaw_webhooks.loop_pool import LoopPool
from openclaw_webhooks.pausing import result_of


def run(work: Callable[[], Any]) -> Any:
    return asyncio.run(asyncio.wait_for(work(), 10))


def wait_for(future: Future[Any]) -> Any:
    return result_of(future, timeout_seconds=10)


def test_results_and_errors_come_back() -> None:
    pool = LoopPool(4)

    def fail(_: Any = None) -> None:
        raise ZeroDivisionError

    async def work() -> None:
        assert await pool.submit(lambda: 42).future == 42
        assert await pool.submit(lambda: 42, lambda result: result + 1).future == 43
        for job in (pool.submit(fail), pool.submit(lambda: 42, fail)):
            with pytest.raises(ZeroDivisionError):
                await job.future
        assert await asyncio.gather(*(pool.submit(lambda n=n: n).future for n in range(500))) == list(range(500))

    run(work)


def test_calls_are_under_way_at_once_up_to_the_bound_and_the_others_follow_in_turn() -> None:
    pool = LoopPool(2)
    begun: list[int] = []
    futures: list[Future[int]] = [Future() for _ in range(4)]

    def call(number: int) -> int:
        begun.append(number)
        return int(wait_for(futures[number]))

    async def work() -> None:
        jobs = [pool.submit(lambda n=n: call(n)) for n in range(4)]
        assert begun == [0, 1]
        futures[1].set_result(10)
        assert await jobs[1].future == 10
        await asyncio.sleep(0.05)
        assert begun == [0, 1, 2]
        for number in (0, 2, 3):
            futures[number].set_result(number * 10)
        assert await asyncio.gather(*(job.future for job in jobs)) == [0, 10, 20, 30]

    run(work)
    assert begun == [0, 1, 2, 3]


def test_they_need_no_thread() -> None:
    async def work() -> set[int]:
        return {await LoopPool(4).submit(threading.get_ident).future for _ in range(5)}

    assert run(work) == {threading.get_ident()}


def test_a_call_left_alone_reports_to_whom_it_was_left() -> None:
    pool, future, reported = LoopPool(4), Future[int](), []

    async def work() -> None:
        job = pool.submit(lambda: wait_for(future))
        told = asyncio.Event()
        job.leave(lambda result, error: (reported.append((result, error)), told.set()))
        future.set_result(7)
        await told.wait()

    run(work)
    assert reported == [(7, None)]


def test_closing_finishes_what_was_submitted() -> None:
    pool, made = LoopPool(1), []

    async def work() -> None:
        futures = [Future[int]() for _ in range(3)]
        for number, future in enumerate(futures):
            pool.submit(lambda future=future: made.append(wait_for(future)))
            threading.Timer(0.05 * number, future.set_result, [number]).start()
        await asyncio.to_thread(pool.close)

    run(work)
    assert made == [0, 1, 2]
    with pytest.raises(RuntimeError, match="closed"):
        run(work)


def test_closing_waits_for_no_loop_that_cannot_go_on() -> None:
    pool = LoopPool(4)

    async def leave_one() -> None:
        pool.submit(lambda: wait_for(Future()))

    async def close() -> None:
        await leave_one()
        pool.close()

    began = time.monotonic()
    asyncio.run(leave_one())
    asyncio.run(close())
    gc.collect()  # What still paused ends with its loop, and tells nobody.
    assert time.monotonic() - began < 4


def test_a_loop_that_closed_meanwhile_holds_up_nobody() -> None:
    pool = LoopPool(1)
    future: Future[int] = Future()

    async def leave_two() -> None:
        pool.submit(lambda: wait_for(future))
        pool.submit(lambda: 2)

    async def next_one() -> Any:
        return await pool.submit(lambda: 7).future

    asyncio.run(leave_two())
    gc.collect()
    assert run(next_one) == 7
