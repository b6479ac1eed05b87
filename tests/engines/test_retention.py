from __future__ import annotations

from typing import Any

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from openclaw_webhooks.engines.embedded import EmbeddedEngine
from openclaw_webhooks.engines.embedded.retention import Pruned
from openclaw_webhooks.engines.records import FlowStatus, TaskStatus
from openclaw_webhooks.models import Flow, Task
from openclaw_webhooks.signals import flow_changed
from tests.contract.builders import create, run
from tests.engines.databases import session_of, sql

DAY_MS = 24 * 60 * 60 * 1000


def engine_at(alias: str, now_ms: int) -> EmbeddedEngine:
    return EmbeddedEngine(using=alias, clock=lambda: now_ms)


def fill(alias: str) -> dict[str, str]:
    """Make one flow of every kind that pruning tells apart, all at time 0."""
    session = session_of(alias, clock=lambda: 0)
    names = ["finished", "finished-active", "reopened", "open", "cancelling", "cancelling-active", "cancelled"]
    flows = {name: create(session, goal=name).flow_id for name in names}
    for name in ("finished", "finished-active", "reopened"):
        flow = session.get_flow(flows[name])
        assert flow is not None
        ended = run(session, flow)
        session.end_task(ended.task_id, status=TaskStatus.SUCCEEDED)
    for name in ("finished-active", "cancelling-active", "open"):
        flow = session.get_flow(flows[name])
        assert flow is not None
        run(session, flow)
    for name in ("finished", "finished-active", "reopened"):
        session.finish_flow(flows[name], expected_revision=0)
    session.resume_flow(flows["reopened"], expected_revision=1)
    for name in ("cancelling", "cancelling-active"):
        session.request_cancel(flows[name], expected_revision=0)
    session.cancel_flow(flows["cancelled"])
    return flows


def goals(alias: str) -> set[str]:
    return set(Flow.objects.using(alias).values_list("goal", flat=True))


def test_only_what_is_past_its_time_and_idle_goes(sqlite_alias: str) -> None:
    fill(sqlite_alias)
    before = goals(sqlite_alias)
    early = engine_at(sqlite_alias, 7 * DAY_MS - 1).prune(keep_ms=7 * DAY_MS, batch_size=10)
    assert early == Pruned(cancelled_flows=1, deleted_flows=0, deleted_tasks=0)
    late = engine_at(sqlite_alias, 7 * DAY_MS)
    assert late.prune(keep_ms=7 * DAY_MS, batch_size=10) == Pruned(0, deleted_flows=2, deleted_tasks=1)
    assert goals(sqlite_alias) == before - {"finished", "cancelled"}
    assert Task.objects.using(sqlite_alias).count() == 5
    assert late.prune(keep_ms=7 * DAY_MS, batch_size=10) == Pruned(0, 0, 0)


def test_a_dry_run_changes_nothing(sqlite_alias: str) -> None:
    fill(sqlite_alias)
    before = list(Flow.objects.using(sqlite_alias).values())
    pruned = engine_at(sqlite_alias, 7 * DAY_MS).prune(keep_ms=7 * DAY_MS, batch_size=10, is_dry=True)
    assert pruned == Pruned(cancelled_flows=1, deleted_flows=2, deleted_tasks=1)
    assert list(Flow.objects.using(sqlite_alias).values()) == before


def test_a_pending_cancellation_is_completed_and_announced(sqlite_alias: str) -> None:
    flows, heard = fill(sqlite_alias), []

    def receiver(**arguments: Any) -> None:
        heard.append((arguments["flow"].flow_id, arguments["previous_status"], arguments["session_key"]))

    flow_changed.connect(receiver)
    try:
        engine_at(sqlite_alias, 5).prune(keep_ms=DAY_MS, batch_size=1)
    finally:
        flow_changed.disconnect(receiver)
    flow = session_of(sqlite_alias).get_flow(flows["cancelling"])
    assert flow is not None
    assert (flow.status, flow.revision, flow.ended_at_ms, flow.updated_at_ms) == (FlowStatus.CANCELLED, 2, 5, 5)
    assert heard == [(flow.flow_id, FlowStatus.QUEUED, "agent:main:main")]


def test_a_cancellation_ends_no_earlier_than_the_last_change(sqlite_alias: str) -> None:
    session = session_of(sqlite_alias, clock=lambda: 9)
    flow = create(session)
    session.request_cancel(flow.flow_id, expected_revision=0)
    engine_at(sqlite_alias, 5).prune(keep_ms=DAY_MS, batch_size=1)
    cancelled = session.get_flow(flow.flow_id)
    assert cancelled is not None
    assert cancelled.ended_at_ms == 9


@pytest.mark.parametrize("meanwhile", ["finish", "run", "delete", "withdraw"])
def test_what_happens_between_listing_and_cancelling_wins(sqlite_alias: str, meanwhile: str) -> None:
    from openclaw_webhooks.engines.embedded.retention import _Canceller

    engine, session = engine_at(sqlite_alias, 5), session_of(sqlite_alias)
    flow = create(session)
    if meanwhile == "run":
        run(session, flow)
    if meanwhile != "withdraw":
        session.request_cancel(flow.flow_id, expected_revision=0)
    if meanwhile == "finish":
        session.finish_flow(flow.flow_id, expected_revision=1)
    if meanwhile == "delete":
        sql(sqlite_alias, "DELETE FROM openclaw_webhooks_flowrevision")
        sql(sqlite_alias, "DELETE FROM openclaw_webhooks_flow")
    before = session.get_flow(flow.flow_id)
    assert not _Canceller(engine._resources, "agent:main:main").finish(flow.flow_id)
    assert session.get_flow(flow.flow_id) == before


def test_deletes_in_batches(sqlite_alias: str) -> None:
    session = session_of(sqlite_alias, clock=lambda: 0)
    for _ in range(5):
        session.finish_flow(create(session).flow_id, expected_revision=0)
    with CaptureQueriesContext(connections[sqlite_alias]) as queries:
        assert engine_at(sqlite_alias, DAY_MS).prune(keep_ms=0, batch_size=2) == Pruned(0, 5, 0)
    deletions = [query for query in queries if 'DELETE FROM "openclaw_webhooks_flow"' in query["sql"]]
    assert len(deletions) == 3


def test_on_postgresql(postgres_alias: str) -> None:
    fill(postgres_alias)
    pruned = engine_at(postgres_alias, 7 * DAY_MS).prune(keep_ms=7 * DAY_MS, batch_size=1)
    assert pruned == Pruned(cancelled_flows=1, deleted_flows=2, deleted_tasks=1)
