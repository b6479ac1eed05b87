"""What floods of requests without a secret do to one well-behaved client, kind by kind.

Each kind is sent by a few callers at once, again and again as the server ends it, from addresses of their own.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TypeAlias

from benchmarks.hostile import Disturbance, largest_worker_bytes
from benchmarks.loadgen import Target
from benchmarks.probe import next_address, probe
from benchmarks.report import log
from benchmarks.systems import run_app
from tests.live import Door

Flood: TypeAlias = Callable[[Target, threading.Event], None]
_CALLERS: Final = 8
_PIECE: Final = b"a:b\r\n" * 12_000
_STATIC: Final = "/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js"
_COOKIE: Final = "a" * 32
_UNREAD_EACH: Final = 12
_PACE_SECONDS: Final = 0.02
"""Between two calls of a caller, so that a flood measures the server and not how fast this process sends."""


def measure_floods(folder: Path, *, door: Door, requests: int) -> Iterator[Disturbance]:
    """Probe a server alone, then under each kind of flood, on a server of its own."""
    for kind, flood in FLOODS.items():
        (folder / kind).mkdir(parents=True)
        with run_app(door, folder / kind) as target:
            alone = probe(target, requests=requests)
            with _flooded(target, flood):
                log(f"{target.name} is flooded with {kind}")
                disturbed = probe(target, requests=requests)
                resident_bytes = largest_worker_bytes(target)
        yield Disturbance(door=door, kind=kind, alone=alone, disturbed=disturbed, resident_bytes=resident_bytes)


@contextmanager
def _flooded(target: Target, flood: Flood) -> Iterator[None]:
    stop = threading.Event()

    def repeat() -> None:
        while not stop.wait(_PACE_SECONDS):
            with suppress(OSError):  # the server ends what is too much
                flood(target, stop)

    callers = [threading.Thread(target=repeat) for _ in range(_CALLERS)]
    for caller in callers:
        caller.start()
    stop.wait(1)
    try:
        yield
    finally:
        stop.set()
        for caller in callers:
            caller.join()


def _connect(target: Target) -> socket.socket:
    return socket.create_connection(("127.0.0.1", target.port), timeout=5, source_address=(next_address(), 0))


def _head(path: str, *fields: str, method: str = "POST") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *fields, "", ""]).encode()


def _send_trailers(target: Target, stop: threading.Event) -> None:
    with _connect(target) as sock:
        sock.sendall(_head(target.path, "Content-Type: application/json", "Transfer-Encoding: chunked") + b"0\r\n")
        while not stop.is_set():
            sock.sendall(_PIECE)


def _send_body_elsewhere(target: Target, stop: threading.Event) -> None:
    with _connect(target) as sock:
        sock.sendall(_head("/nothing-here", "Content-Length: 1000000000"))
        while not stop.is_set():
            sock.sendall(_PIECE)


def _leave_answers_unread(target: Target, stop: threading.Event) -> None:
    socks = [_connect(target) for _ in range(_UNREAD_EACH)]
    for sock in socks:
        sock.sendall(_head(_STATIC, method="GET") * 6)
    stop.wait(10)
    for sock in socks:
        sock.close()


def _sign_in(target: Target, _stop: threading.Event) -> None:
    form = f"username=operator&password=guess&csrfmiddlewaretoken={_COOKIE}".encode()
    fields = ("Content-Type: application/x-www-form-urlencoded", f"Cookie: openclaw_webhooks_csrf={_COOKIE}")
    with _connect(target) as sock:
        sock.sendall(_head("/admin/login/", *fields, f"Content-Length: {len(form)}", "Connection: close") + form)
        while sock.recv(65_536):
            pass


def _reset(target: Target, _stop: threading.Event) -> None:
    body = b'{"action":"find_latest_flow"}'
    fields = ("Content-Type: application/json", "Authorization: Bearer wrong", f"Content-Length: {len(body)}")
    with _connect(target) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.sendall(_head(target.path, *fields) + body)


FLOODS: Final[Mapping[str, Flood]] = {
    "trailers": _send_trailers,
    "bodies elsewhere": _send_body_elsewhere,
    "unread answers": _leave_answers_unread,
    "sign-ins": _sign_in,
    "resets": _reset,
}
