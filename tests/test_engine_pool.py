"""The engine's threads: results and errors come back, calls run at once where they are slow, nothing is left behind."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from openclaw_webhooks import engine_pool
from openclaw_webhooks.engine_pool import EnginePool, Job


@pytest.fixture
def pool() -> Iterator[EnginePool]:
    made = EnginePool(4)
    yield made
    made.close()


def run(work: Callable[[], Any]) -> Any:
    return asyncio.run(asyncio.wait_for(work(), 10))


def test_results_and_errors_come_back(pool: EnginePool) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    async def work() -> None:
        assert await pool.submit(lambda: 42).future == 42
        with pytest.raises(ZeroDivisionError):
            await pool.submit(fail).future
        assert await asyncio.gather(*(pool.submit(lambda n=n: n).future for n in range(500))) == list(range(500))

    run(work)


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of who works when: on a busy machine any call may wait longer, or take longer, than is usual."""
    monkeypatch.setattr(engine_pool, "PATIENCE_SECONDS", 60)
    monkeypatch.setattr(engine_pool, "_PROMPT_SECONDS", 60)


@pytest.mark.usefixtures("patience")
def test_quick_calls_share_one_thread(pool: EnginePool) -> None:
    async def work() -> set[int]:
        return {await pool.submit(threading.get_ident).future for _ in range(50)}

    assert len(run(work)) == 1


def test_slow_calls_run_at_once_up_to_the_bound(pool: EnginePool) -> None:
    running, most, lock = 0, 0, threading.Lock()

    def slow() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.1)
        with lock:
            running -= 1

    async def work() -> None:
        await asyncio.gather(*(pool.submit(slow).future for _ in range(12)))

    run(work)
    assert most == 4


def test_a_call_left_alone_reports_to_whom_it_was_left(pool: EnginePool) -> None:
    proceed = threading.Event()
    reported: list[Any] = []

    async def work() -> None:
        job = pool.submit(lambda: proceed.wait(5))
        waiting = asyncio.create_task(_await(job.future))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        told = asyncio.Event()
        job.leave(lambda result, error: (reported.append((result, error)), told.set()))
        proceed.set()
        await told.wait()

    run(work)
    assert reported == [(True, None)]


def test_a_call_left_alone_just_after_its_end_reports_too(pool: EnginePool) -> None:
    reported: list[Any] = []

    def fail() -> None:
        raise ZeroDivisionError

    async def work() -> None:
        for call in (lambda: 42, fail):
            job = pool.submit(call)
            await asyncio.wait([job.future])
            job.leave(lambda result, error: reported.append((result, type(error))))
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    run(work)
    assert reported == [(42, type(None)), (None, ZeroDivisionError)]


async def _await(future: asyncio.Future[Any]) -> Any:
    return await future


def test_an_outcome_that_comes_between_the_cancellation_and_its_waking_is_reported() -> None:
    reported: list[tuple[Any, BaseException | None]] = []

    async def work() -> None:
        loop = asyncio.get_running_loop()
        job = Job(lambda: 42, None, joins=False, loop=loop, now_seconds=time.monotonic())

        async def wait() -> None:
            try:
                await job.future
            except asyncio.CancelledError:
                job.leave(lambda result, error: reported.append((result, error)))

        waiting = asyncio.ensure_future(wait())
        await asyncio.sleep(0)
        waiting.cancel()
        job.run()
        job.deliver()
        await waiting
        await asyncio.sleep(0)

    run(work)
    assert reported == [(42, None)]


def test_serves_one_loop_after_another(pool: EnginePool) -> None:
    async def work() -> Any:
        return await pool.submit(lambda: 1).future

    assert [run(work) for _ in range(3)] == [1, 1, 1]


def test_a_loop_that_closed_meanwhile_costs_nothing(pool: EnginePool) -> None:
    proceed, ended = threading.Event(), threading.Event()

    def call() -> None:
        proceed.wait(5)
        ended.set()

    async def work() -> None:
        pool.submit(call)

    asyncio.run(work())
    proceed.set()
    assert ended.wait(5)

    async def next_one() -> Any:
        return await pool.submit(lambda: 7).future

    assert run(next_one) == 7
    assert len(pool._outboxes) <= 1


def test_closing_finishes_what_was_submitted_and_ends_the_threads() -> None:
    ended: list[str] = []
    made: list[int] = []
    pool = EnginePool(2, on_thread_end=lambda: ended.append(threading.current_thread().name))

    async def work() -> None:
        for number in range(5):
            pool.submit(lambda number=number: (time.sleep(0.01), made.append(number)))
        await asyncio.to_thread(pool.close)

    asyncio.run(work())
    assert sorted(made) == list(range(5))
    assert ended
    assert not any(thread.name.startswith("openclaw-webhooks-engine") for thread in threading.enumerate())
    with pytest.raises(RuntimeError, match="closed"):
        run(work)


def test_closing_waits_for_a_thread_that_was_added_meanwhile() -> None:
    pool, made = EnginePool(2), []

    def call(seconds: float) -> None:
        time.sleep(seconds)
        made.append(seconds)

    async def work() -> None:
        pool.submit(lambda: call(0.1))
        pool.submit(lambda: call(0.4))
        await asyncio.to_thread(pool.close)

    asyncio.run(work())
    assert made == [0.1, 0.4]


def test_a_pool_that_was_never_used_closes() -> None:
    EnginePool(3).close()


