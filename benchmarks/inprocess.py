"""One store of a certain size in a process of its own, asked by the requests that stand on its standard input.

A child of ``size.py``. Measures whole requests at the ASGI door without a server or a socket, and whole admin pages
through Django's test client. A line in names what to ask and how often; a line out has the microseconds of each.
"""
# ruff: noqa: S608, T201 - no text of a stranger is in the SQL; the answers go to whoever started this

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, Final, TypeAlias

import django

Message: TypeAlias = dict[str, Any]
_SPAN_MS: Final = 30 * 86_400_000
"""Over how long the calls and flows are spread: what is kept by default."""
_FLOW_COLUMNS: Final = (
    "session_key, flow_id, sync_mode, controller_id, revision, status, notify_policy, goal, current_step,"
    " blocked_task_id, blocked_summary, state_json, wait_json, created_at_ms, updated_at_ms"
)
_NUMBERS: Final = (
    "WITH RECURSIVE numbers(i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM numbers WHERE i < {count})"
)
_SEED_FLOWS: Final = (
    f"{_NUMBERS} INSERT INTO openclaw_webhooks_flow ({_FLOW_COLUMNS})"
    " SELECT CASE WHEN i = 7 THEN 'agent:rare:one' WHEN i % 10 = 9 THEN 'agent:other:' || i % 30 ELSE '{session}' END,"
    " 'seed-' || i, 'managed', CASE WHEN i = 7 THEN 'rare' ELSE 'bench/' || i % 3 END, 0,"
    " CASE WHEN i = 7 THEN 'lost' WHEN i % 100 < 90 THEN 'succeeded' WHEN i % 100 < 95 THEN 'failed'"
    " WHEN i % 100 < 98 THEN 'waiting' ELSE 'queued' END,"
    " 'done_only', 'Review inbound queue', '', '', '', '{{\"batch\":7,\"items\":[1,2,3]}}', '',"
    " {now_ms} - ({count} - i) * {step_ms}, {now_ms} - ({count} - i) * {step_ms} FROM numbers"
)
_SEED_CALLS: Final = (
    f"{_NUMBERS} INSERT INTO openclaw_webhooks_call (at_ms, count, route_id, action, status, code, refused_by, client,"
    " request_id, flow_id, duration_us, engine_us, body_bytes)"
    " SELECT {now_ms} - ({count} - i) * {step_ms}, 1,"
    " CASE WHEN i % 3 = 0 THEN '{route}' ELSE 'route-' || i % 7 END,"
    " CASE WHEN i = 7 THEN 'resolve_flow' WHEN i % 100 >= 94 THEN NULL WHEN i % 2 = 0 THEN 'get_flow'"
    " WHEN i % 11 = 0 THEN 'finish_flow' ELSE 'create_flow' END,"
    " CASE WHEN i % 100 < 90 THEN 200 WHEN i % 100 < 93 THEN 409 WHEN i % 100 < 94 THEN 503 WHEN i % 100 < 98 THEN 401"
    " ELSE 429 END,"
    " CASE WHEN i = 91 THEN 'terminal' WHEN i % 100 < 90 THEN NULL WHEN i % 100 < 93 THEN 'revision_conflict'"
    " WHEN i % 100 < 94 THEN 'persist_failed' END,"
    " CASE WHEN i = 194 THEN 'method' WHEN i % 100 < 94 THEN NULL WHEN i % 100 < 98 THEN 'authentication'"
    " ELSE 'rate_limit' END,"
    " CASE WHEN i = 7 THEN '192.0.2.7' ELSE '10.0.' || i * 7919 % 20 || '.' || i % 250 END,"
    " 'request-' || (i * 7919 % 1000003), CASE WHEN i % 100 < 94 THEN 'seed-' || i / 10 END, 300 + i % 5000, 300, 60"
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


def main(flows: int, calls: int) -> None:
    """Fill the store, then answer lines until there are no more."""
    django.setup()
    store = Store()
    store.fill(flows, calls)
    print("ready", flush=True)
    with asyncio.Runner() as runner:
        for line in sys.stdin:
            name, _, count = line.strip().rpartition(" ")
            print(json.dumps(store.measure(name, int(count), runner)), flush=True)


class Store:
    """This process's database, and the ways to ask it."""

    def __init__(self) -> None:
        """Migrate and mount; nothing is served."""
        from django.core.asgi import get_asgi_application  # noqa: PLC0415 - importable only once Django is set up
        from django.core.management import call_command  # noqa: PLC0415

        from openclaw_webhooks.asgi import mount  # noqa: PLC0415
        from openclaw_webhooks.runtime import get_runtime  # noqa: PLC0415

        call_command("migrate", verbosity=0)
        self._application = mount(get_asgi_application())
        self._route = next(iter(get_runtime().routes.values()))
        self._secret = os.environ["BENCH_SECRET"]
        self._sources = _list_sources()
        self._flow_id = ""

    def fill(self, flows: int, calls: int) -> None:
        """Store that many flows of the route's session and that many recorded calls, with their minutes."""
        from django.db import connection  # noqa: PLC0415

        known = {
            "now_ms": time.time_ns() // 1_000_000,
            "session": self._route.session_key,
            "route": self._route.route_id,
        }
        with connection.cursor() as cursor:
            if flows:
                cursor.execute(_SEED_FLOWS.format(count=flows, step_ms=_SPAN_MS // flows, **known))
            if calls:
                cursor.execute(_SEED_CALLS.format(count=calls, step_ms=_SPAN_MS // calls, **known))
                cursor.execute(_SEED_MINUTES)
                cursor.execute(_SEED_HOURS)
            cursor.execute("ANALYZE" if connection.vendor == "postgresql" else "SELECT 1")

    def measure(self, name: str, count: int, runner: asyncio.Runner) -> list[float]:
        """Return the microseconds of ``count`` requests of one kind; a name that begins with ``/`` is a page."""
        if name in PAGES or name.startswith("/"):
            return self._measure_pages(PAGES.get(name, name), count)
        if name.startswith(CPU_PREFIX):
            return self._measure_cpu(name.removeprefix(CPU_PREFIX), count, runner)
        return runner.run(self._measure_actions(name, count))

    def _measure_cpu(self, name: str, count: int, runner: asyncio.Runner) -> list[float]:
        """Return a request's CPU microseconds: of the thread that serves, and of all that work for it, also later."""
        self._settle()
        began_ns, thread_began_ns = time.process_time_ns(), time.thread_time_ns()
        runner.run(self._measure_actions(name, count))
        thread_ns = time.thread_time_ns() - thread_began_ns
        self._settle()
        return [thread_ns / 1000 / count, (time.process_time_ns() - began_ns) / 1000 / count]

    def _settle(self) -> None:
        from openclaw_webhooks.runtime import get_runtime  # noqa: PLC0415

        get_runtime().recorder.flush(30)
        get_runtime().watch.flush()

    async def _measure_actions(self, name: str, count: int) -> list[float]:
        if not self._flow_id:
            answer = json.loads(await self._post(ACTIONS["create"]))
            self._flow_id = answer["result"]["flow"]["flowId"]
        body = {key: self._flow_id if value == "" else value for key, value in ACTIONS[name].items()}
        found = []
        for _ in range(count):
            began_ns = time.perf_counter_ns()
            await self._post(body)
            found.append((time.perf_counter_ns() - began_ns) / 1000)
        return found

    async def _post(self, body: Mapping[str, Any]) -> bytes:
        answer: list[Message] = []
        receive, send = _pipe(json.dumps(body).encode(), answer)
        await self._application(self._build_scope(), receive, send)
        if answer[0]["status"] != 200:
            raise RuntimeError(f"{answer[0]['status']}: {answer[1]['body']!r}")
        found: bytes = answer[1]["body"]
        return found

    def _build_scope(self) -> Message:
        headers = {"content-type": "application/json", "authorization": f"Bearer {self._secret}"}
        return {
            "type": "http",
            "method": "POST",
            "path": self._route.path,
            "client": (next(self._sources), 1),
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }

    def _measure_pages(self, path: str, count: int) -> list[float]:
        from django.contrib.auth import get_user_model  # noqa: PLC0415
        from django.test import Client  # noqa: PLC0415

        users = get_user_model().objects
        client = Client(SERVER_NAME="localhost")
        client.force_login(users.filter(is_superuser=True).first() or users.create_superuser("bench"))
        found = []
        for _ in range(count):
            began_ns = time.perf_counter_ns()
            response = client.get(path)
            found.append((time.perf_counter_ns() - began_ns) / 1000)
            if response.status_code not in (200, 302):
                raise RuntimeError(f"{path}: {response.status_code}")
        return found


ACTIONS: Final[Mapping[str, Mapping[str, Any]]] = {
    "create": {"action": "create_flow", "goal": "Review inbound queue", "stateJson": {"batch": 7, "items": [1, 2, 3]}},
    "get": {"action": "get_flow", "flowId": ""},
    "latest": {"action": "find_latest_flow"},
    "summary": {"action": "get_task_summary", "flowId": ""},
}
"""An empty flow id stands for a flow of the store."""
CPU_PREFIX: Final = "cpu "
"""Before the name of an action: CPU time instead of time, two numbers."""
PAGES: Final[Mapping[str, str]] = {
    "calls page": "/admin/openclaw_webhooks/call/",
    "routes page": "/admin/openclaw_webhooks/route/",
    "flows page": "/admin/openclaw_webhooks/flow/",
}


def _pipe(
    body: bytes, answer: list[Message]
) -> tuple[Callable[[], Awaitable[Message]], Callable[[Any], Awaitable[None]]]:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        answer.append(message)

    return receive, send


def _list_sources() -> Iterator[str]:
    """Return client addresses, each as often as no limit minds."""
    for number in itertools.count():
        yield from itertools.repeat(f"127.{number // 62500 % 250}.{number // 250 % 250}.{number % 250}", 100)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
