"""The server beside a Gateway, over TCP and over the unix socket; the Gateway is killed under load."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import threading
import time

import pytest

from project.gateway.check import SECRET_VARIABLE, play, prepare_routes
from project.gateway.hosted import read_document
from tests.bridge.gateways import (
    PATH,
    SESSION_KEY,
    build_document,
    count_rows,
    list_flow_ids,
    running_bridge,
    wait_until,
)
from tests.bridge.gateways import SECRET as ROUTE_SECRET
from tests.live import SHARED, Server, free_port, serve, source_of
from tests.requirements import require

KILLS = int(os.environ.get("BRIDGE_KILLS", "3"))
STUCK_AFTER_SECONDS = 2
TOKEN = "a-token-of-the-bridge-tests"
CREATE = {"action": "create_flow", "goal": "Review inbound queue"}


def routes_of(document: dict[str, object]) -> dict[str, object]:
    routes: dict[str, object] = document["plugins"]["entries"]["webhooks"]["config"]["routes"]  # type: ignore[index]
    return routes


def test_every_recorded_conversation_goes_over_tcp(tmp_path: pathlib.Path) -> None:
    require(f"the recorded conversations ({SHARED})", (SHARED / "conformance").is_dir())
    config = prepare_routes(tmp_path / "routes")
    plugin_config = {"bridge": {"port": free_port(), "token": TOKEN}}
    environ = {**SECRET_VARIABLE, "OPENCLAW_WEBHOOKS_ENGINE": "bridge", "BRIDGE_SECRET": TOKEN}
    environ["OPENCLAW_WEBHOOKS_BRIDGE_TOKEN"] = "${BRIDGE_SECRET}"
    with running_bridge(
        tmp_path / "gateway", plugin_config=plugin_config, routes=routes_of(read_document(config))
    ) as bridge:
        environ["OPENCLAW_WEBHOOKS_BRIDGE_URL"] = bridge.url
        with serve("gunicorn-asgi", tmp_path, config=config, workers=2, environ=environ) as server:
            played = play(server.address[1])
            assert played.endswith("310 passed, 0 failed\n"), played[-3000:] + server.log[-3000:]
            assert count_rows(server.data_dir, "openclaw_webhooks_flow") == 0
        assert TOKEN not in server.log


class Callers:
    """Callers that create and read flows without a pause; each notes what it was told and for how long it waits.

    Attributes:
        acknowledged: Goals of the flows that were answered with 200.
        denied: Goals of the flows whose callers were told that certainly nothing has happened.
    """

    def __init__(self, server: Server, *, count: int = 4) -> None:
        self._server = server
        self._stop = threading.Event()
        self.acknowledged: set[str] = set()
        self.denied: set[str] = set()
        self.told: set[tuple[int, str]] = set()
        self._waiting_since: dict[int, float] = {}
        self._threads = [threading.Thread(target=self._call, args=(number,)) for number in range(count)]

    def __enter__(self) -> Callers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive()

    def _call(self, number: int) -> None:
        call = 0
        while not self._stop.is_set():
            call += 1
            goal = f"{number}-{call}" if call % 2 else ""
            body = {**CREATE, "goal": goal} if goal else {"action": "find_latest_flow"}
            self._waiting_since[number] = time.monotonic()
            status, answer = self._server.call(PATH, body, source=source_of(100 + number, call), secret=ROUTE_SECRET)
            del self._waiting_since[number]
            self._note(goal, status, answer.get("code", "") if isinstance(answer, dict) else str(answer))
            if status != 200:
                time.sleep(0.02)

    def _note(self, goal: str, status: int, code: str) -> None:
        self.told.add((status, code))
        if goal and status == 200:
            self.acknowledged.add(goal)
        if goal and code == "persist_failed":
            self.denied.add(goal)

    def count_waiting(self, *, since: float) -> int:
        """Count who waits for an answer since then or longer."""
        return sum(began <= since for began in list(self._waiting_since.values()))


def wait_for_more(callers: Callers) -> None:
    before = len(callers.acknowledged)
    wait_until(lambda: len(callers.acknowledged) > before + 20)


@pytest.mark.parametrize("door", ["gunicorn-asgi", "gunicorn-wsgi"])
def test_a_killed_gateway_costs_503_and_nothing_that_was_acknowledged(door: str, tmp_path: pathlib.Path) -> None:
    config = tmp_path / "openclaw.json"
    config.write_text(json.dumps(build_document()), encoding="utf-8")
    config.chmod(0o600)
    with running_bridge(tmp_path / "a-folder-too-deep-for-a-socket" / ("x" * 80)) as bridge:
        environ = {"OPENCLAW_WEBHOOKS_ENGINE": "bridge", "OPENCLAW_WEBHOOKS_BRIDGE_URL": bridge.url}
        with (
            serve(door, tmp_path, config=config, workers=2, environ=environ) as server,  # type: ignore[arg-type]
            Callers(server) as callers,
        ):
            for _ in range(KILLS):
                wait_for_more(callers)
                bridge.process.kill()
                killed_at = time.monotonic()
                away = server.call(PATH, CREATE, source="127.9.0.1", secret=ROUTE_SECRET)
                assert (away[0], away[1]["code"]) in {(503, "persist_failed"), (503, "outcome_unknown")}
                time.sleep(max(0, killed_at + STUCK_AFTER_SECONDS - time.monotonic()))
                assert callers.count_waiting(since=killed_at) == 0
                bridge.start()
                back = server.call(PATH, CREATE, source="127.9.0.2", secret=ROUTE_SECRET)
                assert back[0] == 200, back
            assert callers.told <= {
                (200, ""),
                (503, "persist_failed"),
                (503, "outcome_unknown"),
                (503, "engine_unavailable"),
            }
        flows = bridge.engine().bind_session(SESSION_KEY).list_flows()
        assert callers.acknowledged <= {flow.goal for flow in flows}
        assert not callers.denied & {flow.goal for flow in flows}
        assert {flow.flow_id for flow in flows} <= list_flow_ids(bridge.process)


def test_a_gateway_that_hangs_holds_nobody_longer_than_the_limit(tmp_path: pathlib.Path) -> None:
    """A stopped process accepts connections and answers nothing."""
    with running_bridge(tmp_path / "a-folder-too-deep-for-a-socket" / ("x" * 80)) as bridge:
        session = bridge.engine(total_seconds=0.5).bind_session(SESSION_KEY)
        session.list_flows()
        bridge.process.process.send_signal(signal.SIGSTOP)
        try:
            told = []
            for _ in range(6):
                try:
                    session.list_flows()
                except Exception as error:  # noqa: BLE001 - its kind and words are what is tested
                    told.append((type(error).__name__, str(error)))
        finally:
            bridge.process.process.send_signal(signal.SIGCONT)
        assert [name for name, _ in told] == ["EngineUnavailable"] * 6
        assert "did not answer a moment ago" in told[-1][1]
        wait_until(lambda: _answers(session), seconds=20)


def _answers(session: object) -> bool:
    try:
        session.list_flows()  # type: ignore[attr-defined]
    except Exception:  # noqa: BLE001 - not yet
        return False
    return True
