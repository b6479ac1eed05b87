"""The test kit's fixtures, which an installed package would bring along by itself, and the end of a database."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import SyncToAsync
from django.db import connection, connections
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from openclaw_webhooks import runtime
from openclaw_webhooks.pytest_plugin import (  # noqa: F401
    _webhook_stage,
    webhook_client,
    webhook_clock,
    webhook_engine,
    webhook_route,
)
from openclaw_webhooks.runtime import close_runtime

_OTHERS = (
    "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    " AND backend_type = 'client backend'"
)
_PATIENCE_SECONDS = 5

# How long an example takes on a machine that others keep busy says nothing about the code.
hypothesis_settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("untimed")


@pytest.fixture
def as_served(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The runtime of a server, with its threads and its shared limits, instead of that of tests."""
    monkeypatch.setattr(runtime, "are_tests_running", lambda: False)
    yield
    close_runtime()
    monkeypatch.undo()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Let go of the test database before it is dropped, which PostgreSQL refuses while another session uses it.

    The thread in which coroutines of a test asked the ORM outlives that test, with a connection.
    """
    yield
    SyncToAsync.single_thread_executor.submit(connections.close_all).result(_PATIENCE_SECONDS)
    if connection.vendor == "postgresql":
        with django_db_blocker.unblock():
            _end_others()


def _end_others() -> None:
    """Wait for sessions of processes that were just stopped; end and name what stays."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    with connection.cursor() as cursor:
        while True:
            cursor.execute(f"SELECT pid, application_name, state, query {_OTHERS}")
            found = cursor.fetchall()
            if not found or time.monotonic() > deadline:
                break
            time.sleep(0.05)
        for session in found:
            sys.stderr.write(f"a session outlived the tests: {session}\n")
        cursor.execute(f"SELECT pg_terminate_backend(pid, 5000) {_OTHERS}")
