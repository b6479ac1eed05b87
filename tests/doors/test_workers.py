"""What must hold over several worker processes, and when they are killed: limits, slots, revisions, stored flows."""

from __future__ import annotations

import os
import pathlib
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.doors.raw import GET_NOTHING, hold_slots, read_response, request
from tests.live import LIVE, Door, Server, serve, source_of

DOORS: tuple[Door, ...] = ("gunicorn-asgi", "gunicorn-wsgi")


@pytest.fixture(scope="module", params=DOORS)
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(request.param, tmp_path_factory.mktemp(request.param), workers=4) as running:
        yield running


def test_300_requests_from_one_address_over_4_workers_pass_exactly_120_times(cluster: Server, source: str) -> None:
    def ask(_: int) -> int:
        status, _answer = cluster.call(LIVE, {"action": "get_flow", "flowId": "none"}, source=source)
        return status

    with ThreadPoolExecutor(6) as pool:
        statuses = Counter(pool.map(ask, range(300)))
    # Fewer than eight are under way at any moment, so every 429 is the rate's.
    assert statuses == {200: 120, 429: 180}


def test_eight_slots_held_by_killed_workers_are_free_again_within_two_seconds(cluster: Server, source: str) -> None:
    held = hold_slots(lambda _number: cluster.connect(source))
    assert len(held) == 8
    workers = cluster.workers()
    assert len(workers) == 4
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    killed_at = time.monotonic()
    assert _status_once_settled(cluster, source, 200) == 200
    assert time.monotonic() - killed_at < 2
    for sock in held:
        sock.close()


def _status_once_settled(server: Server, source: str, wanted: int) -> int:
    """Ask until the wanted status comes, at most for 10 seconds; a worker just killed cannot answer at all."""
    deadline, status = time.monotonic() + 10, 0
    while status != wanted and time.monotonic() < deadline:
        time.sleep(0.02)  # each call counts in the address's window of 120
        try:
            with server.connect(source, timeout=5) as sock:
                sock.sendall(request())
                status = read_response(sock).status
        except OSError:
            status = 0
    return status


def test_seven_callers_with_one_revision_make_one_change_and_six_conflicts(cluster: Server) -> None:
    with ThreadPoolExecutor(7) as pool:
        for turn in range(20):
            created = cluster.call(LIVE, {"action": "create_flow", "goal": "one winner"}, source=f"127.66.{turn}.99")
            flow_id = created[1]["result"]["flow"]["flowId"]
            barrier = threading.Barrier(7)

            def resume(
                caller: int, turn: int = turn, flow_id: str = flow_id, barrier: threading.Barrier = barrier
            ) -> int:
                barrier.wait()
                body = {"action": "resume_flow", "flowId": flow_id, "expectedRevision": 0}
                status, answer = cluster.call(LIVE, body, source=f"127.66.{turn}.{caller + 1}")
                if status == 409:
                    assert (answer["code"], answer["result"]["current"]["revision"]) == ("revision_conflict", 1)
                return status

            assert Counter(pool.map(resume, range(7))) == {200: 1, 409: 6}


@pytest.mark.parametrize("door", DOORS)
def test_no_acknowledged_flow_is_lost_when_everything_is_killed(door: Door, tmp_path: pathlib.Path) -> None:
    acknowledged: list[str] = []
    stopped = threading.Event()

    def write(server: Server, writer: int) -> None:
        call = 0
        while not stopped.is_set():
            call += 1
            try:
                status, answer = server.call(
                    LIVE,
                    {"action": "create_flow", "goal": f"writer {writer}"},
                    source=source_of(40 + writer, call),
                )
            except (OSError, ValueError):
                return
            if status == 200:
                acknowledged.append(answer["result"]["flow"]["flowId"])

    with serve(door, tmp_path, workers=2) as server, ThreadPoolExecutor(6) as pool:
        for writer in range(6):
            pool.submit(write, server, writer)
        deadline = time.monotonic() + 20
        while len(acknowledged) < 200 and time.monotonic() < deadline:
            time.sleep(0.01)
        server.kill_all()
        stopped.set()
    assert len(acknowledged) >= 200
    with serve(door, tmp_path, workers=2) as server:
        status, answer = server.call(LIVE, {"action": "list_flows"}, source="127.40.250.250")
    assert status == 200
    stored = {flow["flowId"] for flow in answer["result"]["flows"]}
    assert set(acknowledged) <= stored


def test_get_nothing_is_a_call_that_changes_nothing(cluster: Server, source: str) -> None:
    with cluster.connect(source) as sock:
        sock.sendall(request(GET_NOTHING))
        assert read_response(sock).json["result"] == {"flow": None}