def test_a_result_is_not_held_up_by_a_long_call_behind_it(pool: EnginePool) -> None:
    proceed = threading.Event()

    async def work() -> None:
        quick, slow = pool.submit(lambda: 1), pool.submit(lambda: proceed.wait(5))
        assert await asyncio.wait_for(quick.future, 2) == 1
        assert not slow.future.done()
        proceed.set()
        assert await slow.future

    run(work)


@pytest.mark.usefixtures("patience")
def test_calls_of_one_turn_of_the_loop_meet_one_thread_and_wake_the_loop_once(pool: EnginePool) -> None:
    woken: list[Any] = []

    async def work() -> None:
        loop = asyncio.get_running_loop()
        wake = loop.call_soon_threadsafe
        loop.call_soon_threadsafe = lambda *call: (woken.append(call), wake(*call))[1]  # type: ignore[method-assign,assignment]
        jobs = [pool.submit(threading.get_ident) for _ in range(20)]
        assert len({await job.future for job in jobs}) == 1

    run(work)
    assert len(woken) == 1


def test_closing_at_once_still_makes_the_calls() -> None:
    pool, made = EnginePool(2), []

    async def work() -> None:
        pool.submit(lambda: made.append(1))
        pool.close()

    asyncio.run(work())
    assert made == [1]


def test_a_loop_that_closes_before_it_woke_a_thread_costs_the_next_one_nothing(pool: EnginePool) -> None:
    async def leave_two() -> None:
        pool.submit(lambda: 1)
        pool.submit(lambda: 2)  # with a second one the loop means to look once more before it hands over

    loop = asyncio.new_event_loop()
    loop.run_until_complete(leave_two())
    loop.close()
    assert pool._is_waking

    async def work() -> Any:
        return await pool.submit(lambda: 3).future

    assert run(work) == 3
    assert not pool._is_waking


class Together:
    """Makes calls together and counts them; the first ``failures`` times it is as if it had not."""

    def __init__(self, *, failures: int = 0) -> None:
        self.sizes: list[int] = []
        self.failures = failures

    def __call__(self, calls: Any) -> bool:
        self.sizes.append(len(calls))
        for call in calls:
            call()
        self.failures -= 1
        return self.failures < 0


@pytest.mark.usefixtures("patience")
def test_calls_that_may_join_are_made_together_and_the_others_by_themselves() -> None:
    together = Together()
    pool = EnginePool(1, make_together=together)

    async def work() -> list[Any]:
        joins = [True, True, True, False, True, False, True, True]
        jobs = [pool.submit(lambda n=n: n, lambda n: n * 10, joins=one) for n, one in enumerate(joins)]
        return await asyncio.gather(*(job.future for job in jobs))

    assert run(work) == [0, 10, 20, 30, 40, 50, 60, 70]
    assert together.sizes == [3, 2]
    pool.close()


def test_calls_whose_joint_commit_failed_are_made_once_more_each_by_itself() -> None:
    together, made = Together(failures=1), []
    pool = EnginePool(4, make_together=together)

    def call(number: int) -> int:
        made.append(number)
        return len(made)

    async def work() -> list[Any]:
        jobs = [pool.submit(lambda n=n: call(n), lambda result: result, joins=True) for n in range(3)]
        return await asyncio.gather(*(job.future for job in jobs))

    assert sorted(run(work)) == [4, 5, 6], "what came of the first time is void"
    assert made[:3] == [0, 1, 2]
    assert sorted(made[3:]) == [0, 1, 2]
    assert together.sizes == [3]
    pool.close()


def test_errors_of_calls_made_together_come_back_to_their_callers() -> None:
    pool = EnginePool(1, make_together=Together())

    def fail(_: Any = None) -> None:
        raise ZeroDivisionError

    async def work() -> list[Any]:
        jobs = [
            pool.submit(lambda: 1, joins=True),
            pool.submit(fail, lambda _: 2, joins=True),
            pool.submit(lambda: 3, fail, joins=True),
        ]
        return await asyncio.gather(*(job.future for job in jobs), return_exceptions=True)

    first, second, third = run(work)
    assert first == 1
    assert isinstance(second, ZeroDivisionError)
    assert isinstance(third, ZeroDivisionError)
    pool.close()


def test_an_error_of_making_together_reaches_every_caller() -> None:
    def refuse(_: Any) -> bool:
        raise ZeroDivisionError

    pool = EnginePool(1, make_together=refuse)

    async def work() -> list[Any]:
        jobs = [pool.submit(lambda: 1, joins=True) for _ in range(2)]
        return await asyncio.gather(*(job.future for job in jobs), return_exceptions=True)

    assert [type(error) for error in run(work)] == [ZeroDivisionError] * 2
    pool.close()


def test_threads_that_only_a_rush_needed_end_and_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_pool, "IDLE_SECONDS", 0.1)
    ended: list[int] = []
    pool = EnginePool(4, on_thread_end=lambda: ended.append(threading.get_ident()))

    async def rush() -> set[int]:
        def work() -> int:
            time.sleep(0.05)
            return threading.get_ident()

        return set(await asyncio.gather(*(pool.submit(work).future for _ in range(8))))

    first = run(rush)
    assert len(first) == 4
    deadline = time.monotonic() + 10
    while len(ended) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(0.3)
    assert len(ended) == 3, "one stays"
    assert len(run(rush)) == 4
    pool.close()
    assert len(ended) == 7
