"""Workers of a real server: the processors that they keep to, and whether their threads interrupt."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from openclaw_webhooks.servers.scheduling import interrupt_nobody
from tests.live import LIVE, Door, Server, serve

PATIENCE_SECONDS = 10

if not hasattr(os, "SCHED_BATCH"):
    pytest.skip("Linux alone can be told", allow_module_level=True)


@pytest.fixture
def cpus() -> Iterator[set[int]]:
    """Have servers that are started meanwhile use two processors, or the only one there is."""
    before = os.sched_getaffinity(0)
    chosen = set(sorted(before)[:2])
    os.sched_setaffinity(0, chosen)
    yield chosen
    os.sched_setaffinity(0, before)


def ask_threads(server: Server, ask: Callable[[int], set[int]]) -> list[set[int]]:
    """Ask all threads of each worker; return each worker's answers together, nothing where a thread ended meanwhile."""
    try:
        found = [
            set[int]().union(*(ask(int(thread.name)) for thread in Path(f"/proc/{worker}/task").iterdir()))
            for worker in server.workers()
        ]
    except (FileNotFoundError, ProcessLookupError):
        return []
    return sorted(found, key=sorted)


def policy_of(thread: int) -> set[int]:
    return {os.sched_getscheduler(thread)}


def wait_for(
    server: Server,
    expected: list[set[int]],
    ask: Callable[[int], set[int]] = os.sched_getaffinity,
    *,
    instead_of: Collection[int] = (),
) -> None:
    """Wait until workers other than ``instead_of`` keep to these processors, or answer so to something else."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (found := ask_threads(server, ask)) != expected or set(instead_of) & set(server.workers()):
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("door", "policy"), [("gunicorn-asgi", os.SCHED_BATCH), ("gunicorn-wsgi", os.SCHED_OTHER)], ids=["asgi", "wsgi"]
)
def test_each_processor_has_a_worker_of_its_own_also_after_one_was_killed(
    door: Door, policy: int, tmp_path: Path, cpus: set[int]
) -> None:
    one_each = [{cpu} for cpu in sorted(cpus)]
    with serve(door, tmp_path, workers=len(cpus)) as server:
        wait_for(server, one_each)
        # So that the engine's thread runs.
        assert server.call(LIVE, {"action": "find_latest_flow"})[0] == 200
        wait_for(server, [{policy}] * len(cpus), policy_of)
        killed, *_ = workers = server.workers()
        os.kill(killed, signal.SIGKILL)
        wait_for(server, one_each, instead_of=[killed])
        server.process.send_signal(signal.SIGHUP)
        wait_for(server, one_each, instead_of=workers)


def test_workers_that_cannot_be_spread_evenly_are_left_to_the_kernel(tmp_path: Path, cpus: set[int]) -> None:
    if len(cpus) < 2:
        pytest.skip("one processor has all the workers, however many")
    with serve("gunicorn-asgi", tmp_path, workers=3) as server:
        wait_for(server, [cpus] * 3)


@pytest.mark.parametrize("asked", [1, 2])
def test_a_gateway_that_hosts_the_server_is_left_a_processor(asked: int, tmp_path: Path, cpus: set[int]) -> None:
    environ = {"OPENCLAW_WEBHOOKS_HOST_TOKEN": "a-token-of-the-tests"}
    with serve("gunicorn-asgi", tmp_path, workers=asked, environ=environ) as server:
        wait_for(server, [{cpu} for cpu in (sorted(cpus) * 2)[:asked]])


def test_one_worker_of_two_processors_is_left_to_the_kernel(tmp_path: Path, cpus: set[int]) -> None:
    with serve("gunicorn-asgi", tmp_path, workers=1) as server:
        wait_for(server, [cpus])


def test_it_can_be_turned_off(tmp_path: Path, cpus: set[int]) -> None:
    with serve("gunicorn-asgi", tmp_path, workers=2, environ={"OPENCLAW_WEBHOOKS_CPU_AFFINITY": "off"}) as server:
        wait_for(server, [cpus] * 2)


@pytest.mark.parametrize(("before", "after"), [(os.SCHED_OTHER, os.SCHED_BATCH), (os.SCHED_IDLE, os.SCHED_IDLE)])
def test_a_policy_that_a_process_was_started_with_is_kept(before: int, after: int) -> None:
    def ask() -> int:
        os.sched_setscheduler(0, before, os.sched_param(0))
        interrupt_nobody()
        return os.sched_getscheduler(0)

    with ThreadPoolExecutor(1) as thread:  # which has the policy to itself
        assert thread.submit(ask).result() == after
