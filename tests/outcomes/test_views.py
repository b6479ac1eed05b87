"""What callers see of flows, tasks and summaries: what the contract names, in the Gateway's order."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from openclaw_webhooks.engines.records import (
    FlowRecord,
    TaskRecord,
    TaskRuntime,
    TaskStatus,
    TaskSummary,
)
from openclaw_webhooks.engines.results import Cancelled, TaskCreated
from openclaw_webhooks.outcomes import (
    build_flow_view,
    build_outcome,
    build_summary_view,
    build_task_view,
    envelope,
)
from openclaw_webhooks.values import value
from tests.outcomes.views import BARE_FLOW, FULL_FLOW_KEYS, FULL_TASK_KEYS, build_task
from tests.stub_engine import build_flow


def test_a_bare_flow_shows_what_it_has() -> None:
    assert json.dumps(build_flow_view(build_flow())) == json.dumps(BARE_FLOW)


def test_a_full_flow_shows_everything_in_the_gateways_order() -> None:
    flow = build_flow(
        controller_id="c",
        current_step="s",
        blocked_task_id="t",
        blocked_summary="b",
        state_json={"a": 1},
        wait_json=None,
        cancel_requested_at_ms=5,
        ended_at_ms=6,
    )
    view = build_flow_view(flow)
    assert list(view) == FULL_FLOW_KEYS
    assert view == {
        **BARE_FLOW,
        "controllerId": "c",
        "currentStep": "s",
        "blockedTaskId": "t",
        "blockedSummary": "b",
        "stateJson": {"a": 1},
        "waitJson": None,
        "cancelRequestedAt": 5,
        "endedAt": 6,
    }


@pytest.mark.parametrize("value", [None, "", 0, False, [], {}, "x"])
def test_json_that_was_set_is_shown_whatever_it_is(value: Any) -> None:
    assert build_flow_view(build_flow(state_json=value)) == {**BARE_FLOW, "stateJson": value}


def test_empty_text_is_absent_and_zero_is_not() -> None:
    assert build_flow_view(build_flow(current_step="", controller_id="")) == BARE_FLOW
    assert build_task_view(build_task(started_at_ms=0, label=""))["startedAt"] == 0


def test_a_bare_task_shows_what_it_has() -> None:
    assert list(build_task_view(build_task()).items()) == [
        ("taskId", "task-1"),
        ("runtime", "acp"),
        ("scopeKind", "session"),
        ("task", "Inspect"),
        ("status", "queued"),
        ("deliveryStatus", "pending"),
        ("notifyPolicy", "done_only"),
        ("createdAt", 1),
    ]


def test_a_full_task_shows_everything_in_the_gateways_order() -> None:
    texts = "source_id child_session_key parent_flow_id parent_task_id agent_id run_id label error progress_summary"
    texts += " terminal_summary terminal_outcome"
    times = "started_at_ms ended_at_ms last_event_at_ms cleanup_after_ms"
    view = build_task_view(build_task(**dict.fromkeys(texts.split(), "x"), **dict.fromkeys(times.split(), 2)))
    assert list(view) == FULL_TASK_KEYS


def test_no_view_shows_a_field_that_no_contract_names() -> None:
    """An engine may hand back records with more in them than the contract has."""

    @value(kw_only=True)
    class LeakyFlow(FlowRecord):
        owner_key: str = "agent:main:canary"

    @value(kw_only=True)
    class LeakyTask(TaskRecord):
        requester_session_key: str = "agent:main:canary"

    flow = LeakyFlow(**{field.name: getattr(build_flow(), field.name) for field in dataclasses.fields(FlowRecord)})
    task = LeakyTask(**{field.name: getattr(build_task(), field.name) for field in dataclasses.fields(TaskRecord)})
    outcomes = [build_outcome(TaskCreated(flow, task)), build_outcome(Cancelled(flow, [task]))]
    assert b"canary" not in b"".join(envelope("r", outcome) for outcome in outcomes)


def test_a_summary_counts_every_status_and_runtime() -> None:
    summary = TaskSummary(
        by_status={
            TaskStatus.QUEUED: 1,
            TaskStatus.RUNNING: 2,
            TaskStatus.SUCCEEDED: 4,
            TaskStatus.FAILED: 8,
            TaskStatus.TIMED_OUT: 16,
            TaskStatus.LOST: 32,
        },
        by_runtime={TaskRuntime.ACP: 63},
    )
    assert json.dumps(build_summary_view(summary)) == json.dumps(
        {
            "total": 63,
            "active": 3,
            "terminal": 60,
            "failures": 56,
            "byStatus": {
                "queued": 1,
                "running": 2,
                "succeeded": 4,
                "failed": 8,
                "timed_out": 16,
                "cancelled": 0,
                "lost": 32,
            },
            "byRuntime": {"subagent": 0, "acp": 63, "cli": 0, "cron": 0},
        }
    )
