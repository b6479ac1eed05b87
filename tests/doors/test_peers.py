"""Who a caller is, told by real sockets: a peer that is gone is none on a unix socket, and passes no limit as one."""

from __future__ import annotations

import re
import socket
import struct
import time
from collections.abc import Iterator

import pytest

from tests.doors.raw import read_response, request
from tests.live import DOORS, Server, serve

GUESSES = 300
_RESET = struct.pack("ii", 1, 0)


@pytest.fixture(scope="module", params=DOORS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("peers")
    environ = {"OPENCLAW_WEBHOOKS_CALL_LOG": "all"}
    with serve(request.param, folder, environ=environ, unix_socket=folder / "s") as running:
        yield running


def connect_unix(server: Server) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(20)
    sock.connect(str(server.data_dir.parent / "s"))
    return sock


def guess_and_reset(server: Server) -> None:
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        sock.connect(server.address)
        sock.sendall(request(Authorization="Bearer a-guess"))


def wait_for_clients(server: Server, status: int) -> set[str]:
    deadline = time.monotonic() + 10
    while not (found := re.findall(rf" status={status} .*?client=(\S+)", server.log)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return set(found)


def test_peers_that_reset_take_nothing_from_those_on_a_unix_socket(server: Server) -> None:
    for _ in range(GUESSES):
        guess_and_reset(server)
    for _ in range(3):
        with connect_unix(server) as sock:
            sock.sendall(request())
            assert read_response(sock).status == 200
    assert wait_for_clients(server, 200) == {"unix"}
    assert "unix" not in wait_for_clients(server, 401)
