"""Rows and clients for the tests of the pages."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client

from openclaw_webhooks.models import Call, Flow, Task
from tests.calls.builders import NOON_MS


def build_flow(**changes: Any) -> Flow:
    known = {
        "flow_id": str(uuid4()),
        "session_key": "agent:main:main",
        "status": "running",
        "notify_policy": "done_only",
        "goal": "Review inbound queue",
        "created_at_ms": NOON_MS,
        "updated_at_ms": NOON_MS,
    }
    return Flow.objects.create(**known | changes)


def build_task(flow: Flow, **changes: Any) -> Task:
    known = {
        "task_id": str(uuid4()),
        "parent_flow": flow,
        "runtime": "acp",
        "task": "Inspect the next message batch",
        "status": "queued",
        "notify_policy": "silent",
        "created_at_ms": NOON_MS,
    }
    return Task.objects.create(**known | changes)


def sign_in(*permissions: str, superuser: bool = False) -> Client:
    """Return the client of a member of staff who may do what the codenames say."""
    user = User.objects.create_user(username=str(uuid4()), is_staff=True, is_superuser=superuser)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def insert_calls(count: int) -> None:
    """Insert many calls over thirty days, one in a hundred refused, by one statement."""
    numbers = (
        f"WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {count - 1})"
        if connection.vendor == "sqlite"
        else f"WITH n(i) AS (SELECT generate_series(0::bigint, {count - 1}))"
    )
    step_ms = 30 * 86_400_000 // count
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {Call._meta.db_table} (at_ms, route_id, action, status, code, refused_by, client,"
            f" request_id, flow_id, duration_us) {numbers} SELECT {NOON_MS} + i * {step_ms},"
            " CASE WHEN i % 2 = 0 THEN 'zapier' ELSE 'ci' END,"
            " CASE WHEN i % 100 = 0 THEN NULL ELSE 'get_flow' END,"
            " CASE WHEN i % 100 = 0 THEN 401 ELSE 200 END,"
            " CASE WHEN i % 1000 = 1 THEN 'not_found' END,"
            " CASE WHEN i % 100 = 0 THEN 'authentication' END,"
            " '127.0.0.1', 'request-' || i, 'flow-' || (i / 10), 300 FROM n"
        )
        cursor.execute(f"ANALYZE {Call._meta.db_table}" if connection.vendor == "postgresql" else "SELECT 1")
