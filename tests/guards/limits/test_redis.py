"""The store on a real Valkey: time on the server, workers that are killed, and a server that goes away."""

from __future__ import annotations

import asyncio
import contextvars
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from pytest_django.fixtures import Settings

from openclaw_webhooks.exceptions import LimitStoreUnavailable
from openclaw_webhooks.guards.limits.base import Allowance, Limits
from openclaw_webhooks.guards.limits.redis import GROUP, RedisStore
from openclaw_webhooks.guards.limits.redis_slots import SLOTS_PREFIX
from tests.guards.limits.builders import FORK, StoreFactory, acquire, caches_of, hits_allowed, is_full, key
from tests.valkey import ValkeyServer, running_valkey

LEASE_SECONDS = 0.3
CANARY = "canary-password"


@pytest.fixture
def store(valkey: ValkeyServer) -> Iterator[RedisStore]:
    store = RedisStore(url=valkey.url, limits=Limits(in_flight=2, lease_seconds=LEASE_SECONDS))
    yield store
    store.close()


def wait_for(condition: Callable[[], bool], seconds: float = 5) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_lease_ends_after_its_time_and_its_release_is_counted_as_outlived(store: RedisStore) -> None:
    forgotten = acquire(store, key())
    acquire(store, key())
    assert is_full(store, key())
    wait_for(lambda: store.stats().in_flight == 0)
    assert not is_full(store, key())
    forgotten.release()
    assert store.stats().outlived_leases == 1
    assert store.stats().in_flight == 1


def test_a_lease_is_renewed_in_the_background_once_a_third_of_it_is_over(store: RedisStore) -> None:
    renewed, forgotten = acquire(store, key()), acquire(store, key())
    ends_at = time.monotonic() + 3 * LEASE_SECONDS
    while time.monotonic() < ends_at:
        renewed.renew()
        time.sleep(0.02)
    assert store.stats().in_flight == 1
    renewed.release()
    forgotten.release()
    assert store.stats().outlived_leases == 1


def test_a_young_lease_is_not_renewed(valkey: ValkeyServer) -> None:
    store = RedisStore(url=valkey.url)
    lease = acquire(store, key())
    time.sleep(0.02)
    before = store.slots.client.pttl(slots_of(store))
    lease.renew()
    store.close()
    assert store.slots.client.pttl(slots_of(store)) <= before
    store.close()


def test_a_renewal_that_comes_after_the_release_takes_nothing(store: RedisStore) -> None:
    lease = acquire(store, key())
    slots = slots_of(store).decode()
    (name,) = store.slots.client.zrange(slots, 0, -1)
    lease.release()
    store.slots.renew(slots, name)
    store.close()
    assert store.stats().in_flight == 0


def slots_of(store: RedisStore) -> bytes:
    (name,) = store.slots.client.keys(f"{SLOTS_PREFIX}*")
    return bytes(name)


def test_every_key_expires(store: RedisStore) -> None:
    store.hit(key())
    lease = acquire(store, key())
    lease.renew()
    names = store.slots.client.keys("*")
    assert len(names) == 2
    assert all(0 < store.slots.client.pttl(name) <= 65_000 for name in names)
    lease.release()
    assert len(store.slots.client.keys("*")) == 1


def test_the_slots_of_a_killed_process_are_free_within_its_leases(store: RedisStore) -> None:
    def hold() -> None:
        acquire(store, key())
        acquire(store, key())
        os.kill(os.getpid(), signal.SIGKILL)

    holder = FORK.Process(target=hold)
    holder.start()
    holder.join()
    started = time.monotonic()
    wait_for(lambda: not is_full(store, key()))
    assert time.monotonic() - started < LEASE_SECONDS + 1


def test_machines_count_in_one_window(make_redis_store: StoreFactory) -> None:
    one, other = make_redis_store(), make_redis_store()
    assert hits_allowed(one, key(), 50) == 50
    assert hits_allowed(other, key(), 100) == 70
    assert hits_allowed(one, key(), 10) == 0


