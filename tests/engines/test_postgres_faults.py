"""What a PostgreSQL that goes away does to the engine: what is known is said, and the next request works."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import psycopg
import pytest
from django.db import connections

from openclaw_webhooks.engines.records import TaskRuntime
from openclaw_webhooks.engines.results import FlowCreated
from openclaw_webhooks.exceptions import EngineError, EngineUnavailable, OutcomeUnknown, PersistFailed
from tests.contract.builders import applied, create, run
from tests.engines.databases import session_of, sql
from tests.postgres import PostgresServer

AT_COMMIT = """
CREATE FUNCTION at_commit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {action}; RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON openclaw_webhooks_task
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION at_commit();
"""


@pytest.fixture
def admin(postgres_server: PostgresServer, postgres_alias: str) -> Iterator[psycopg.Connection]:
    """Another connection to the same schema, whose transaction may hold locks."""
    schema = connections[postgres_alias].settings_dict["OPTIONS"]["options"]
    url = postgres_server.url.replace("postgres://", "postgresql://")
    with psycopg.connect(url, options=schema) as connection:
        yield connection
        connection.rollback()


class Worker:
    """One pool thread as a server has it: its connection outlives a call."""

    def __init__(self, alias: str) -> None:
        self._alias = alias
        self._pool = ThreadPoolExecutor(1)
        self.pid: int = self.start(lambda: sql(alias, "SELECT pg_backend_pid()")[0][0]).result(10)

    def start(self, call: Callable[[], object]) -> Future:  # type: ignore[type-arg]
        return self._pool.submit(call)

    def close(self) -> None:
        self.start(connections.close_all).result(10)
        self._pool.shutdown()


@pytest.fixture
def worker(postgres_alias: str) -> Iterator[Worker]:
    worker = Worker(postgres_alias)
    yield worker
    worker.close()


def kill_when_waiting(server: PostgresServer, pid: int) -> None:
    """Terminate a backend as soon as it waits for something inside a statement."""
    url = server.url.replace("postgres://", "postgresql://")
    query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = %s AND wait_event_type = ANY (%s)"
    deadline = time.monotonic() + 10
    with psycopg.connect(url, autocommit=True) as watcher:
        while not watcher.execute(query, (pid, ["Lock", "Timeout"])).fetchall():
            assert time.monotonic() < deadline
            time.sleep(0.01)


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_after_a_restart_the_next_call_works(postgres_server: PostgresServer, postgres_alias: str, mode: str) -> None:
    session = session_of(postgres_alias)
    flow = create(session)
    postgres_server.stop(mode)
    postgres_server.start()
    waiting = applied(session.set_waiting(flow.flow_id, expected_revision=0))
    postgres_server.stop(mode)
    postgres_server.start()
    assert session.get_flow(flow.flow_id) == waiting


def test_while_the_server_is_down(postgres_server: PostgresServer, postgres_alias: str) -> None:
    session = session_of(postgres_alias)
    flow = create(session)
    postgres_server.stop()
    try:
        for _ in range(2):
            with pytest.raises(EngineUnavailable):
                session.get_flow(flow.flow_id)
            with pytest.raises(PersistFailed):
                session.finish_flow(flow.flow_id, expected_revision=0)
            with pytest.raises(PersistFailed):
                session.cancel_flow(flow.flow_id)
    finally:
        postgres_server.start()
    assert session.get_flow(flow.flow_id) == flow


def test_a_statement_whose_answer_was_lost(
    postgres_server: PostgresServer, postgres_alias: str, worker: Worker, admin: psycopg.Connection
) -> None:
    session = session_of(postgres_alias)
    flow = create(session)
    admin.execute("SELECT 1 FROM openclaw_webhooks_flow FOR UPDATE")
    lost = worker.start(lambda: session.finish_flow(flow.flow_id, expected_revision=0))
    kill_when_waiting(postgres_server, worker.pid)
    with pytest.raises(OutcomeUnknown) as caught:
        lost.result(10)
    assert caught.value.flow_id == flow.flow_id
    admin.rollback()
    assert worker.start(lambda: session.get_flow(flow.flow_id)).result(10) == flow


def test_a_transaction_lost_before_its_commit_has_not_happened(
    postgres_server: PostgresServer, postgres_alias: str, worker: Worker, admin: psycopg.Connection
) -> None:
    session = session_of(postgres_alias)
    flow = create(session)
    admin.execute("SELECT 1 FROM openclaw_webhooks_flow FOR UPDATE")
    lost = worker.start(lambda: session.run_task(flow.flow_id, runtime=TaskRuntime.ACP, task="t", run_id="r"))
    kill_when_waiting(postgres_server, worker.pid)
    with pytest.raises(PersistFailed):
        lost.result(10)
    admin.rollback()
    assert worker.start(lambda: run(session, flow)).result(10)


def test_a_commit_whose_answer_was_lost(postgres_server: PostgresServer, postgres_alias: str, worker: Worker) -> None:
    session = session_of(postgres_alias)
    flow = create(session)
    sql(postgres_alias, AT_COMMIT.format(action="PERFORM pg_sleep(30)"))
    lost = worker.start(lambda: session.run_task(flow.flow_id, runtime=TaskRuntime.ACP, task="t"))
    kill_when_waiting(postgres_server, worker.pid)
    with pytest.raises(OutcomeUnknown) as caught:
        lost.result(10)
    assert caught.value.flow_id == flow.flow_id


def test_a_commit_that_is_refused_has_not_happened(postgres_alias: str) -> None:
    session = session_of(postgres_alias, "agent:main:private")
    flow = create(session)
    sql(postgres_alias, AT_COMMIT.format(action="RAISE EXCEPTION 'no: %%', NEW.task"))
    with pytest.raises(PersistFailed) as caught:
        session.run_task(flow.flow_id, runtime=TaskRuntime.ACP, task="confidential")
    assert "confidential" not in str(caught.value)
    assert list(session.list_tasks(flow.flow_id)) == []


def test_a_read_is_repeated_on_a_new_connection(
    postgres_server: PostgresServer, postgres_alias: str, worker: Worker, admin: psycopg.Connection
) -> None:
    session = session_of(postgres_alias)
    flow = create(session)
    admin.execute("LOCK TABLE openclaw_webhooks_flow")
    read = worker.start(lambda: session.get_flow(flow.flow_id))
    kill_when_waiting(postgres_server, worker.pid)
    admin.rollback()
    assert read.result(10) == flow


def test_restarted_under_load(postgres_server: PostgresServer, postgres_alias: str) -> None:
    session, stop = session_of(postgres_alias), threading.Event()
    acknowledged: list[str] = []

    def write() -> None:
        while not stop.is_set():
            try:
                result = session.create_flow(controller_id="c", goal="g")
            except EngineError:
                continue
            assert isinstance(result, FlowCreated)
            acknowledged.append(result.flow.flow_id)
        connections[postgres_alias].close()

    with ThreadPoolExecutor(4) as pool:
        writers = [pool.submit(write) for _ in range(4)]
        try:
            for _ in range(2):
                wait_for_more(acknowledged)
                postgres_server.stop()
                postgres_server.start()
            wait_for_more(acknowledged)
        finally:
            stop.set()
        for writer in writers:
            writer.result(10)
    assert set(acknowledged) <= {flow.flow_id for flow in session.list_flows()}


def wait_for_more(acknowledged: list[str]) -> None:
    seen, deadline = len(acknowledged), time.monotonic() + 20
    while len(acknowledged) < seen + 20:
        assert time.monotonic() < deadline
        time.sleep(0.01)
