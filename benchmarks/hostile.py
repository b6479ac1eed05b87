"""What others' bad manners and long lists do to one well-behaved client.

Hostile: clients that connect and send nothing, that withhold their bodies and that drip them, with a right and with a
wrong secret, each from an address of its own so that no limit spares the server. List: clients that list ten thousand
flows again and again.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.loadgen import Load, LoadGenerator, Target
from benchmarks.probe import Latencies, next_address, probe
from benchmarks.processes import list_tree, read_usage
from benchmarks.report import log
from benchmarks.systems import run_app
from tests.live import Door

BOUND_P99_MS: Final = 100.0
_DRIP_EVERY_SECONDS: Final = 0.5
_BODY_BYTES: Final = 1000
_LISTERS: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Disturbance:
    """One client's latencies in peace and under disturbance, and the largest worker meanwhile."""

    door: str
    kind: str
    alone: Latencies
    disturbed: Latencies
    resident_bytes: int

    @property
    def is_within_bound(self) -> bool:
        """Tell whether the client hardly noticed."""
        return self.disturbed.p99_ms < BOUND_P99_MS


def measure_hostile(folder: Path, *, door: Door, clients: int, requests: int) -> Disturbance:
    """Probe a server alone, then among ``clients`` of each hostile kind."""
    with run_app(door, folder) as target:
        alone = probe(target, requests=requests)
        with _hostile(target, clients):
            log(f"{4 * clients} hostile clients are connected to {target.name}")
            disturbed = probe(target, requests=requests)
            resident_bytes = largest_worker_bytes(target)
    return Disturbance(door=door, kind="hostile", alone=alone, disturbed=disturbed, resident_bytes=resident_bytes)


def measure_lists(folder: Path, *, door: Door, flows: int, requests: int) -> Disturbance:
    """Probe a server alone, then while others list ``flows`` flows without a pause."""
    generator = LoadGenerator()
    with run_app(door, folder) as target:
        generator.run(target, Load("create", requests=flows, warm_up=0))
        alone = probe(target, requests=requests)
        with _listing(target, generator):
            disturbed = probe(target, requests=requests)
            resident_bytes = largest_worker_bytes(target)
    return Disturbance(door=door, kind=f"list {flows}", alone=alone, disturbed=disturbed, resident_bytes=resident_bytes)


def largest_worker_bytes(target: Target) -> int:
    """Return the resident memory of the largest process of a server."""
    return max(read_usage(pid).resident_bytes for pid in list_tree(target.pid))


@contextmanager
def _hostile(target: Target, clients: int) -> Iterator[None]:
    """Connect all hostile clients; those that are refused or timed out come back, as such clients do."""
    stop = threading.Event()
    heads = (b"", *(_build_head(target, secret) for secret in (target.secret, "wrong-" + target.secret)))
    plans = [(heads[0], False), (heads[1], False), (heads[1], True), (heads[2], True)]
    crowd = threading.Thread(target=_misbehave, args=(target, plans * clients, stop))
    crowd.start()
    time.sleep(2 * _DRIP_EVERY_SECONDS)
    try:
        yield
    finally:
        stop.set()
        crowd.join()


def _build_head(target: Target, secret: str) -> bytes:
    lines = (
        f"POST {target.path} HTTP/1.1",
        "Host: 127.0.0.1",
        "Content-Type: application/json",
        f"Authorization: Bearer {secret}",
        f"Content-Length: {_BODY_BYTES}",
    )
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _misbehave(target: Target, plans: list[tuple[bytes, bool]], stop: threading.Event) -> None:
    sockets: dict[int, socket.socket] = {}
    while not stop.is_set():
        for number, (head, drips) in enumerate(plans):
            with suppress(OSError):
                if number not in sockets:
                    sockets[number] = _connect(target, head)
                elif drips:
                    sockets[number].send(b" ")
                if _is_over(sockets[number]):
                    sockets.pop(number).close()
        stop.wait(_DRIP_EVERY_SECONDS)
    for one in sockets.values():
        one.close()


def _connect(target: Target, head: bytes) -> socket.socket:
    one = socket.create_connection(("127.0.0.1", target.port), timeout=5, source_address=(next_address(), 0))
    one.sendall(head)
    one.setblocking(False)
    return one


def _is_over(one: socket.socket) -> bool:
    """Tell whether the server has closed; whatever it said is dropped."""
    try:
        return not one.recv(4096)
    except BlockingIOError:
        return False
    except OSError:
        return True


@contextmanager
def _listing(target: Target, generator: LoadGenerator) -> Iterator[None]:
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            generator.run(target, Load("list", requests=20, connections=_LISTERS, warm_up=0))

    lister = threading.Thread(target=work)
    lister.start()
    try:
        yield
    finally:
        stop.set()
        lister.join()
