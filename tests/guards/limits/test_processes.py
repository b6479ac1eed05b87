"""The limits over real processes, many of which are killed in the middle of what they do."""

from __future__ import annotations

from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path

from openclaw_webhooks.guards.limits.base import Limits, Verdict
from openclaw_webhooks.guards.limits.shared_memory import SharedMemoryStore
from tests.guards.limits.builders import FORK, acquire, is_full, key, workers_of

SMALL = Limits(tracked_keys=8)


def test_four_processes_get_exactly_the_limits(path: str) -> None:
    with workers_of(path) as workers:
        crowd = [workers.start() for _ in range(4)]
        for worker in crowd:
            worker.ask("hit", "anybody", 1)
        for client in range(30):
            for worker in crowd:
                worker.tell("hit", client, 100)
                worker.tell("acquire", client, 6)
        for _ in range(30):
            assert sum(int(worker.answer()) for worker in crowd) == 120
            assert sum(int(worker.answer()) for worker in crowd) == 8
        for worker in crowd[:-1]:
            worker.ask("close")
            assert Path(path).exists()
        crowd[-1].ask("close")
        assert not Path(path).exists()


def test_the_slots_of_a_killed_process_are_free_at_the_next_request(path: str) -> None:
    store = SharedMemoryStore(path=path)
    with workers_of(path) as workers:
        holder = workers.start()
        assert holder.ask("acquire", "a", 9) == 8
        assert is_full(store, key("a"))
        holder.kill()
        leases = [acquire(store, key("a")) for _ in range(8)]
        assert is_full(store, key("a"))
        assert store.stats().in_flight == len(leases)
        assert store.stats().outlived_leases == 0
    store.close()


def test_a_process_in_a_dead_ones_place_does_not_revive_its_slots(path: str) -> None:
    with workers_of(path) as workers:
        first, other = workers.start(), workers.start()
        assert first.ask("acquire", "a", 8) == 8
        assert other.ask("acquire", "a", 1) == 0
        first.kill()
        heir = workers.start()
        assert heir.ask("acquire", "b", 1) == 1
        assert other.ask("acquire", "a", 3) == 3
        assert heir.ask("acquire", "a", 9) == 5


def test_after_all_were_killed_the_next_start_has_its_slots_and_keeps_the_windows(path: str) -> None:
    with workers_of(path) as workers:
        crowd = [workers.start() for _ in range(2)]
        assert [worker.ask("acquire", "a", 4) for worker in crowd] == [4, 4]
        assert crowd[0].ask("hit", "a", 100) == 100
        for worker in crowd:
            worker.kill()
        assert Path(path).exists()
        later = workers.start()
        assert later.ask("acquire", "a", 9) == 8
        assert later.ask("hit", "a", 100) == 20
        later.ask("close")
        assert not Path(path).exists()


def churn(path: str, sign_of_life: Connection) -> None:
    """Count, hold and release for ever-new clients, so that rows are always on the move, until killed."""
    store = SharedMemoryStore(path=path, limits=SMALL)
    for number in count():
        store.hit(key(number))
        lease = store.acquire(key(number % 5))
        if not isinstance(lease, Verdict):
            lease.release()
        if number == 50:
            sign_of_life.send(number)


def kill_in_the_middle(path: str, processes: int) -> None:
    ours, theirs = FORK.Pipe()
    churning = [FORK.Process(target=churn, args=(path, theirs)) for _ in range(processes)]
    for process in churning:
        process.start()
    for _ in churning:
        ours.recv()
    for process in churning:
        process.kill()
        process.join()
    ours.close()
    theirs.close()


def test_forty_processes_killed_in_the_middle_of_changes_break_nothing(path: str) -> None:
    store = SharedMemoryStore(path=path, limits=SMALL)
    for round_number in range(20):
        kill_in_the_middle(path, processes=2)
        assert store.hit(key(f"round {round_number}")).allowed
        leases = [acquire(store, key("a")) for _ in range(8)]
        assert is_full(store, key("a"))
        assert store.stats().in_flight == 8
        for lease in leases:
            lease.release()
        assert store.stats().in_flight == 0
    store.close()
    assert not Path(path).exists()
