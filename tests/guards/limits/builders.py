"""What the tests of the limit stores are built from: a clock set by hand, keys, and processes that can be killed."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from openclaw_webhooks.guards.limits.base import Lease, LimitKey, LimitStore, Verdict

SHARED_MEMORY = Path("/dev/shm")
FORK = multiprocessing.get_context("fork")
PATH = "/plugins/webhooks/zapier"


class HandClock:
    """A monotonic clock that moves when it is told to."""

    def __init__(self, seconds: float = 1000.0) -> None:
        self.seconds = seconds

    def __call__(self) -> float:
        return self.seconds


def key(client: str | int = "192.0.2.1", path: str = PATH) -> LimitKey:
    return LimitKey(path, str(client))


def table_path() -> str:
    folder = SHARED_MEMORY if SHARED_MEMORY.is_dir() else Path("/tmp")
    return str(folder / f"openclaw-webhooks-test-{uuid.uuid4().hex}")


def caches_of(url: str, **options: object) -> dict[str, dict[str, object]]:
    """Django's ``CACHES`` on a Redis server."""
    backend = "django.core.cache.backends.redis.RedisCache"
    return {"default": {"BACKEND": backend, "LOCATION": url, "OPTIONS": {"socket_timeout": 0.5, **options}}}


def counting_caches_of(url: str) -> dict[str, dict[str, object]]:
    """The same on the backend that is made for counting."""
    backend = "openclaw_webhooks.guards.limits.redis_cache.CountingRedisCache"
    return {"default": {**caches_of(url)["default"], "BACKEND": backend}}


def acquire(store: LimitStore, limit_key: LimitKey) -> Lease:
    lease = store.acquire(limit_key)
    assert not isinstance(lease, Verdict)
    return lease


def is_full(store: LimitStore, limit_key: LimitKey) -> bool:
    return isinstance(store.acquire(limit_key), Verdict)


def hits_allowed(store: LimitStore, limit_key: LimitKey, times: int) -> int:
    return sum(store.hit(limit_key).allowed for _ in range(times))


@dataclass
class Worker:
    """Another process that shares the table; it does what it is told, line by line."""

    process: subprocess.Popen[str]

    def tell(self, *words: str | int) -> None:
        assert self.process.stdin
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()

    def answer(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def ask(self, *words: str | int) -> int:
        self.tell(*words)
        return int(self.answer())

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@dataclass
class Workers:
    """The worker processes of one table."""

    path: str
    arguments: tuple[str, ...] = ()
    started: list[Worker] = field(default_factory=list)

    def start(self) -> Worker:
        command = [sys.executable, "-m", "tests.guards.limits.worker", self.path, *self.arguments]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        worker = Worker(process)
        self.started.append(worker)
        return worker


@contextmanager
def workers_of(path: str, *arguments: str) -> Iterator[Workers]:
    workers = Workers(path, arguments)
    try:
        yield workers
    finally:
        for worker in workers.started:
            worker.kill()
            assert worker.process.stdin
            assert worker.process.stdout
            worker.process.stdin.close()
            worker.process.stdout.close()


StoreFactory = Callable[..., LimitStore]
