"""Sign-ins to the stand-alone server at both of its doors, over two workers."""

from __future__ import annotations

import hashlib
import http.client
import itertools
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.live import LIVE, Door, Server, serve
from tests.monitoring.scraping import TOKEN, WATCHED, ask, parse_metrics, sum_of
from tests.sign_ins.test_hashers import low_threads

TWO_DOORS: tuple[Door, ...] = ("gunicorn-asgi", "gunicorn-wsgi")
ATTEMPTS = 10
CSRF = "a" * 32
PASSWORD = "a-password-of-the-tests"
_sources = (f"127.88.{high}.{low}" for high, low in itertools.product(range(256), range(1, 250)))


@pytest.fixture(scope="module", params=TWO_DOORS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    door: Door = request.param
    with serve(door, tmp_path_factory.mktemp(door), workers=2, environ=WATCHED) as running:
        yield running


def post(server: Server, source: str, name: str = "", password: str = "") -> tuple[int, str | None]:
    """Try to sign in; return status and ``Retry-After``."""
    form = urlencode({"username": name, "password": password, "csrfmiddlewaretoken": CSRF, "next": "/admin/"})
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Cookie": f"openclaw_webhooks_csrf={CSRF}",
        "Connection": "close",
    }
    connection = http.client.HTTPConnection(*server.address, timeout=30, source_address=(source, 0))
    try:
        connection.request("POST", "/admin/login/", form, headers)
        response = connection.getresponse()
        response.read()
        return response.status, response.headers["Retry-After"]
    finally:
        connection.close()


def create_operator(server: Server, name: str) -> None:
    environ = {
        **{key: value for key, value in os.environ.items() if not key.startswith(("OPENCLAW", "DJANGO"))},
        "OPENCLAW_WEBHOOKS_DATA_DIR": str(server.data_dir),
        "DJANGO_SUPERUSER_PASSWORD": PASSWORD,
    }
    command = [sys.executable, "manage.py", "createsuperuser", "--noinput", "--username", name, "--email", ""]
    subprocess.run(command, env=environ, check=True, timeout=60, capture_output=True)


def hashing_ticks(server: Server) -> int:
    """Return how much processor time the workers have spent on passwords, in ticks."""
    stats = [(task / "stat").read_text() for worker in server.workers() for task in low_threads(worker)]
    return sum(int(number) for stat in stats for number in stat.rpartition(")")[2].split()[11:13])


def count_refused(server: Server, outcome: str) -> float:
    status, text = ask(server, "/metrics", token=TOKEN)
    assert status == 200
    return sum_of(parse_metrics(text), "openclaw_webhooks_sign_ins_total", outcome=outcome)


def test_over_both_workers_an_address_has_ten_attempts_and_costs_no_hash_afterwards(server: Server) -> None:
    source = next(_sources)
    assert [post(server, source)[0] for _ in range(ATTEMPTS)] == [200] * ATTEMPTS
    before = hashing_ticks(server)
    answers = [post(server, source, f"account-{number}", "guess") for number in range(20)]
    assert {status for status, _ in answers} == {429}
    assert all(1 <= int(seconds or 0) <= 60 for _, seconds in answers)
    assert hashing_ticks(server) == before
    assert post(server, next(_sources), "account", "guess")[0] == 200
    assert hashing_ticks(server) > before, "so this is where hashes are computed"
    assert server.call(LIVE, {"action": "find_latest_flow"}, source=source)[0] == 200
    assert "Sign-in refused, too many attempts from" in server.log
    assert "account-1" not in server.log


def test_an_attack_on_an_account_does_not_lock_out_the_address_that_it_knows(server: Server) -> None:
    create_operator(server, "operator")
    home = next(_sources)
    assert post(server, home, "operator", PASSWORD)[0] == 302
    # Without a password, so that the test need not wait for ten hashes.
    assert [post(server, next(_sources), "operator")[0] for _ in range(ATTEMPTS - 1)] == [200] * (ATTEMPTS - 1)
    assert [post(server, next(_sources), "operator", PASSWORD)[0] for _ in range(4)] == [429] * 4
    assert post(server, home, "Operator")[0] == 200
    assert post(server, home, "operator", PASSWORD)[0] == 302


def test_of_many_at_once_most_are_asked_to_come_again(server: Server) -> None:
    sources = [next(_sources) for _ in range(16)]
    with ThreadPoolExecutor(len(sources)) as pool:
        answers = list(pool.map(lambda source: post(server, source, f"name-{source}", "guess"), sources))
    told = Counter(answers)
    assert set(told) == {(200, None), (503, "1")}
    # At most two at once in each worker, and each takes a good part of a second.
    assert told[503, "1"] >= 4
    deadline = time.monotonic() + 10
    while count_refused(server, "busy") < told[503, "1"] and time.monotonic() < deadline:
        time.sleep(0.1)
    assert count_refused(server, "busy") == told[503, "1"]


def test_each_worker_has_one_thread_for_passwords(server: Server) -> None:
    post(server, next(_sources), "anybody", "guess")
    counts = [len(low_threads(worker)) for worker in server.workers()]
    assert max(counts) == 1


def test_nothing_of_the_counting_is_left_behind(tmp_path: Path) -> None:
    key = "a-key-of-this-test-alone-0123456789-0123456789-abcdef"
    deployment = hashlib.sha256(f"openclaw-webhooks:{key}".encode()).hexdigest()[:16]

    def tables() -> list[str]:
        found = Path("/dev/shm").glob(f"openclaw-webhooks-{os.getuid()}-{deployment}-sign-in-*")
        return sorted(path.name.rpartition("-")[2] for path in found)

    with serve("gunicorn-wsgi", tmp_path, environ={"SECRET_KEY": key}) as running:
        assert tables() == [], "nothing is opened before the first sign-in"
        post(running, next(_sources), "operator")
        assert tables() == ["accounts", "addresses"]
    assert tables() == []
