from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from openclaw_webhooks.engines.base import BoundSession
from openclaw_webhooks.engines.records import FlowStatus, TaskRuntime, TaskStatus
from openclaw_webhooks.engines.results import (
    Applied,
    Cancelled,
    MutationRefusal,
    NotApplied,
    NotCancelled,
    RunTaskResult,
    TaskCreated,
    TaskNotCreated,
)
from tests.contract.adapters import EngineUnderTest
from tests.contract.builders import create, run

T = TypeVar("T")


def at_once(under_test: EngineUnderTest, calls: list[Callable[[], T]]) -> list[T]:
    """Make the calls in a thread each, started together."""
    barrier = threading.Barrier(len(calls))

    def one(call: Callable[[], T]) -> T:
        barrier.wait(10)
        try:
            return call()
        finally:
            under_test.close_thread()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(one, calls))


def test_seven_callers_with_one_revision_twenty_times(under_test: EngineUnderTest) -> None:
    session = under_test.new_session()
    flow = create(session)
    for revision in range(20):

        def change(revision: int = revision) -> Applied | NotApplied:
            return session.set_waiting(flow.flow_id, expected_revision=revision)

        results = at_once(under_test, [change] * 7)
        codes = Counter(result.code if isinstance(result, NotApplied) else "applied" for result in results)
        assert codes == {"applied": 1, MutationRefusal.REVISION_CONFLICT: 6}
    final = session.get_flow(flow.flow_id)
    assert final is not None
    assert final.revision == 20


def test_one_run_started_by_many_is_one_task(under_test: EngineUnderTest) -> None:
    session = under_test.new_session()
    flow = create(session)

    def start() -> RunTaskResult:
        return session.run_task(flow.flow_id, runtime=TaskRuntime.ACP, task="t", run_id="r")

    results = at_once(under_test, [start] * 7)
    assert len({result.task.task_id for result in results if isinstance(result, TaskCreated)}) == 1
    summary = session.get_task_summary(flow.flow_id)
    assert summary is not None
    assert sum(summary.by_status.values()) == 1


def test_no_task_slips_into_a_flow_that_is_cancelled(under_test: EngineUnderTest) -> None:
    session = under_test.new_session()
    for _ in range(10):
        flow = create(session)

        def start(flow_id: str = flow.flow_id) -> object:
            return session.run_task(flow_id, runtime=TaskRuntime.ACP, task="t")

        def cancel(flow_id: str = flow.flow_id) -> object:
            return session.cancel_flow(flow_id)

        first, second, outcome = at_once(under_test, [start, start, cancel])
        started = sum(isinstance(result, TaskCreated) for result in (first, second))
        refused = sum(isinstance(result, TaskNotCreated) for result in (first, second))
        assert started + refused == 2
        assert isinstance(outcome, Cancelled if started == 0 else NotCancelled)


def test_the_last_of_many_children_cancels_the_flow_once(under_test: EngineUnderTest) -> None:
    if not under_test.engine.capabilities.reports_tasks:
        return
    session = under_test.new_session()
    for _ in range(5):
        flow = create(session)
        tasks = [run(session, flow) for _ in range(6)]
        session.cancel_flow(flow.flow_id)

        def ender(session: BoundSession, task_id: str) -> Callable[[], object]:
            return lambda: session.end_task(task_id, status=TaskStatus.SUCCEEDED)

        at_once(under_test, [ender(session, task.task_id) for task in tasks])
        cancelled = session.get_flow(flow.flow_id)
        assert cancelled is not None
        assert (cancelled.status, cancelled.revision) == (FlowStatus.CANCELLED, 2)
