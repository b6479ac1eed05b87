"""What only the embedded engine can be held to: its clock, its indexes, its rows."""

from __future__ import annotations

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from django.db import connections
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import DjangoDbBlocker

from openclaw_webhooks.engines.base import Engine
from openclaw_webhooks.engines.embedded import EmbeddedEngine, statements
from openclaw_webhooks.engines.embedded.children import collapse, parse_agent
from openclaw_webhooks.engines.embedded.engine import make_id
from openclaw_webhooks.engines.embedded.flow_list import list_flows_as_json
from openclaw_webhooks.engines.embedded.rows import (
    build_flow,
    build_flow_row,
    build_json_text,
    build_run_key,
    build_task,
    build_task_row,
    parse_json_text,
)
from openclaw_webhooks.engines.records import (
    FlowRecord,
    FlowStatus,
    NotifyPolicy,
    TaskRecord,
    TaskRuntime,
    TaskStatus,
)
from openclaw_webhooks.engines.results import (
    MutationRefusal,
    NotApplied,
    RunTaskRefusal,
    TaskNotCreated,
)
from openclaw_webhooks.models import Flow, Task
from openclaw_webhooks.values import UNSET, WHITE_SPACE
from tests.contract.builders import applied, create, run
from tests.contract.test_flows import JSON
from tests.engines.databases import session_of, sql, sqlite_database


def test_it_is_an_engine() -> None:
    engine: Engine = EmbeddedEngine()
    assert engine.capabilities.prunes
    assert "agent:main:secret" not in repr(engine.bind_session("agent:main:secret"))


def test_ties_of_one_millisecond(sqlite_alias: str) -> None:
    session = session_of(sqlite_alias, clock=lambda: 1000)
    first, second, third = (create(session) for _ in range(3))
    assert list(session.list_flows()) == [first, second, third]
    assert session.find_latest_flow() == third
    changed = applied(session.request_cancel(first.flow_id, expected_revision=0))
    assert (changed.updated_at_ms, session.find_latest_flow()) == (1000, third)
    one, two = run(session, second), run(session, second)
    assert list(session.list_tasks(second.flow_id)) == [two, one]


def test_every_time_is_the_clocks(sqlite_alias: str) -> None:
    now = 1000
    session = session_of(sqlite_alias, clock=lambda: now)
    flow = create(session)
    now = 2000
    assert applied(session.set_waiting(flow.flow_id, expected_revision=0)).updated_at_ms == 2000
    task = run(session, flow)
    session.cancel_flow(flow.flow_id)
    now = 3000
    session.end_task(task.task_id, status=TaskStatus.FAILED)
    ended = session.get_flow(flow.flow_id)
    assert ended is not None
    assert (ended.created_at_ms, ended.cancel_requested_at_ms) == (1000, 2000)
    assert (ended.updated_at_ms, ended.ended_at_ms) == (3000, 3000)


def test_a_flow_of_another_kind_is_not_managed(sqlite_alias: str) -> None:
    session = session_of(sqlite_alias)
    create(session)
    sql(sqlite_alias, "UPDATE openclaw_webhooks_flow SET sync_mode = 'task_mirrored'")
    (flow,) = session.list_flows()
    refused = session.finish_flow(flow.flow_id, expected_revision=0)
    assert refused == NotApplied(MutationRefusal.NOT_MANAGED, flow)
    not_created = session.run_task(flow.flow_id, runtime=TaskRuntime.ACP, task="t")
    assert isinstance(not_created, TaskNotCreated)
    assert (not_created.code, not_created.flow) == (RunTaskRefusal.NOT_MANAGED, flow)


def test_a_flow_that_reaches_the_revision_meanwhile_is_changed(sqlite_alias: str) -> None:
    """Between a swap that found another revision and the look at it, that revision may have come."""
    session = session_of(sqlite_alias)
    flow = create(session)
    applied(session.set_waiting(flow.flow_id, expected_revision=0))
    change = {"status": FlowStatus.RUNNING.value}
    assert applied(session._explain(flow.flow_id, 1, change)).revision == 2


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        (statements.GET_FLOW, "flow_id=?"),
        (statements.LATEST_FLOW, "openclaw_flow_latest"),
        (statements.LIST_FLOWS, "openclaw_flow_list"),
        (statements.SUMMARY, "openclaw_task_counts"),
        (statements.FIND_RUNS, "openclaw_task_run"),
        (statements.HAS_ACTIVE_TASK, "openclaw_task_counts"),
        (statements.LIST_TASKS, "openclaw_task_counts"),
        (statements.GET_TASK, "task_id=?"),
        (statements.change_flow(("status",)), "flow_id=?"),
        (statements.lock_flow(statements.OF_TASK, vendor="sqlite"), "INTEGER PRIMARY KEY"),
    ],
)
def test_no_statement_scans_a_table(sqlite_alias: str, statement: str, index: str) -> None:
    plan = sql(sqlite_alias, f"EXPLAIN QUERY PLAN {statement}", *["x"] * statement.count("%s"))
    steps = " ".join(step[-1] for step in plan)
    assert index in steps
    assert "SCAN" not in steps
    if statement in (statements.LATEST_FLOW, statements.LIST_FLOWS):
        assert "TEMP B-TREE" not in steps


def test_a_written_list_follows_its_index(sqlite_alias: str) -> None:
    statement = list_flows_as_json(vendor="sqlite")
    steps = " ".join(step[-1] for step in sql(sqlite_alias, f"EXPLAIN QUERY PLAN {statement}", "x"))
    assert "USING INDEX openclaw_flow_list" in steps
    assert "TEMP B-TREE" not in steps


