"""One well-behaved client that asks at a steady pace: what it waits is what others' load does to it."""

from __future__ import annotations

import http.client
import itertools
import json
import math
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from benchmarks.loadgen import LoadFailed, Target

_REQUESTS_PER_ADDRESS: Final = 100
_SUBNET: Final = 200
"""Far from the load generator's addresses, which start at 127.1.0.1 and never come this far."""
_addresses = (
    f"127.{second}.{third}.{last}"
    for second, third, last in itertools.product(range(_SUBNET, 250), range(250), range(1, 250))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Latencies:
    """What many answers took, in milliseconds."""

    requests: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Latencies:
        """Sum up at least one latency."""
        ranked = sorted(seconds)
        p50, p90, p99 = (
            1000 * ranked[min(len(ranked) - 1, math.ceil(share * len(ranked)))] for share in (0.5, 0.9, 0.99)
        )
        return cls(requests=len(ranked), p50_ms=p50, p90_ms=p90, p99_ms=p99, max_ms=1000 * ranked[-1])


def next_address() -> str:
    """Return a loopback address that nobody has sent from."""
    return next(_addresses)


def create_flow(target: Target) -> str:
    """Create one flow and return its id."""
    with closing(_connect(target)) as connection:
        answer = _post(connection, target, {"action": "create_flow", "goal": "Review inbound queue"})
    return str(json.loads(answer)["result"]["flow"]["flowId"])


def probe(target: Target, *, requests: int, pause_seconds: float = 0.01) -> Latencies:
    """Get one flow again and again from a single connection at a time.

    Raises:
        LoadFailed: An answer was not 200.
    """
    body, seconds = {"action": "get_flow", "flowId": create_flow(target)}, []
    for first in range(0, requests, _REQUESTS_PER_ADDRESS):
        with closing(_connect(target)) as connection:
            for _ in range(min(_REQUESTS_PER_ADDRESS, requests - first)):
                began = time.perf_counter()
                _post(connection, target, body)
                seconds.append(time.perf_counter() - began)
                time.sleep(pause_seconds)
    return Latencies.of(seconds)


def _connect(target: Target) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection("127.0.0.1", target.port, timeout=30, source_address=(next_address(), 0))
    connection.connect()
    return connection


def _post(connection: http.client.HTTPConnection, target: Target, body: dict[str, str]) -> bytes:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {target.secret}"}
    connection.request("POST", target.path, json.dumps(body), headers)
    response = connection.getresponse()
    answer = response.read()
    if response.status != 200:
        raise LoadFailed(f"{target.name}: {response.status} {answer[:200]!r}")
    return answer