def test_a_retry_passes_after_the_time_a_refusal_asks_for(valkey: ValkeyServer) -> None:
    store = RedisStore(url=valkey.url, limits=Limits(rate=1, window_seconds=2))
    while store.hit(key()).allowed:
        pass
    verdict = store.hit(key())
    assert not verdict.allowed
    assert 1 <= verdict.retry_after_seconds == verdict.reset_after_seconds <= 2
    time.sleep(verdict.retry_after_seconds)
    assert store.hit(key()).allowed
    store.close()


def test_windows_are_whole_seconds() -> None:
    with pytest.raises(ValueError, match="whole seconds"):
        RedisStore(url=None, limits=Limits(of_paths={"/a": Allowance(window_seconds=1.5)}))


def test_requests_in_contexts_of_their_own_share_connections(store: RedisStore) -> None:
    store.hit(key())
    before = store.slots.client.info("clients")["connected_clients"]
    for _ in range(30):
        contextvars.Context().run(store.hit, key())
    assert store.slots.client.info("clients")["connected_clients"] <= before


def test_threads_keep_their_connections(store: RedisStore) -> None:
    turns = threading.Barrier(4)

    def work() -> None:
        for _ in range(25):
            turns.wait(5)
            contextvars.Context().run(store.hit, key())
            acquire(store, key(threading.get_ident())).release()

    before = store.slots.client.info("stats")["total_connections_received"]
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.slots.client.info("stats")["total_connections_received"] <= before + 2 * len(threads)


def test_a_forked_process_has_connections_and_a_thread_of_its_own(store: RedisStore) -> None:
    async def let_go() -> None:
        acquire(store, key("a")).release()

    store.hit(key())
    asyncio.run(let_go())
    wait_for(lambda: store.stats().in_flight == 0)

    def use() -> None:
        assert store.hit(key()).allowed
        asyncio.run(let_go())
        wait_for(lambda: store.stats().in_flight == 0)
        os._exit(0)

    child = FORK.Process(target=use)
    child.start()
    assert hits_allowed(store, key(), 50) == 50
    child.join()
    assert child.exitcode == 0


def test_on_an_event_loop_a_slot_is_given_back_without_waiting(valkey: ValkeyServer) -> None:
    store = RedisStore(url=valkey.url, limits=Limits(in_flight=1), timeout_seconds=5)

    async def release() -> float:
        lease = acquire(store, key())
        valkey.pause(stop=True)
        started = time.monotonic()
        lease.release()
        seconds = time.monotonic() - started
        valkey.pause(stop=False)
        return seconds

    assert asyncio.run(release()) < 1
    wait_for(lambda: store.stats().in_flight == 0)
    store.close()


def test_what_nobody_waits_for_is_done_before_the_store_is_closed(valkey: ValkeyServer) -> None:
    store = RedisStore(url=valkey.url)

    async def release() -> None:
        for lease in [acquire(store, key()) for _ in range(8)]:
            lease.release()

    asyncio.run(release())
    store.close()
    assert RedisStore(url=valkey.url).slots.client.keys(f"{SLOTS_PREFIX}*") == []


