"""Who may see what on the pages for monitoring, and what is not ready, over the real doors."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator

import pytest

from tests.live import DOORS, LIVE, Door, Server, serve
from tests.monitoring.scraping import TOKEN, WATCHED, ask, ask_json, parse_metrics, sum_of

OPERATOR = "127.0.0.2"


@pytest.fixture(scope="module", params=DOORS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    door: Door = request.param
    environ = WATCHED | {"OPENCLAW_WEBHOOKS_LOG_FORMAT": "json"}
    with serve(door, tmp_path_factory.mktemp(door), workers=1, environ=environ) as running:
        yield running


def test_a_probe_by_address_finds_the_server_alive_and_ready(server: Server) -> None:
    assert ask(server, "/healthz", host="10.9.8.7") == (200, "ok\n")
    assert ask_json(server, "/readyz", host="10.9.8.7") == (200, {"ready": True})
    assert ask(server, "/healthz", method="POST")[0] == 405
    assert ask(server, "/readyz", method="HEAD") == (200, "")


def test_an_operator_sees_every_check(server: Server) -> None:
    everything = {name: {"ready": True} for name in ("configuration", "database", "limits", "engine")}
    assert ask_json(server, "/readyz", source=OPERATOR) == (200, {"ready": True, "checks": everything, "notes": []})
    assert ask_json(server, "/readyz", token=TOKEN)[1]["checks"] == everything


@pytest.mark.parametrize("token", ["", "a-wrong-token-of-nobody"])
def test_metrics_are_for_the_token_and_the_listed_address(server: Server, token: str) -> None:
    assert ask(server, "/metrics", token=token) == (401, "Unauthorized\n")
    assert ask(server, "/metrics", token=token, source=OPERATOR)[0] == 200
    assert ask(server, "/metrics", token=TOKEN)[0] == 200


def test_a_refused_call_is_one_line_in_the_log(server: Server) -> None:
    server.call(LIVE, {"action": "list_flows"}, secret="a-wrong-secret-that-nobody-logs", source="127.91.0.1")
    ask(server, "/metrics", token=TOKEN)  # has observed by then
    lines = [line for line in server.log.splitlines() if '"127.91.0.1"' in line]
    assert len(lines) == 1
    assert '"status": 401' in lines[0]
    assert '"level": "info"' in lines[0]
    assert "nobody-logs" not in server.log


def test_a_database_that_is_gone_is_named_and_what_to_do(server: Server) -> None:
    path = server.data_dir / "openclaw-webhooks.sqlite3"
    moved = [file for file in server.data_dir.iterdir() if file.name.startswith(path.name)]
    aside = server.data_dir / "aside"
    aside.mkdir(exist_ok=True)
    for file in moved:
        shutil.move(file, aside / file.name)
    try:
        status, told = until_not_ready(server)
    finally:
        for file in server.data_dir.glob(f"{path.name}*"):
            file.unlink()
        for file in moved:
            shutil.move(aside / file.name, file)
    assert status == 503
    assert told["checks"]["database"]["ready"] is False
    assert "manage.py migrate" in told["checks"]["database"]["cause"]
    assert ask(server, "/healthz")[0] == 200


def until_not_ready(server: Server) -> tuple[int, dict[str, dict[str, dict[str, object]]]]:
    """Ask again while the answer of the last second is still told."""
    for _ in range(200):
        status, told = ask_json(server, "/readyz", source=OPERATOR)
        if status == 503:
            break
        time.sleep(0.05)
    return status, told


def test_a_page_that_is_switched_off_is_no_page(tmp_path_factory: pytest.TempPathFactory) -> None:
    with serve("gunicorn-asgi", tmp_path_factory.mktemp("plain")) as plain:
        assert ask(plain, "/metrics", token=TOKEN)[0] == 404
        assert ask_json(plain, "/readyz", token="") == (200, {"ready": True})


def test_secrets_are_counted_by_source_and_outcome(server: Server) -> None:
    samples = parse_metrics(ask(server, "/metrics", token=TOKEN)[1])
    assert sum_of(samples, "openclaw_webhooks_limit_store_up") == 1
    assert sum_of(samples, "openclaw_webhooks_database_up") == 1
