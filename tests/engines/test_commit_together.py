"""Changes that are committed at once: each has its own result, all are durable before anybody hears, or none is."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from django.db import connections

from openclaw_webhooks.engines.embedded.engine import EmbeddedEngine
from openclaw_webhooks.engines.records import TaskRuntime
from openclaw_webhooks.engines.results import Applied, FlowCreated, MutationRefusal, NotApplied, TaskCreated
from openclaw_webhooks.exceptions import PersistFailed
from openclaw_webhooks.signals import flow_changed
from tests.contract.builders import create
from tests.engines.databases import session_of, sql

SESSION = "agent:main:together"


class Calls:
    """Calls of a session's methods, as the pool makes them: each keeps its result or its error."""

    def __init__(self, *calls: Callable[[], Any]) -> None:
        self.results: list[Any] = [None] * len(calls)
        self.made = [self._keep(number, call) for number, call in enumerate(calls)]

    def _keep(self, number: int, call: Callable[[], Any]) -> Callable[[], None]:
        def make() -> None:
            try:
                self.results[number] = call()
            except PersistFailed as error:
                self.results[number] = error

        return make


def seen_by_others(alias: str, statement: str) -> Any:
    with closing(sqlite3.connect(connections[alias].settings_dict["NAME"])) as other:
        return other.execute(statement).fetchall()


@pytest.fixture
def engine(sqlite_alias: str) -> EmbeddedEngine:
    return EmbeddedEngine(using=sqlite_alias)


def test_every_kind_of_change_in_one_commit(sqlite_alias: str, engine: EmbeddedEngine) -> None:
    session = session_of(sqlite_alias)
    flow = create(session)
    counts: list[int] = []

    def look() -> None:
        counts.append(seen_by_others(sqlite_alias, "SELECT count(*) FROM openclaw_webhooks_flow")[0][0])

    calls = Calls(
        lambda: session.create_flow(controller_id="c", goal="new"),
        look,
        lambda: session.run_task(flow.flow_id, runtime=TaskRuntime.ACP, task="one"),
        lambda: session.run_task(flow.flow_id, runtime=TaskRuntime.ACP, task="two", run_id="run"),
        lambda: session.set_waiting(flow.flow_id, expected_revision=0),
        lambda: session.set_waiting(flow.flow_id, expected_revision=0),
        lambda: session.finish_flow(flow.flow_id, expected_revision=1),
        look,
    )
    assert engine.commits_together
    assert engine.commit_together(calls.made)
    created, _, first, second, waiting, conflict, finished, _ = calls.results
    assert isinstance(created, FlowCreated)
    assert isinstance(first, TaskCreated)
    assert isinstance(second, TaskCreated)
    assert isinstance(waiting, Applied)
    assert isinstance(conflict, NotApplied)
    assert conflict.code is MutationRefusal.REVISION_CONFLICT
    assert isinstance(finished, Applied)
    assert counts == [1, 1], "nobody else saw a flow before the commit"
    assert len(session.list_flows()) == 2
    assert len(session.list_tasks(flow.flow_id)) == 2
    assert not connections[sqlite_alias].in_atomic_block


def test_a_refused_change_leaves_the_others(sqlite_alias: str, engine: EmbeddedEngine) -> None:
    session = session_of(sqlite_alias)
    twice = EmbeddedEngine(using=sqlite_alias, new_id=lambda: "the-same-id").bind_session(SESSION)
    calls = Calls(*[lambda: twice.create_flow(controller_id="c", goal="g")] * 2, lambda: create(session))
    assert engine.commit_together(calls.made)
    assert isinstance(calls.results[0], FlowCreated)
    assert isinstance(calls.results[1], PersistFailed)
    assert session.list_flows() == [calls.results[2]]
    assert len(twice.list_flows()) == 1


def test_a_full_disk_undoes_all_and_says_so(sqlite_alias: str, engine: EmbeddedEngine) -> None:
    session = session_of(sqlite_alias)
    pages = sql(sqlite_alias, "PRAGMA page_count")[0][0]
    sql(sqlite_alias, f"PRAGMA max_page_count = {pages}")
    large = [lambda: session.create_flow(controller_id="c", goal="g" * 200_000)] * 2
    calls = Calls(lambda: create(session), *large, lambda: create(session))
    assert not engine.commit_together(calls.made)
    assert calls.results[3] is None, "nothing more is changed once the transaction is gone"
    sql(sqlite_alias, "PRAGMA max_page_count = 1000000")
    assert session.list_flows() == []
    assert engine.commit_together(Calls(lambda: create(session)).made)


def test_a_lock_that_does_not_come_free_undoes_nothing(
    sqlite_alias: str, engine: EmbeddedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("openclaw_webhooks.engines.embedded.database._PATIENCE_TOGETHER_SECONDS", 0.05)
    session = session_of(sqlite_alias)
    calls = Calls(lambda: create(session), lambda: create(session))
    with closing(sqlite3.connect(connections[sqlite_alias].settings_dict["NAME"])) as other:
        other.execute("BEGIN IMMEDIATE")
        assert not engine.commit_together(calls.made)
    assert calls.results == [None, None]


def test_a_single_change_waits_for_the_lock_as_long_as_the_project_says(sqlite_alias: str) -> None:
    sql(sqlite_alias, "PRAGMA busy_timeout = 20000")
    session = session_of(sqlite_alias)
    began = threading.Event()
    let_go: list[float] = []

    def hold() -> None:
        with closing(sqlite3.connect(connections[sqlite_alias].settings_dict["NAME"])) as other:
            other.execute("BEGIN IMMEDIATE")
            began.set()
            time.sleep(0.3)
            let_go.append(time.monotonic())

    timeout = sql(sqlite_alias, "PRAGMA busy_timeout")
    holder = threading.Thread(target=hold)
    holder.start()
    began.wait()
    create(session)
    holder.join()
    assert time.monotonic() >= let_go[0]
    assert sql(sqlite_alias, "PRAGMA busy_timeout") == timeout, "others wait as they did before"


def test_announcements_follow_the_commit(sqlite_alias: str, engine: EmbeddedEngine) -> None:
    session = session_of(sqlite_alias)
    flows = [create(session), create(session)]
    heard: list[Any] = []

    def hear(flow: Any, **_: Any) -> None:
        heard.append((flow.flow_id, seen_by_others(sqlite_alias, "SELECT sum(revision) FROM openclaw_webhooks_flow")))

    flow_changed.connect(hear)
    try:
        calls = Calls(*[lambda flow=flow: session.finish_flow(flow.flow_id, expected_revision=0) for flow in flows])
        assert engine.commit_together(calls.made)
    finally:
        flow_changed.disconnect(hear)
    assert heard == [(flow.flow_id, [(2,)]) for flow in flows]


def test_deferred_transactions_are_not_shared(sqlite_alias: str, engine: EmbeddedEngine) -> None:
    options = connections[sqlite_alias].settings_dict["OPTIONS"]
    mode = options.pop("transaction_mode", None)
    try:
        assert not engine.commits_together
    finally:
        if mode is not None:
            options["transaction_mode"] = mode