@pytest.mark.parametrize(
    "fault",
    [
        {"RATELIMIT_ENABLE": False},
        {"RATELIMIT_USE_CACHE": "none"},
        {"RATELIMIT_HASH_ALGORITHM": "no.such.thing"},
        {"CACHES": {"default": {"BACKEND": "no.such.Cache"}}},
        {"CACHES": caches_of(f"redis://:{CANARY}@127.0.0.1:1")},
        {"CACHES": caches_of(f"redis://:{CANARY}@no.such.host.invalid")},
        {"CACHES": caches_of(f"redis://:{CANARY}@127.0.0.1:port")},
        {"RATELIMIT_FAIL_OPEN": True, "CACHES": caches_of("redis://no.such.host.invalid")},
    ],
    ids=str,
)
def test_whatever_is_wrong_with_the_cache_the_store_is_unavailable(
    store: RedisStore, settings: Settings, fault: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    for name, value in fault.items():
        setattr(settings, name, value)
    with pytest.raises(LimitStoreUnavailable):
        store.hit(key())
    assert len(caplog.records) == 1
    assert CANARY not in caplog.text


@pytest.mark.parametrize(
    "url", [None, f"redis://:{CANARY}@127.0.0.1:1", "redis://127.0.0.1:port", "http://127.0.0.1"], ids=str
)
def test_whatever_is_wrong_with_the_server_the_store_is_unavailable(
    url: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    store = RedisStore(url=url)
    with pytest.raises(LimitStoreUnavailable) as raised:
        store.acquire(key())
    with pytest.raises(LimitStoreUnavailable):
        store.stats()
    store.close()
    assert len(caplog.records) == 1
    assert CANARY not in caplog.text + repr(store) + str(raised.value)


def test_a_key_of_another_kind_is_no_defect_of_ours(store: RedisStore) -> None:
    acquire(store, key()).release()
    acquire(store, key())
    name = slots_of(store)
    store.slots.client.set(name, "something else")
    with pytest.raises(LimitStoreUnavailable):
        store.acquire(key())


def test_a_wrong_password_is_told_from_nothing() -> None:
    with running_valkey(password=CANARY) as server:
        with pytest.raises(LimitStoreUnavailable):
            RedisStore(url=f"redis://127.0.0.1:{server.port}").acquire(key())
        acquire(RedisStore(url=server.url), key())


def test_a_window_that_is_lost_while_it_is_counted_is_no_verdict(store: RedisStore, settings: Settings) -> None:
    settings.CACHES = {"default": {"BACKEND": "tests.guards.limits.forgetful.ForgetfulCache"}}
    with pytest.raises(LimitStoreUnavailable):
        store.hit(key())


def test_after_an_outage_it_counts_again_and_exactly(settings: Settings) -> None:
    with running_valkey() as server:
        settings.CACHES = caches_of(server.url)
        store = RedisStore(url=server.url)
        lease = acquire(store, key())
        server.kill()
        with pytest.raises(LimitStoreUnavailable):
            store.hit(key())
        lease.release()
        server.start()
        wait_for(lambda: answers(store))
        leases = [acquire(store, key()) for _ in range(8)]
        assert is_full(store, key())
        assert store.stats().in_flight == len(leases)


def answers(store: RedisStore) -> bool:
    with suppress(LimitStoreUnavailable):
        return store.hit(key("another")).allowed
    return False


def test_a_server_that_hangs_costs_one_wait_and_not_one_per_request(valkey: ValkeyServer, settings: Settings) -> None:
    settings.CACHES = caches_of(valkey.url, socket_timeout=0.2)
    store = RedisStore(url=valkey.url, timeout_seconds=0.2)
    assert store.hit(key()).allowed
    valkey.pause(stop=True)
    started = time.monotonic()
    refused = 0
    while time.monotonic() - started < 1:
        with suppress(LimitStoreUnavailable):
            store.hit(key())
            pytest.fail("It hangs.")
        refused += 1
    valkey.pause(stop=False)
    wait_for(lambda: answers(store))
    store.close()
    # Three or four of them waited 0.2 s each; the others took microseconds, and there was time for thousands.
    assert refused > 100


def test_the_module_needs_no_redis_package_until_it_is_used() -> None:
    code = (
        "import sys; sys.modules['redis'] = None\n"
        "import django; django.setup()\n"
        "from openclaw_webhooks.guards.limits.base import LimitKey\n"
        "from openclaw_webhooks.guards.limits.redis import RedisStore, LimitStoreUnavailable\n"
        "try: RedisStore(url='redis://127.0.0.1').acquire(LimitKey('/a', 'b'))\n"
        "except LimitStoreUnavailable: print('unavailable')\n"
    )
    environ = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    run = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
    assert run.stdout == "unavailable\n"
    assert "ModuleNotFoundError" in run.stderr


def test_windows_have_a_name_of_fixed_length_before_the_digest(make_redis_store: StoreFactory) -> None:
    store = make_redis_store(rate=1)
    clients = ["1", "11", "1/60s", f"{GROUP}1"]
    assert all(store.hit(key(client)).allowed for client in clients)
    assert not any(store.hit(key(client)).allowed for client in clients)
