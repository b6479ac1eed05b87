from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction
from django.dispatch import Signal

from openclaw_webhooks.engines.embedded import EmbeddedEngine
from openclaw_webhooks.engines.embedded.engine import EmbeddedSession
from openclaw_webhooks.engines.records import FlowStatus, NotifyPolicy, TaskStatus
from openclaw_webhooks.exceptions import PersistFailed
from openclaw_webhooks.signals import flow_changed, task_changed
from tests.contract.builders import create, run
from tests.engines.databases import session_of, sql

Heard = list[dict[str, Any]]


def hear(signal: Signal) -> Iterator[Heard]:
    heard: Heard = []

    def receiver(**arguments: Any) -> None:
        heard.append(arguments)

    signal.connect(receiver)
    yield heard
    signal.disconnect(receiver)


@pytest.fixture
def heard_flows() -> Iterator[Heard]:
    yield from hear(flow_changed)


@pytest.fixture
def heard_tasks() -> Iterator[Heard]:
    yield from hear(task_changed)


@pytest.fixture
def session(sqlite_alias: str) -> EmbeddedSession:
    return session_of(sqlite_alias)


def moves(heard: Heard, name: str) -> list[tuple[Any, Any]]:
    return [(entry["previous_status"], entry[name].status) for entry in heard]


def drive(session: EmbeddedSession, policy: NotifyPolicy) -> str:
    """Take a flow through everything: waiting twice, running, failing twice, reopened, cancelled."""
    flow_id = create(session, notify_policy=policy).flow_id
    session.set_waiting(flow_id, expected_revision=0)
    session.set_waiting(flow_id, expected_revision=1)
    session.set_waiting(flow_id, expected_revision=0)
    session.resume_flow(flow_id, expected_revision=2, status=FlowStatus.RUNNING)
    session.fail_flow(flow_id, expected_revision=3)
    session.fail_flow(flow_id, expected_revision=4)
    session.request_cancel(flow_id, expected_revision=5)
    session.resume_flow(flow_id, expected_revision=6)
    session.cancel_flow(flow_id)
    session.cancel_flow(flow_id)
    return flow_id


def test_state_changes_announces_every_change_of_status(session: EmbeddedSession, heard_flows: Heard) -> None:
    drive(session, NotifyPolicy.STATE_CHANGES)
    assert moves(heard_flows, "flow") == [
        (None, FlowStatus.QUEUED),
        (FlowStatus.QUEUED, FlowStatus.WAITING),
        (FlowStatus.WAITING, FlowStatus.RUNNING),
        (FlowStatus.RUNNING, FlowStatus.FAILED),
        (FlowStatus.FAILED, FlowStatus.QUEUED),
        (FlowStatus.QUEUED, FlowStatus.CANCELLED),
    ]


def test_done_only_announces_ends(session: EmbeddedSession, heard_flows: Heard) -> None:
    drive(session, NotifyPolicy.DONE_ONLY)
    assert moves(heard_flows, "flow") == [
        (FlowStatus.RUNNING, FlowStatus.FAILED),
        (FlowStatus.QUEUED, FlowStatus.CANCELLED),
    ]


def test_silent_announces_nothing(session: EmbeddedSession, heard_flows: Heard) -> None:
    drive(session, NotifyPolicy.SILENT)
    assert heard_flows == []


def test_what_a_receiver_is_told(session: EmbeddedSession, heard_flows: Heard) -> None:
    flow = create(session, notify_policy=NotifyPolicy.STATE_CHANGES)
    (told,) = heard_flows
    assert told.pop("signal") is flow_changed
    assert told == {
        "sender": EmbeddedEngine,
        "flow": flow,
        "previous_status": None,
        "session_key": "agent:main:main",
    }


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (
            NotifyPolicy.STATE_CHANGES,
            [
                (None, TaskStatus.QUEUED),
                (TaskStatus.QUEUED, TaskStatus.RUNNING),
                (TaskStatus.RUNNING, TaskStatus.FAILED),
            ],
        ),
        (NotifyPolicy.DONE_ONLY, [(TaskStatus.RUNNING, TaskStatus.FAILED)]),
        (NotifyPolicy.SILENT, []),
    ],
)
def test_tasks(session: EmbeddedSession, heard_tasks: Heard, policy: NotifyPolicy, expected: list[Any]) -> None:
    task = run(session, create(session), notify_policy=policy, run_id="r")
    session.start_task(task.task_id)
    session.report_progress(task.task_id, summary="half")
    session.end_task(task.task_id, status=TaskStatus.FAILED)
    session.end_task(task.task_id, status=TaskStatus.LOST)
    assert session.start_task("no-such-task") is None
    assert moves(heard_tasks, "task") == expected


def test_the_last_childs_end_announces_the_cancelled_flow(session: EmbeddedSession, heard_flows: Heard) -> None:
    flow = create(session)
    task = run(session, flow)
    session.cancel_flow(flow.flow_id)
    assert heard_flows == []
    session.end_task(task.task_id, status=TaskStatus.SUCCEEDED)
    assert moves(heard_flows, "flow") == [(FlowStatus.QUEUED, FlowStatus.CANCELLED)]


def test_a_rollback_of_the_project_announces_nothing(
    sqlite_alias: str, session: EmbeddedSession, heard_flows: Heard
) -> None:
    with transaction.atomic(using=sqlite_alias):
        create(session, notify_policy=NotifyPolicy.STATE_CHANGES)
        assert heard_flows == []
        transaction.set_rollback(True, using=sqlite_alias)
    assert heard_flows == []
    with transaction.atomic(using=sqlite_alias):
        create(session, notify_policy=NotifyPolicy.STATE_CHANGES)
    assert moves(heard_flows, "flow") == [(None, FlowStatus.QUEUED)]


def test_a_change_that_failed_announces_nothing(
    sqlite_alias: str, session: EmbeddedSession, heard_flows: Heard
) -> None:
    sql(sqlite_alias, "PRAGMA query_only = ON")
    with pytest.raises(PersistFailed):
        create(session, notify_policy=NotifyPolicy.STATE_CHANGES)
    assert heard_flows == []


def test_a_receiver_that_raises_stops_nothing(session: EmbeddedSession, caplog: pytest.LogCaptureFixture) -> None:
    def receiver(**_arguments: Any) -> None:
        raise RuntimeError("receiver's own")

    flow_changed.connect(receiver)
    try:
        flow = create(session, notify_policy=NotifyPolicy.STATE_CHANGES)
    finally:
        flow_changed.disconnect(receiver)
    assert session.get_flow(flow.flow_id) == flow
    assert "receiver's own" in caplog.text
