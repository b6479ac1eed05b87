"""Small builders: one line for what a test does not care about."""

from __future__ import annotations

from typing import Any

from openclaw_webhooks.engines.base import BoundSession
from openclaw_webhooks.engines.records import FlowRecord, TaskRecord, TaskRuntime
from openclaw_webhooks.engines.results import (
    Applied,
    FlowCreated,
    MutationResult,
    TaskCreated,
)


def create(session: BoundSession, **fields: Any) -> FlowRecord:
    result = session.create_flow(**{"controller_id": "webhooks/test", "goal": "Review inbound queue", **fields})
    assert isinstance(result, FlowCreated)
    return result.flow


def applied(result: MutationResult) -> FlowRecord:
    assert isinstance(result, Applied), result
    return result.flow


def run(session: BoundSession, flow: FlowRecord, **fields: Any) -> TaskRecord:
    result = session.run_task(flow.flow_id, **{"runtime": TaskRuntime.ACP, "task": "Inspect the batch", **fields})
    assert isinstance(result, TaskCreated), result
    return result.task
