"""A real Gateway that hosts this server: answers, whose flows they are, who may pretend what, and who is killed."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import pathlib
import signal
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from project.gateway.check import SECRET_VARIABLE, play, prepare_routes
from project.gateway.hosted import read_document
from project.gateway.process import GatewayProcess
from tests.bridge.gateways import (
    PATH,
    SECRET,
    count_rows,
    find_bridge_url,
    list_flow_ids,
    running_host,
    wait_until,
)
from tests.live import SHARED, source_of
from tests.requirements import require

KILLS = int(os.environ.get("BRIDGE_KILLS", "3"))
CREATE = {"action": "create_flow", "goal": "Review inbound queue"}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    with running_host(tmp_path_factory.mktemp("host") / "it") as gateway:
        yield gateway


def post(
    gateway: GatewayProcess, body: Any, *, source: str = "127.0.0.1", headers: dict[str, str] | None = None
) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30, source_address=(source, 0))
    sent = {"Content-Type": "application/json", "Authorization": f"Bearer {SECRET}", **(headers or {})}
    with contextlib.closing(connection):
        connection.request("POST", PATH, json.dumps(body), sent)
        response = connection.getresponse()
        raw = response.read()
    try:
        return response.status, json.loads(raw)
    except ValueError:
        return response.status, raw.decode()


def app_dir(gateway: GatewayProcess) -> pathlib.Path:
    return gateway.folder.parent / "app"


def masters(gateway: GatewayProcess) -> list[int]:
    """Process ids of the hosted server's masters: children of the Gateway that run gunicorn."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == gateway.process.pid and b"gunicorn" in (path / "cmdline").read_bytes():
                found.append(int(path.name))
    return found


def is_running(process: int) -> bool:
    """Tell whether a process runs; one that nobody has waited for does not."""
    try:
        return pathlib.Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_every_recorded_conversation_goes_through_the_gateways_port(tmp_path: pathlib.Path) -> None:
    require(f"the recorded conversations ({SHARED})", (SHARED / "conformance").is_dir())
    document = read_document(prepare_routes(tmp_path / "routes"))
    with running_host(tmp_path / "host", document=document, environ=SECRET_VARIABLE) as gateway:
        played = play(gateway.port)
        assert played.endswith("310 passed, 0 failed\n"), played[-3000:] + gateway.read_log()[-3000:]
        assert len(list_flow_ids(gateway)) > 50
        assert count_rows(app_dir(gateway), "openclaw_webhooks_flow") == 0
        wait_until(lambda: count_rows(app_dir(gateway), "openclaw_webhooks_call") > 310)


def test_a_flow_is_in_the_gateways_own_list(host: GatewayProcess) -> None:
    status, answer = post(host, CREATE)
    assert status == 200
    assert answer["result"]["flow"]["flowId"] in list_flow_ids(host)


@pytest.mark.parametrize("token", ["", "guessed-token-of-somebody"])
def test_a_forged_client_address_gains_nothing(host: GatewayProcess, token: str) -> None:
    """One caller that says it is another each time is still counted as one."""
    source = "127.7.0.1" if token else "127.7.0.2"
    statuses = []
    for number in range(122):
        forged = {"x-openclaw-webhooks-client": f"198.51.100.{number}", "x-openclaw-webhooks-host": token}
        statuses.append(post(host, {"action": "find_latest_flow"}, source=source, headers=forged)[0])
    assert statuses == [200] * 120 + [429] * 2


def test_the_caller_and_not_the_gateway_is_counted(host: GatewayProcess) -> None:
    for _ in range(121):
        status, _ = post(host, {"action": "find_latest_flow"}, source="127.7.0.3")
    assert status == 429
    assert post(host, {"action": "find_latest_flow"}, source="127.7.0.4")[0] == 200


def test_another_user_of_the_machine_cannot_use_the_sockets(host: GatewayProcess) -> None:
    require("root, to become another user", os.getuid() == 0)
    folder = pathlib.Path(find_bridge_url(host).removeprefix("unix://")).parent
    sockets = sorted(folder.glob("*.sock"))
    assert [path.name for path in sockets] == ["app.sock", "bridge.sock"]
    for path in sockets:
        for part in folder.parents:  # The folders of the test are no part of what is tested.
            if part != pathlib.Path("/"):
                part.chmod(part.stat().st_mode | 0o011)
        assert _connect_as(65534, path) == "PermissionError"
        assert _connect_as(0, path) == ""


def _connect_as(uid: int, path: pathlib.Path) -> str:
    """Return the name of the error that a user gets who connects, if any."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.setuid(uid)
        told = b""
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(path))
        except OSError as error:
            told = type(error).__name__.encode()
        os.write(writing, told)
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading) as pipe:
        return pipe.read()


class Writers:
    """Callers that create flows without a pause and note what they were told."""

    def __init__(self, gateway: GatewayProcess, *, count: int = 4) -> None:
        self._gateway = gateway
        self._stop = threading.Event()
        self.acknowledged: set[str] = set()
        self.refused: list[tuple[int, Any]] = []
        self.unanswered = 0
        self.longest_seconds = 0.0
        self._threads = [threading.Thread(target=self._write, args=(number,)) for number in range(count)]

    def __enter__(self) -> Writers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def _write(self, number: int) -> None:
        call = 0
        while not self._stop.is_set():
            call += 1
            try:
                status, answer = post(self._gateway, CREATE, source=source_of(100 + number, call))
            except (OSError, http.client.HTTPException):
                self.unanswered += 1
                time.sleep(0.05)
                continue
            if status == 200:
                self.acknowledged.add(answer["result"]["flow"]["flowId"])
            else:
                self.refused.append((status, answer))
                time.sleep(0.05)


def wait_for_more(writers: Writers) -> None:
    """Wait until callers are served again."""
    before = len(writers.acknowledged)
    wait_until(lambda: len(writers.acknowledged) > before + 20)


def test_a_killed_server_comes_back_and_loses_nothing(tmp_path: pathlib.Path) -> None:
    with running_host(tmp_path / "it") as gateway:
        with Writers(gateway) as writers:
            for _ in range(KILLS):
                wait_for_more(writers)
                (master,) = masters(gateway)
                os.killpg(master, signal.SIGKILL)
                wait_until(lambda gone=master: masters(gateway) not in ([], [gone]))
            wait_for_more(writers)
        assert writers.acknowledged <= list_flow_ids(gateway)
        assert writers.unanswered == 0, "the Gateway answers for a server that is away"
        assert {status for status, _ in writers.refused} <= {502, 503}, writers.refused[:3]
        gateway.stop()
        assert masters(gateway) == []


def test_a_killed_gateway_takes_its_server_along_and_loses_nothing(tmp_path: pathlib.Path) -> None:
    with running_host(tmp_path / "it") as gateway:
        acknowledged: set[str] = set()
        for _ in range(KILLS):
            with Writers(gateway) as writers:
                wait_for_more(writers)
                orphans = masters(gateway)
                gateway.kill()
            assert {status for status, _ in writers.refused} <= {502, 503}, writers.refused[:3]
            acknowledged |= writers.acknowledged
            wait_until(lambda gone=orphans: not any(map(is_running, gone)))
            gateway.start()
            gateway.wait_for_route(PATH)
            assert post(gateway, {"action": "list_flows"})[0] == 200
        assert acknowledged <= list_flow_ids(gateway)
