from __future__ import annotations

import pytest
from django.db import connections

from openclaw_webhooks.engines.embedded import Cancellers
from openclaw_webhooks.engines.embedded.cancellers import default_cancellers, register_canceller
from openclaw_webhooks.engines.records import FlowStatus, TaskRecord, TaskStatus
from openclaw_webhooks.engines.results import Cancelled, CancelRefusal, NotCancelled
from tests.contract.builders import applied, create, run
from tests.engines.databases import session_of, sql


def stop(_task: TaskRecord, *, session_key: str) -> bool:
    return True


class Vague:
    def __call__(self, task: TaskRecord, *, session_key: str) -> bool:
        return "sure"  # type: ignore[return-value]


def leave(_task: TaskRecord, *, session_key: str) -> bool:
    return False


def test_what_is_stopped_is_cancelled_and_so_is_the_flow(sqlite_alias: str) -> None:
    cancellers, asked = Cancellers(), []

    @cancellers.register
    def note(task: TaskRecord, *, session_key: str) -> bool:
        asked.append((task.task, session_key, connections[sqlite_alias].in_atomic_block))
        return task.task != "stubborn"

    session = session_of(sqlite_alias, cancellers=cancellers)
    flow = create(session)
    finished, first, second = (
        run(session, flow, task="done"),
        run(session, flow, task="a"),
        run(session, flow, task="b"),
    )
    session.end_task(finished.task_id, status=TaskStatus.SUCCEEDED)
    result = session.cancel_flow(flow.flow_id)
    assert sorted(asked) == [("a", "agent:main:main", False), ("b", "agent:main:main", False)]
    assert isinstance(result, Cancelled)
    statuses = {task.task_id: task.status for task in result.tasks}
    assert statuses[finished.task_id] is TaskStatus.SUCCEEDED
    assert statuses[first.task_id] is statuses[second.task_id] is TaskStatus.CANCELLED
    assert (result.flow.status, result.flow.revision) == (FlowStatus.CANCELLED, 2)
    assert result.flow.ended_at_ms == result.flow.updated_at_ms == max(task.ended_at_ms or 0 for task in result.tasks)


def test_what_cannot_be_stopped_leaves_it_pending(sqlite_alias: str, caplog: pytest.LogCaptureFixture) -> None:
    cancellers = Cancellers()

    @cancellers.register
    def fragile(task: TaskRecord, *, session_key: str) -> bool:
        if task.task == "broken":
            raise RuntimeError("no such worker")
        return task.task == "stoppable"

    session = session_of(sqlite_alias, cancellers=cancellers)
    flow = create(session)
    for name in ("broken", "stoppable", "left"):
        run(session, flow, task=name)
    result = session.cancel_flow(flow.flow_id)
    assert isinstance(result, NotCancelled)
    assert result.code is CancelRefusal.PENDING
    assert {task.task: task.status for task in result.tasks or ()} == {
        "broken": TaskStatus.QUEUED,
        "stoppable": TaskStatus.CANCELLED,
        "left": TaskStatus.QUEUED,
    }
    assert "no such worker" in caplog.text
    assert "agent:main:main" not in caplog.text


def test_the_first_that_stops_a_task_is_the_last_asked(sqlite_alias: str) -> None:
    cancellers = Cancellers()
    for canceller in (leave, stop):
        assert cancellers.register(canceller) is canceller
        cancellers.register(canceller)
    task = run(session := session_of(sqlite_alias), create(session))
    assert cancellers.stop(task, session_key="k")
    cancellers.unregister(stop)
    cancellers.unregister(stop)
    assert not cancellers.stop(task, session_key="k")


def test_a_truthy_answer_is_no_true(sqlite_alias: str) -> None:
    cancellers = Cancellers()
    cancellers.register(Vague())
    task = run(session := session_of(sqlite_alias), create(session))
    assert not cancellers.stop(task, session_key="k")


def test_registered_for_the_process(sqlite_alias: str) -> None:
    session = session_of(sqlite_alias)
    flow = create(session)
    run(session, flow)
    register_canceller(stop)
    try:
        assert isinstance(session.cancel_flow(flow.flow_id), Cancelled)
    finally:
        default_cancellers.unregister(stop)


def test_a_canceller_that_reports_the_end_itself(sqlite_alias: str) -> None:
    cancellers = Cancellers()
    session = session_of(sqlite_alias, cancellers=cancellers)

    @cancellers.register
    def report(task: TaskRecord, *, session_key: str) -> bool:
        session.end_task(task.task_id, status=TaskStatus.LOST)
        return True

    flow = create(session)
    task = run(session, flow)
    result = session.cancel_flow(flow.flow_id)
    assert isinstance(result, Cancelled)
    assert [(ended.task_id, ended.status) for ended in result.tasks] == [(task.task_id, TaskStatus.LOST)]


def test_a_flow_that_was_finished_meanwhile(sqlite_alias: str) -> None:
    cancellers = Cancellers()
    session = session_of(sqlite_alias, cancellers=cancellers)

    @cancellers.register
    def finish(task: TaskRecord, *, session_key: str) -> bool:
        applied(session.finish_flow(task.parent_flow_id or "", expected_revision=1))
        return True

    flow = create(session)
    run(session, flow)
    result = session.cancel_flow(flow.flow_id)
    assert isinstance(result, NotCancelled)
    assert (result.code, result.reason) == (CancelRefusal.TERMINAL, "Flow is already succeeded.")


def test_an_end_that_cannot_be_stored_does_not_deny_the_request(sqlite_alias: str) -> None:
    cancellers = Cancellers()
    session = session_of(sqlite_alias, cancellers=cancellers)

    @cancellers.register
    def break_the_disk(task: TaskRecord, *, session_key: str) -> bool:
        sql(sqlite_alias, "PRAGMA query_only = ON")
        return True

    flow = create(session)
    run(session, flow)
    result = session.cancel_flow(flow.flow_id)
    assert isinstance(result, NotCancelled)
    assert result.code is CancelRefusal.PERSIST_FAILED
    assert result.flow is not None
    assert result.flow == session.get_flow(flow.flow_id)
    assert result.flow.cancel_requested_at_ms is not None


def test_an_unmanaged_flow(sqlite_alias: str) -> None:
    session = session_of(sqlite_alias)
    flow = create(session)
    sql(sqlite_alias, "UPDATE openclaw_webhooks_flow SET sync_mode = 'task_mirrored'")
    result = session.cancel_flow(flow.flow_id)
    assert isinstance(result, NotCancelled)
    assert result.code is CancelRefusal.OTHER
    assert result.flow == session.get_flow(flow.flow_id)
