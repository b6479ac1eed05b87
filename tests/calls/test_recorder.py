"""The recorder against a real database: locked, refused, overloaded, forked, killed, and with several processes."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import pytest
from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from openclaw_webhooks.calls.recorder import CallRecorder, NoRecorder
from openclaw_webhooks.models import Call
from tests.calls.builders import (
    NOON_MS,
    build_record,
    build_refusal,
    count_minutes,
    count_rows,
    running_recorder,
)

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def locked_database() -> Iterator[None]:
    """Hold a lock that the recorder needs, from a connection of its own, and let it fail soon."""
    options = connection.settings_dict["OPTIONS"]
    impatient = {"timeout": 0.02} if connection.vendor == "sqlite" else {"options": "-c lock_timeout=20"}
    other = connection.copy()
    with patch.dict(options, impatient), atomic_on(other) as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("LOCK TABLE openclaw_webhooks_callminute IN ACCESS EXCLUSIVE MODE")
        yield


@contextmanager
def atomic_on(other: BaseDatabaseWrapper) -> Iterator[CursorWrapper]:
    other.set_autocommit(False, force_begin_transaction_with_broken_autocommit=True)
    try:
        with other.cursor() as cursor:
            yield cursor
    finally:
        other.rollback()
        other.close()


def test_what_is_added_is_there_after_a_flush() -> None:
    with running_recorder(flush_seconds=60) as recorder:
        for number in range(1000):
            recorder.add(build_record(request_id=f"r{number}"))
        assert recorder.flush(10)
        assert Call.objects.count() == 1000
        recorder.add(build_record())
        assert recorder.flush(10)
    assert count_rows() == count_minutes() == 1001
    assert recorder.dropped == 0


def test_records_are_written_without_being_asked_for() -> None:
    with running_recorder(flush_seconds=0.001) as recorder:
        recorder.add(build_record())
        with recorder._changed:
            assert recorder._changed.wait_for(lambda: recorder._settled == 1, 10)
        assert Call.objects.count() == 1


def test_nothing_runs_before_the_first_record_and_after_close() -> None:
    recorder = CallRecorder()
    assert recorder.flush(1)
    assert recorder.close(1)
    assert recorder._thread is None
    for _ in range(2):
        recorder.add(build_record())
        thread = recorder._thread
        assert thread is not None
        assert recorder.close(10)
        assert not thread.is_alive()
    assert Call.objects.count() == 2


def test_many_threads_lose_nothing() -> None:
    with running_recorder() as recorder:

        def add_many() -> None:
            for _ in range(500):
                recorder.add(build_record())

        threads = [threading.Thread(target=add_many) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert recorder.flush(20)
    assert count_rows() == count_minutes("accepted") == 2000


def test_a_locked_database_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    with running_recorder() as recorder:
        with locked_database():
            recorder.add(build_record())
            assert not recorder.flush(0.3)
            recorder.add(build_record())
        assert recorder.flush(10)
    assert Call.objects.count() == 2
    failed, recovered = (record.message for record in caplog.records)
    assert failed.startswith("calls cannot be recorded for now and will be tried again: ")
    assert recovered == "calls are recorded again"


def test_under_overload_memory_is_bounded_and_every_call_counted(caplog: pytest.LogCaptureFixture) -> None:
    with running_recorder(queue_size=100) as recorder:
        with locked_database():
            for number in range(300):
                recorder.add(build_record(started_at_ms=NOON_MS + number))
            assert recorder._gathering.size + recorder._writing_size == 100
            for _ in range(50):
                recorder.add(build_refusal())
            assert recorder._gathering.size + recorder._writing_size == 100
        assert recorder.flush(10)
        assert recorder.dropped == 250
    assert (count_rows(), count_minutes("lost"), count_minutes()) == (100, 250, 350)
    assert "250 calls were served and not recorded since the start: the queue was full" in caplog.text


def test_what_is_being_written_takes_room_too() -> None:
    with running_recorder(queue_size=100) as recorder:
        with locked_database():
            for _ in range(60):
                recorder.add(build_record())
            with recorder._changed:
                assert recorder._changed.wait_for(lambda: recorder._writing_size == 60, 10)
            for _ in range(60):
                recorder.add(build_record())
            assert recorder._gathering.size == 40
        assert recorder.flush(10)
    assert (count_rows(), count_minutes("lost")) == (100, 20)


def test_losses_are_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now = [1000.0]
    with running_recorder(queue_size=0, clock=lambda: now[0]) as recorder:
        for seconds in (0, 30, 60):
            now[0] = 1000.0 + seconds
            recorder.add(build_record())
            assert recorder.flush(10)
    assert caplog.text.count("not recorded since the start") == 2
    assert count_minutes("lost") == 3


def test_close_gives_up_in_time_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    recorder = CallRecorder(flush_seconds=0.001)
    with locked_database():
        recorder.add(build_record())
        thread = recorder._thread
        assert not recorder.close(0.2)
        assert thread is not None
        thread.join(10)
        assert not thread.is_alive()
    assert "1 calls were not recorded: the database did not answer" in caplog.text
    assert Call.objects.count() == 0


def test_a_row_that_the_database_refuses_becomes_a_number_and_holds_up_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with running_recorder() as recorder:
        recorder.add(build_record(body_bytes=10**30))
        for _ in range(12):
            recorder.add(build_refusal())
        assert recorder.flush(10)
        recorder.add(build_record())
        assert recorder.flush(10)
    assert (count_rows(), count_minutes("lost"), recorder.dropped) == (1, 13, 13)
    assert count_minutes() == 14
    assert "13 calls were not recorded, the database refused them" in caplog.text


def test_numbers_that_the_database_refuses_are_given_up() -> None:
    with running_recorder() as recorder:
        recorder.add(build_record(started_at_ms=10**30))
        assert recorder.flush(10)
        recorder.add(build_record())
        assert recorder.flush(10)
    assert (count_rows(), count_minutes()) == (1, 1)


def test_a_connection_that_died_is_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread's first connection breaks in its first statement, as when a database server restarts."""
    created: list[BaseDatabaseWrapper] = []
    create_connection = connections.create_connection

    def break_first(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if context["connection"] is created[0] and len(broken) == 0:
            broken.append(sql)
            created[0].connection.close()
        return execute(sql, params, many, context)

    def create_breaking(alias: str) -> BaseDatabaseWrapper:
        created.append(create_connection(alias))
        created[-1].execute_wrappers.append(break_first)
        return created[-1]

    broken: list[str] = []
    monkeypatch.setattr(connections, "create_connection", create_breaking)
    with running_recorder() as recorder:
        recorder.add(build_record())
        assert recorder.flush(10)
    assert broken
    assert Call.objects.count() == 1


def test_no_thread_at_shutdown_is_no_error(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    recorder = CallRecorder()
    recorder.add(build_record())
    assert not recorder.close(0.1)
    assert "1 calls were not recorded" in caplog.text


def test_a_canary_secret_is_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with running_recorder() as recorder:
        recorder.add(build_record(route_id="canary-route"))
        assert recorder.flush(10)
    columns = {field.name for field in Call._meta.get_fields()}
    assert not columns & {"secret", "headers", "body", "session_key", "authorization"}
    assert "canary" not in caplog.text
    assert "canary" not in repr(recorder)


def test_without_a_recorder_nothing_is_kept() -> None:
    sink = NoRecorder()
    sink.add(build_record())
    assert sink.flush()
    assert sink.close()
    assert (sink.dropped, Call.objects.count()) == (0, 0)


_PRELUDE = """
import django, os, sys
from django.conf import settings
django.setup()
from django.db import connections
connections["default"].settings_dict["NAME"] = sys.argv[1]
from tests.calls.builders import build_record, build_refusal
from openclaw_webhooks.calls.recorder import CallRecorder
"""


def start_process(script: str) -> subprocess.Popen[str]:
    name = str(connection.settings_dict["NAME"])
    return subprocess.Popen(
        [sys.executable, "-c", _PRELUDE + script, name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": os.environ.get("DJANGO_SETTINGS_MODULE", "tests.settings")},
    )


def finish_process(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    return output


def test_what_was_flushed_stays_when_the_process_is_killed() -> None:
    process = start_process("""
recorder = CallRecorder(flush_seconds=60)
for _ in range(20): recorder.add(build_record())
assert recorder.flush(10)
for _ in range(5): recorder.add(build_record())
print("flushed", flush=True)
sys.stdin.read()
""")
    assert process.stdout is not None
    assert process.stdout.readline() == "flushed\n"
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    assert count_rows() == count_minutes() == 20


def test_a_forked_child_starts_anew_and_the_parent_goes_on() -> None:
    process = start_process("""
recorder = CallRecorder(flush_seconds=60)
for _ in range(3): recorder.add(build_record(client="10.0.0.1"))
child = os.fork()
if not child:
    recorder.add(build_record(client="10.0.0.2"))
    os._exit(0 if recorder.close(10) else 1)
assert os.waitpid(child, 0)[1] == 0
assert recorder.close(10)
""")
    finish_process(process)
    assert Call.objects.filter(client="10.0.0.1").count() == 3
    assert Call.objects.filter(client="10.0.0.2").count() == 1
    assert count_minutes() == 4


def test_several_processes_fold_into_one_row() -> None:
    script = """
recorder = CallRecorder(flush_seconds=0.005)
print("ready", flush=True)
sys.stdin.readline()
for number in range(400):
    recorder.add(build_refusal())
    if not number % 40: assert recorder.flush(20)
assert recorder.close(20)
assert recorder.dropped == 0
"""
    processes = [start_process(script) for _ in range(3)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        finish_process(process)
    assert Call.objects.count() == 11
    assert sorted(Call.objects.values_list("count", flat=True)) == [1] * 10 + [1190]
    assert count_minutes("refused") == 1200