def test_rows_name_themselves_without_their_session() -> None:
    assert str(Flow(flow_id="f", status="queued", session_key="agent:main:secret")) == "f (queued)"
    assert str(Task(task_id="t", status="lost", child_session_key="agent:main:secret")) == "t (lost)"


@given(value=JSON)
def test_json_text_comes_back(value: object) -> None:
    text = build_json_text(value)  # type: ignore[arg-type]
    assert "\0" not in text.encode().decode()  # no column holds half a surrogate pair either
    assert repr(parse_json_text(text)) == repr(value)


def test_json_that_was_never_set() -> None:
    assert build_json_text(UNSET) == ""
    assert parse_json_text("") is UNSET
    with pytest.raises(ValueError, match="JSON compliant"):
        build_json_text(float("inf"))


FLOW = FlowRecord(
    flow_id="f",
    revision=3,
    status=FlowStatus.BLOCKED,
    notify_policy=NotifyPolicy.SILENT,
    goal="g",
    created_at_ms=1,
    updated_at_ms=2,
    controller_id="c",
    current_step="s",
    blocked_task_id="t",
    blocked_summary="b",
    state_json=None,
    wait_json=[1],
    cancel_requested_at_ms=3,
    ended_at_ms=4,
)
TASK = TaskRecord(
    task_id="t",
    runtime=TaskRuntime.CRON,
    task="text",
    status=TaskStatus.LOST,
    notify_policy=NotifyPolicy.STATE_CHANGES,
    created_at_ms=1,
    source_id="a",
    child_session_key="b",
    parent_flow_id="f",
    parent_task_id="c",
    agent_id="d",
    run_id="e",
    label="g",
    error="h",
    progress_summary="i",
    terminal_summary="j",
    terminal_outcome="k",
    started_at_ms=2,
    ended_at_ms=3,
    last_event_at_ms=4,
    cleanup_after_ms=5,
)


@pytest.mark.parametrize("flow", [FLOW, replace(FLOW, controller_id=None, current_step=None, state_json=UNSET)])
def test_a_flow_and_its_row(flow: FlowRecord) -> None:
    assert build_flow(build_flow_row(flow)) == flow


@pytest.mark.parametrize("task", [TASK, replace(TASK, run_id=None, label=None, error=None, ended_at_ms=None)])
def test_a_task_and_its_row(task: TaskRecord) -> None:
    assert build_task(build_task_row(task), "f") == task


def test_a_run_key_depends_on_all_it_is_made_of() -> None:
    keys = {
        build_run_key(runtime, child, run_id)
        for runtime in TaskRuntime
        for child in (None, "a", "ab")
        for run_id in ("b", "c", "a\ud800")
    }
    assert len(keys) == 4 * 3 * 3
    assert build_run_key(TaskRuntime.ACP, "child", None) == ""


@given(text=st.text(st.sampled_from([*WHITE_SPACE, "a", "\x85", "\x1f"])))
def test_collapse(text: str) -> None:
    collapsed = collapse(text)
    if collapsed is None:
        assert not text.strip(WHITE_SPACE)
        return
    assert collapsed == collapse(collapsed)
    assert [word for word in collapsed.split(" ") if word] == collapsed.split(" ")
    assert collapsed.replace(" ", "") == "".join(char for char in text if char not in WHITE_SPACE)


@given(parts=st.lists(st.sampled_from(["agent", "AGENT", "Ops", "", " ", "\ufeffx y"]), max_size=5))
def test_parse_agent(parts: list[str]) -> None:
    agent = parse_agent(":".join(parts))
    trimmed = ":".join(parts).strip(WHITE_SPACE).split(":")
    if len(trimmed) < 3 or trimmed[0].lower() != "agent" or not trimmed[1].strip(WHITE_SPACE) or not trimmed[2]:
        assert agent is None
    else:
        assert agent == trimmed[1].strip(WHITE_SPACE).lower()


def test_projects_whose_sqlite_transactions_are_deferred(tmp_path: Path, django_db_blocker: DjangoDbBlocker) -> None:
    """The lock is the transaction's first statement, so it waits its turn instead of failing on a stale snapshot."""
    with django_db_blocker.unblock(), sqlite_database(tmp_path, transaction_mode=None, timeout=10) as alias:
        session = session_of(alias)
        flow = create(session)

        def work() -> None:
            for _ in range(20):
                run(session, flow)
            connections[alias].close()

        with ThreadPoolExecutor(4) as pool:
            for future in [pool.submit(work) for _ in range(4)]:
                future.result(30)
        assert len(session.list_tasks(flow.flow_id)) == 80


def test_ids_are_uuids_that_grow_with_time_and_differ() -> None:
    before_ms = time.time_ns() // 1_000_000
    ids = [make_id() for _ in range(1000)]
    after_ms = time.time_ns() // 1_000_000
    made = [uuid.UUID(one) for one in ids]
    assert {(one.version, one.variant, str(one)) for one in made} == {(7, uuid.RFC_4122, text) for text in ids}
    assert len({one.int & (1 << 62) - 1 for one in made}) == 1000
    assert [one.int >> 80 for one in made] == sorted(one.int >> 80 for one in made)
    assert before_ms <= made[0].int >> 80 <= made[-1].int >> 80 <= after_ms
