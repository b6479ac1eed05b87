"""One store of a certain size in a process of its own, asked by the requests that stand on its standard input.

A child of ``size.py``. Measures whole requests at the ASGI door without a server or a socket, and whole admin pages
through Django's test client. A line in names what to ask and how often; a line out has the microseconds of each.
"""
# ruff: noqa: T201 - the answers go to whoever started this

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import django

from benchmarks.seeds import fill

if TYPE_CHECKING:
    from django.test import Client

Message: TypeAlias = dict[str, Any]


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
        fill(flows, calls, session=self._route.session_key, route=self._route.route_id)

    def measure(self, name: str, count: int, runner: asyncio.Runner) -> list[float]:
        """Return the microseconds of ``count`` requests of one kind; a name that begins with ``/`` is a page."""
        if name in PAGES or name.startswith("/"):
            return self._measure_pages(PAGES.get(name, name), count)
        if name.startswith(f"{CPU_PREFIX}/"):
            return self._measure_page_cpu(name.removeprefix(CPU_PREFIX), count)
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

    def _measure_page_cpu(self, path: str, count: int) -> list[float]:
        """Return a page's least microseconds: its time, and its CPU time, a database server's part included."""
        clocks = (time.perf_counter_ns, _read_cpu_ns)
        # A client's first page loads the middleware, and with it the list of static files.
        return [min(self._measure_pages(path, count + 1, clock)[1:]) for clock in clocks]

    def _measure_pages(
        self, path: str, count: int, read_clock_ns: Callable[[], int] = time.perf_counter_ns
    ) -> list[float]:
        client = _sign_in()
        found = []
        for _ in range(count):
            began_ns = read_clock_ns()
            response = client.get(path)
            found.append((read_clock_ns() - began_ns) / 1000)
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
"""Before an action or a page: two numbers, CPU time instead of time, or beside it."""
PAGES: Final[Mapping[str, str]] = {
    "calls page": "/admin/openclaw_webhooks/call/",
    "routes page": "/admin/openclaw_webhooks/route/",
    "flows page": "/admin/openclaw_webhooks/flow/",
}


def _sign_in() -> Client:
    from django.contrib.auth import get_user_model  # noqa: PLC0415
    from django.test import Client  # noqa: PLC0415

    users = get_user_model().objects
    client = Client(SERVER_NAME="localhost")
    client.force_login(users.filter(is_superuser=True).first() or users.create_superuser("bench"))
    return client


def _read_cpu_ns() -> int:
    """Return the CPU time of this process and of the process that PostgreSQL has for its connection."""
    from django.db import connection  # noqa: PLC0415

    if connection.vendor != "postgresql":
        return time.process_time_ns()
    connection.ensure_connection()
    schedule = Path(f"/proc/{connection.connection.info.backend_pid}/schedstat").read_text(encoding="ascii")
    return time.process_time_ns() + int(schedule.split()[0])


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
