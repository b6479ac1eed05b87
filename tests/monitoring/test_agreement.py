"""Metrics, numbers by the minute and rows of calls agree to the last one, over workers and through both doors."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.live import LIVE, SECRET, Door, Server, manage, serve
from tests.monitoring.scraping import TOKEN, WATCHED, ask, parse_metrics, sum_of

WORKERS = 2
REQUESTS = int(os.environ.get("MONITORING_REQUESTS", "1500"))
BODIES: tuple[tuple[Any, str], ...] = (
    ({"action": "create_flow", "goal": "agree"}, SECRET),
    ({"action": "get_flow", "flowId": "none"}, SECRET),
    ({"action": "list_flows"}, SECRET),
    ({"action": "finish_flow", "flowId": "none", "expectedRevision": 0}, SECRET),
    ({"action": "no such action"}, SECRET),
    ({"action": "create_flow"}, "a wrong secret"),
)


@pytest.fixture(scope="module", params=["gunicorn-asgi", "gunicorn-wsgi"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    door: Door = request.param
    with serve(door, tmp_path_factory.mktemp(door), workers=WORKERS, environ=WATCHED) as running:
        yield running


def send(server: Server, count: int, *, seed: int) -> Counter[int]:
    """Send mixed requests from many addresses; some addresses send more than their rate allows."""

    def post(number: int) -> int:
        body, secret = BODIES[number % len(BODIES)]
        source = f"127.88.{seed}.{1 + number % 7}"
        return server.call(LIVE, body, source=source, secret=secret)[0]

    with ThreadPoolExecutor(6) as pool:
        return Counter(pool.map(post, range(count)))


def scrape(server: Server) -> dict[Any, float]:
    status, text = ask(server, "/metrics", token=TOKEN)
    assert status == 200, text
    return parse_metrics(text)


def query(server: Server, sql: str) -> list[tuple[Any, ...]]:
    database = sqlite3.connect(server.data_dir / "openclaw-webhooks.sqlite3")
    try:
        return database.execute(sql).fetchall()
    finally:
        database.close()


def eventually(wanted: object, read: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while (found := read()) != wanted and time.monotonic() < deadline:
        time.sleep(0.1)
    assert found == wanted


def count_metrics(server: Server) -> dict[int, int]:
    counted: Counter[int] = Counter()
    for (name, labels), value in scrape(server).items():
        if name == "openclaw_webhooks_requests_total":
            counted[int(dict(labels)["status"])] += int(value)
    return dict(counted)


def count_rows(server: Server) -> dict[int, int]:
    return dict(query(server, "SELECT status, SUM(count) FROM openclaw_webhooks_call GROUP BY status"))


def count_minutes(server: Server) -> dict[str, int]:
    """Return what the admin's numbers are made of."""
    return dict(query(server, "SELECT outcome, SUM(count) FROM openclaw_webhooks_callminute GROUP BY outcome"))


def outcomes_of(answered: Counter[int]) -> dict[str, int]:
    """Return what the numbers by outcome must be; a 404 of these bodies is the engine's answer."""
    counted: Counter[str] = Counter()
    for status, count in answered.items():
        counted["refused" if status in (400, 401, 429) else "failed" if status >= 500 else "accepted"] += count
    return dict(counted)


def check_agreement(server: Server, answered: Counter[int]) -> None:
    """Compare what callers were told with the metrics, the rows, and the numbers of the admin and of the command."""
    eventually(dict(answered), lambda: count_metrics(server))
    eventually(dict(answered), lambda: count_rows(server))
    eventually(outcomes_of(answered), lambda: count_minutes(server))
    environ = {"OPENCLAW_CONFIG_PATH": str(server.data_dir.parent / "openclaw.json")}
    (route,) = json.loads(manage(server.data_dir, "webhooks_routes", "--json", environ=environ)[1])["routes"]
    told = {name: route[f"{name}_hour"] for name in ("calls", "refused", "failed")}
    expected = outcomes_of(answered)
    assert told == {"calls": answered.total(), "refused": expected["refused"], "failed": expected.get("failed", 0)}


def test_all_three_agree_and_a_killed_worker_takes_no_number_back(server: Server) -> None:
    answered = send(server, REQUESTS, seed=1)
    assert len(answered) >= 5, answered
    check_agreement(server, answered)

    killed = server.workers()[0]
    os.kill(killed, signal.SIGKILL)
    eventually(True, lambda: len(server.workers()) == WORKERS and killed not in server.workers())
    answered += send(server, REQUESTS // 5, seed=2)
    check_agreement(server, answered)


def test_every_histogram_counts_every_call_of_its_own(server: Server) -> None:
    send(server, 30, seed=3)
    eventually(True, lambda: sum(count_metrics(server).values()) == sum(count_rows(server).values()))
    samples = scrape(server)
    calls = sum_of(samples, "openclaw_webhooks_requests_total")
    assert sum_of(samples, "openclaw_webhooks_request_duration_seconds_count") == calls
    assert sum_of(samples, "openclaw_webhooks_request_duration_seconds_bucket", le="+Inf") == calls
    assert sum_of(samples, "openclaw_webhooks_step_duration_seconds_count", step="head") == calls
    (asked,) = query(server, "SELECT SUM(count) FROM openclaw_webhooks_call WHERE engine_us IS NOT NULL")[0]
    assert sum_of(samples, "openclaw_webhooks_engine_duration_seconds_count") == asked
    assert sum_of(samples, "openclaw_webhooks_workers") >= 1
    assert sum_of(samples, "openclaw_webhooks_call_records_dropped_total") == 0
