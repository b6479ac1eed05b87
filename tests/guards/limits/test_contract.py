"""What every store promises, whatever its scope; time is set by hand.

A server's time cannot be set: what leases and windows do there in time is in ``test_redis``.
"""

from __future__ import annotations

import threading

import pytest

from openclaw_webhooks.guards.limits.base import Allowance, Lease, Verdict
from openclaw_webhooks.guards.limits.keys import hash_path
from tests.guards.limits.builders import HandClock, StoreFactory, acquire, hits_allowed, is_full, key


def test_exactly_the_rate_passes_in_a_window(make_any_store: StoreFactory) -> None:
    store = make_any_store()
    assert hits_allowed(store, key(), 300) == 120


def test_the_window_starts_with_the_first_request_and_refusals_do_not_extend_it(
    make_store: StoreFactory, clock: HandClock
) -> None:
    store = make_store(rate=2)
    assert store.hit(key()) == Verdict(allowed=True, remaining=1, reset_after_seconds=60)
    clock.seconds += 59
    assert store.hit(key()) == Verdict(allowed=True, remaining=0, reset_after_seconds=1)
    assert store.hit(key()) == Verdict(allowed=False, retry_after_seconds=1, reset_after_seconds=1)
    clock.seconds += 0.999
    assert not store.hit(key()).allowed
    clock.seconds += 0.001
    assert store.hit(key()) == Verdict(allowed=True, remaining=1, reset_after_seconds=60)


def test_a_refusal_says_how_long_to_wait(make_store: StoreFactory, clock: HandClock) -> None:
    store = make_store(rate=1)
    store.hit(key())
    clock.seconds += 17.5
    assert store.hit(key()).retry_after_seconds == 43


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (key("192.0.2.1"), key("192.0.2.2")),
        (key(path="/a"), key(path="/b")),
        (key("b", path="/a"), key("", path="/ab")),
        (key("1:/b", path="/a"), key("/b", path="/a1:")),
    ],
)
def test_keys_are_counted_apart(make_any_store: StoreFactory, one: object, other: object) -> None:
    store = make_any_store(rate=1, in_flight=1)
    assert store.hit(one).allowed  # type: ignore[arg-type]
    assert store.hit(other).allowed  # type: ignore[arg-type]
    acquire(store, one)  # type: ignore[arg-type]
    acquire(store, other)  # type: ignore[arg-type]


def test_the_ninth_in_flight_is_refused_until_one_is_released(make_any_store: StoreFactory) -> None:
    store = make_any_store()
    leases = [acquire(store, key()) for _ in range(8)]
    assert store.acquire(key()) == Verdict(allowed=False, retry_after_seconds=1)
    leases[3].release()
    acquire(store, key())
    assert is_full(store, key())


def test_both_limits_are_asked_in_one_go(make_any_store: StoreFactory) -> None:
    store = make_any_store(rate=3, in_flight=1)
    first, second, third, fourth = (store.admit(key()) for _ in range(4))
    assert (first.verdict.allowed, first.verdict.remaining) == (True, 2)
    assert first.slot is not None
    assert not isinstance(first.slot, Verdict)
    assert second.verdict.allowed
    assert isinstance(second.slot, Verdict), "the one slot is taken"
    first.slot.release()
    assert third.verdict.allowed, "who got no slot was counted too"
    assert (fourth.verdict.allowed, fourth.slot) == (False, None)


def test_a_request_that_the_rate_refuses_takes_no_slot(make_any_store: StoreFactory) -> None:
    store = make_any_store(rate=1, in_flight=1)
    admission = store.admit(key())
    assert not isinstance(admission.slot, Verdict | None)
    admission.slot.release()
    assert store.admit(key()).slot is None
    acquire(store, key())


def test_a_second_release_frees_nobody_elses_slot(make_store: StoreFactory, clock: HandClock) -> None:
    store = make_store(in_flight=1)
    for held_seconds in (1, 29, 31):
        lease = acquire(store, key())
        clock.seconds += held_seconds
        lease.release()
        other = acquire(store, key())
        lease.release()
        lease.renew()
        assert is_full(store, key())
        other.release()


def test_a_lease_ends_after_its_time_unless_it_is_renewed(make_store: StoreFactory, clock: HandClock) -> None:
    store = make_store(in_flight=2)
    renewed, forgotten = acquire(store, key()), acquire(store, key())
    for _ in range(2):
        clock.seconds += 20
        renewed.renew()
    acquire(store, key())
    assert is_full(store, key())
    assert store.stats().outlived_leases == 1
    forgotten.release()
    assert is_full(store, key())
    assert store.stats().outlived_leases == 1


def test_an_outlived_lease_that_nobody_took_over_is_counted_at_its_release(
    make_store: StoreFactory, clock: HandClock
) -> None:
    store = make_store()
    lease = acquire(store, key())
    clock.seconds += 31
    lease.release()
    assert store.stats().outlived_leases == 1


def test_an_outlived_lease_that_nobody_took_over_can_be_renewed(make_store: StoreFactory, clock: HandClock) -> None:
    store = make_store(in_flight=1)
    lease = acquire(store, key())
    clock.seconds += 31
    lease.renew()
    assert is_full(store, key())


def test_the_oldest_window_makes_room(make_store: StoreFactory, clock: HandClock) -> None:
    store = make_store(rate=1, tracked_keys=3)
    for client in "abc":
        store.hit(key(client))
        clock.seconds += 1
    store.hit(key("d"))
    assert store.stats().evictions == 1
    assert [store.hit(key(client)).allowed for client in "bcd"] == [False, False, False]
    assert store.hit(key("a")).allowed


