"""What a sick SQLite does to the engine: a mutation that failed changed nothing, says so, and the next one works."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import NoReturn

import pytest
from django.db import connections, transaction

from openclaw_webhooks.engines.embedded.database import Database
from openclaw_webhooks.engines.embedded.engine import EmbeddedSession
from openclaw_webhooks.engines.records import TaskRuntime
from openclaw_webhooks.engines.results import FlowCreated
from openclaw_webhooks.exceptions import EngineUnavailable, PersistFailed
from tests.contract.builders import create, run
from tests.engines.databases import session_of, sql

MUTATIONS: dict[str, Callable[[EmbeddedSession, str], object]] = {
    "create_flow": lambda session, _: session.create_flow(controller_id="c", goal="g" * 20_000),
    "set_waiting": lambda session, flow: session.set_waiting(flow, expected_revision=0, state_json="g" * 20_000),
    "run_task": lambda session, flow: session.run_task(flow, runtime=TaskRuntime.ACP, task="t" * 20_000),
    "cancel_flow": lambda session, flow: session.cancel_flow(flow),
}


@contextmanager
def locked(alias: str) -> Iterator[None]:
    with closing(sqlite3.connect(connections[alias].settings_dict["NAME"])) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


@contextmanager
def read_only(alias: str) -> Iterator[None]:
    sql(alias, "PRAGMA query_only = ON")
    yield
    sql(alias, "PRAGMA query_only = OFF")


@contextmanager
def full(alias: str) -> Iterator[None]:
    pages = sql(alias, "PRAGMA page_count")[0][0]
    sql(alias, f"PRAGMA max_page_count = {pages}")
    yield
    sql(alias, "PRAGMA max_page_count = 1000000")


@pytest.mark.parametrize("fault", [locked, read_only])
@pytest.mark.parametrize("name", sorted(MUTATIONS))
def test_a_mutation_that_cannot_be_stored(sqlite_alias: str, fault: Callable[[str], object], name: str) -> None:
    session = session_of(sqlite_alias)
    flow = create(session)
    with fault(sqlite_alias):  # type: ignore[attr-defined]
        with pytest.raises(PersistFailed):
            MUTATIONS[name](session, flow.flow_id)
        assert list(session.list_flows()) == [flow]
        assert list(session.list_tasks(flow.flow_id)) == []
    MUTATIONS[name](session, flow.flow_id)


@pytest.mark.parametrize("name", ["create_flow", "set_waiting", "run_task"])
def test_a_full_disk(sqlite_alias: str, name: str) -> None:
    session = session_of(sqlite_alias)
    flow = create(session)
    with full(sqlite_alias):
        with pytest.raises(PersistFailed, match="full"):
            MUTATIONS[name](session, flow.flow_id)
        assert list(session.list_flows()) == [flow]
    MUTATIONS[name](session, flow.flow_id)


def test_a_read_without_its_table(sqlite_alias: str) -> None:
    session = session_of(sqlite_alias)
    sql(sqlite_alias, "ALTER TABLE openclaw_webhooks_flow RENAME TO elsewhere")
    for read in (session.list_flows, session.find_latest_flow):
        with pytest.raises(EngineUnavailable, match="no such table"):
            read()


def test_a_mutation_whose_reason_cannot_be_read_has_not_happened(sqlite_alias: str) -> None:
    session = session_of(sqlite_alias)
    flow = create(session)
    sql(sqlite_alias, "UPDATE openclaw_webhooks_flow SET revision = 1")

    class Unreadable(Database):
        def fetch(self, sql: str, parameters: object) -> NoReturn:
            raise EngineUnavailable("gone")

    resources = replace(session._resources, database=Unreadable(sqlite_alias))
    with pytest.raises(PersistFailed, match="gone"):
        EmbeddedSession(resources, session._session_key).finish_flow(flow.flow_id, expected_revision=0)


def test_the_message_quotes_no_row(sqlite_alias: str) -> None:
    session = session_of(sqlite_alias, "agent:main:private", new_id=lambda: "same")
    create(session, goal="confidential")
    with pytest.raises(PersistFailed) as caught:
        create(session, goal="confidential")
    assert str(caught.value) == "IntegrityError"
    assert caught.value.__cause__ is None


def test_inside_a_transaction_of_the_project(sqlite_alias: str) -> None:
    session = session_of(sqlite_alias, new_id=iter(["one", "one", "two", "task"]).__next__)
    with transaction.atomic(using=sqlite_alias):
        flow = create(session)
        with pytest.raises(PersistFailed):
            create(session)
        other = session.create_flow(controller_id="c", goal="g")
        assert isinstance(other, FlowCreated)
        run(session, flow)
        transaction.set_rollback(True, using=sqlite_alias)
    assert list(session.list_flows()) == []


def test_connections_of_pool_threads_stay_open_without_a_request_to_end(sqlite_alias: str) -> None:
    session = session_of(sqlite_alias)
    create(session)
    before = connections[sqlite_alias].connection
    session.list_flows()
    create(session)
    assert connections[sqlite_alias].connection is before


def test_a_connection_past_its_age_is_renewed(sqlite_alias: str) -> None:
    session = session_of(sqlite_alias)
    create(session)
    connection = connections[sqlite_alias]
    before, connection.settings_dict["CONN_MAX_AGE"], connection.close_at = connection.connection, 60, 0.0
    assert session.find_latest_flow() is not None
    assert connection.connection is not before
