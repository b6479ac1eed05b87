"""What the stores of the benchmarks are filled with, by statements that take seconds for a million calls.

Indexes are made anew over the filled tables: to keep nine of them up to date row by row takes minutes.
"""
# ruff: noqa: S608 - no text of a stranger is in the SQL

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from django.db import connection
from django.db.backends.utils import CursorWrapper

ROUTE_NAMES: Final = ("live", *[f"route-{number}" for number in range(7)])
"""The routes that are called; a third of the calls are the first one's."""
_SPAN_MS: Final = 30 * 86_400_000
"""Over how long the calls and flows are spread: what is kept by default."""
_FLOW_COLUMNS: Final = (
    "session_key, flow_id, sync_mode, controller_id, revision, status, notify_policy, goal, current_step,"
    " blocked_task_id, blocked_summary, state_json, wait_json, created_at_ms, updated_at_ms, ended_at_ms"
)
_NUMBERS: Final = {
    "sqlite": "WITH RECURSIVE numbers(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < {count})",
    "postgresql": "WITH numbers(i) AS (SELECT generate_series(1::bigint, {count}))",
}
_SEED_FLOWS: Final = (
    f"INSERT INTO openclaw_webhooks_flow ({_FLOW_COLUMNS})"
    " SELECT"
    " CASE WHEN i = 7 THEN 'agent:rare:one' WHEN i % 10 = 9 THEN 'agent:other:' || (i % 30) ELSE '{session}' END,"
    " 'seed-' || i, 'managed', CASE WHEN i = 7 THEN 'rare' ELSE 'bench/' || (i % 3) END, 0,"
    " CASE WHEN i = 7 THEN 'lost' WHEN i % 100 < 90 THEN 'succeeded' WHEN i % 100 < 95 THEN 'failed'"
    " WHEN i % 100 < 98 THEN 'waiting' ELSE 'queued' END,"
    " 'done_only', 'Review inbound queue', '', '', '', '{{\"batch\":7,\"items\":[1,2,3]}}', '',"
    " {now_ms} - ({count} - i) * {step_ms}, {now_ms} - ({count} - i) * {step_ms},"
    " CASE WHEN i % 100 < 95 THEN {now_ms} - ({count} - i) * {step_ms} END FROM numbers"
)
_SEED_CALLS: Final = (
    "INSERT INTO openclaw_webhooks_call (at_ms, count, route_id, action, status, code, refused_by, client,"
    " request_id, flow_id, duration_us, engine_us, body_bytes)"
    " SELECT {now_ms} - ({count} - i) * {step_ms}, 1,"
    " CASE WHEN i % 3 = 0 THEN '{route}' ELSE 'route-' || (i % 7) END,"
    " CASE WHEN i = 7 THEN 'resolve_flow' WHEN i % 100 >= 94 THEN NULL WHEN i % 2 = 0 THEN 'get_flow'"
    " WHEN i % 11 = 0 THEN 'finish_flow' ELSE 'create_flow' END,"
    " CASE WHEN i % 100 < 90 THEN 200 WHEN i % 100 < 93 THEN 409 WHEN i % 100 < 94 THEN 503 WHEN i % 100 < 98 THEN 401"
    " ELSE 429 END,"
    " CASE WHEN i = 91 THEN 'terminal' WHEN i % 100 < 90 THEN NULL WHEN i % 100 < 93 THEN 'revision_conflict'"
    " WHEN i % 100 < 94 THEN 'persist_failed' END,"
    " CASE WHEN i = 194 THEN 'method' WHEN i % 100 < 94 THEN NULL WHEN i % 100 < 98 THEN 'authentication'"
    " ELSE 'rate_limit' END,"
    " CASE WHEN i = 7 THEN '192.0.2.7' ELSE '10.0.' || (i * 7919 % 20) || '.' || (i % 250) END,"
    " 'request-' || (i * 7919 % 1000003), CASE WHEN i % 100 < 94 THEN 'seed-' || (i / 10) END, 300 + i % 5000, 300, 60"
    " FROM numbers"
)
_SEED_MINUTES: Final = (
    "INSERT INTO openclaw_webhooks_callminute (minute_ms, route_id, outcome, count, last_at_ms)"
    " SELECT at_ms / 60000 * 60000, route_id, CASE WHEN status >= 500 THEN 'failed' WHEN refused_by IS NULL"
    " THEN 'accepted' ELSE 'refused' END, SUM(count), MAX(at_ms) FROM openclaw_webhooks_call GROUP BY 1, 2, 3"
)

_SEED_HOURS: Final = (
    "INSERT INTO openclaw_webhooks_callhour (hour_ms, route_id, outcome, count) SELECT minute_ms / 3600000 * 3600000,"
    " route_id, outcome, SUM(count) FROM openclaw_webhooks_callminute GROUP BY 1, 2, 3"
)
_INDEXES: Final = {
    "sqlite": "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND tbl_name = %s",
    "postgresql": "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = %s AND NOT EXISTS"
    " (SELECT 1 FROM pg_constraint WHERE conname = indexname)",
}


def fill(flows: int, calls: int, *, session: str, route: str) -> None:
    """Store that many flows and that many recorded calls with their numbers, spread over thirty days until now."""
    now_ms = time.time_ns() // 1_000_000
    numbers = _NUMBERS[connection.vendor]
    with connection.cursor() as cursor:
        if flows:
            step_ms = _SPAN_MS // flows
            with _without_indexes(cursor, "openclaw_webhooks_flow"):
                sql = f"{numbers} {_SEED_FLOWS}"
                cursor.execute(sql.format(count=flows, now_ms=now_ms, step_ms=step_ms, session=session))
        if calls:
            step_ms = _SPAN_MS // calls
            with _without_indexes(cursor, "openclaw_webhooks_call"):
                sql = f"{numbers} {_SEED_CALLS}"
                cursor.execute(sql.format(count=calls, now_ms=now_ms, step_ms=step_ms, route=route))
            cursor.execute(_SEED_MINUTES)
            cursor.execute(_SEED_HOURS)
        if connection.vendor == "postgresql":
            cursor.execute("VACUUM ANALYZE")  # as its own daemon does within minutes


@contextmanager
def _without_indexes(cursor: CursorWrapper, table: str) -> Iterator[None]:
    cursor.execute(_INDEXES[connection.vendor], [table])
    indexes = cursor.fetchall()
    for name, _ in indexes:
        cursor.execute(f'DROP INDEX "{name}"')
    yield
    for _, sql in indexes:
        cursor.execute(sql)