def test_a_window_that_began_anew_is_no_longer_the_oldest(make_store: StoreFactory, clock: HandClock) -> None:
    store = make_store(rate=1, tracked_keys=2)
    store.hit(key("a"))
    clock.seconds += 40
    store.hit(key("b"))
    clock.seconds += 25
    store.hit(key("a"))
    store.hit(key("c"))
    assert not store.hit(key("a")).allowed


def test_a_finished_window_makes_room_without_being_counted_as_evicted(
    make_store: StoreFactory, clock: HandClock
) -> None:
    store = make_store(tracked_keys=2)
    store.hit(key("a"))
    store.hit(key("b"))
    clock.seconds += 60
    assert store.stats().tracked_keys == 0
    assert store.hit(key("c")).allowed
    assert store.stats().evictions == 0
    assert store.stats().tracked_keys == 1


def test_a_key_with_slots_in_flight_is_never_forgotten(make_store: StoreFactory, clock: HandClock) -> None:
    store = make_store(tracked_keys=2, in_flight=1)
    store.hit(key("a"))
    acquire(store, key("a"))
    clock.seconds += 1
    store.hit(key("b"))
    clock.seconds += 1
    for client in "cde":
        assert store.hit(key(client)).allowed
    assert is_full(store, key("a"))


def test_a_new_key_is_refused_where_all_are_live_and_that_is_counted(make_store: StoreFactory) -> None:
    store = make_store(tracked_keys=2)
    leases = [acquire(store, key(client)) for client in "ab"]
    assert store.hit(key("c")) == Verdict(allowed=False, retry_after_seconds=1)
    assert is_full(store, key("c"))
    stats = store.stats()
    assert (stats.refused_for_room, stats.tracked_keys, stats.in_flight) == (2, 2, 2)
    leases[1].release()
    assert store.hit(key("c")).allowed


def test_slots_are_told_by_path(make_store: StoreFactory) -> None:
    store = make_store()
    assert store.stats().in_flight_by_path == {}
    leases = [acquire(store, key(client, path)) for client, path in (("a", "/one"), ("b", "/one"), ("a", "/two"))]
    assert store.hit(key("c", "/three")).allowed
    stats = store.stats()
    assert (stats.in_flight, stats.in_flight_by_path) == (3, {hash_path("/one"): 2, hash_path("/two"): 1})
    for lease in leases:
        lease.release()
    assert store.stats().in_flight_by_path == {}


def test_an_outlived_lease_does_not_keep_a_key(make_store: StoreFactory, clock: HandClock) -> None:
    store = make_store(tracked_keys=1)
    acquire(store, key("a"))
    clock.seconds += 30
    assert store.hit(key("b")).allowed
    assert store.stats().outlived_leases == 1


def test_4096_keys_are_tracked(make_store: StoreFactory, clock: HandClock) -> None:
    store = make_store(rate=1)
    for client in range(4097):
        clock.seconds += 0.001
        assert store.hit(key(client)).allowed
    assert store.stats().tracked_keys == 4096
    assert store.stats().evictions == 1
    assert not any(store.hit(key(client)).allowed for client in range(1, 4097))


def test_threads_get_exactly_the_limits(make_any_store: StoreFactory) -> None:
    store = make_any_store()
    allowed: list[int] = []
    leases: list[Lease | Verdict] = []

    def work() -> None:
        allowed.append(hits_allowed(store, key(), 40))
        leases.extend(store.acquire(key()) for _ in range(4))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(allowed) == 120
    assert sum(not isinstance(lease, Verdict) for lease in leases) == 8


def test_a_second_release_or_a_late_renewal_takes_nobody_elses_slot(make_any_store: StoreFactory) -> None:
    store = make_any_store(in_flight=1)
    lease = acquire(store, key())
    lease.release()
    other = acquire(store, key())
    lease.release()
    lease.renew()
    assert is_full(store, key())
    other.release()
    assert store.stats().in_flight == 0


def test_stores_say_over_what_they_count_and_whether_they_wait(make_any_store: StoreFactory) -> None:
    store = make_any_store()
    waits = {"this machine": False, "this process": False, "every machine that shares the Redis server": True}
    assert store.blocking is waits[store.scope]


OWN = "/hooks/own"


def test_a_path_can_have_limits_of_its_own(make_store: StoreFactory, clock: HandClock) -> None:
    store = make_store(of_paths={OWN: Allowance(rate=3, window_seconds=10, in_flight=2)}, in_flight=1)
    assert hits_allowed(store, key(path=OWN), 9) == 3
    assert store.hit(key(path=OWN)) == Verdict(allowed=False, retry_after_seconds=10, reset_after_seconds=10)
    assert hits_allowed(store, key(), 300) == 120
    acquire(store, key(path=OWN))
    acquire(store, key(path=OWN))
    assert is_full(store, key(path=OWN))
    acquire(store, key())
    assert is_full(store, key())
    clock.seconds += 10
    assert store.hit(key(path=OWN)).allowed
    assert not store.hit(key()).allowed


def test_a_path_can_allow_more_than_the_others(make_any_store: StoreFactory) -> None:
    store = make_any_store(of_paths={OWN: Allowance(rate=600, in_flight=32)})
    assert hits_allowed(store, key(path=OWN), 700) == 600
    leases = [acquire(store, key(path=OWN)) for _ in range(32)]
    assert is_full(store, key(path=OWN))
    assert store.stats().in_flight == len(leases)
