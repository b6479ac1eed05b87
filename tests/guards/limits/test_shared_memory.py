"""The store's file: who may open it, what is replaced, what a fork inherits, and that the last process removes it."""

from __future__ import annotations

import fcntl
import gc
import itertools
import os
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from openclaw_webhooks.exceptions import LimitStoreUnavailable
from openclaw_webhooks.guards.limits import file_lock
from openclaw_webhooks.guards.limits.base import Limits
from openclaw_webhooks.guards.limits.shared_memory import SharedMemoryStore
from openclaw_webhooks.guards.limits.table import HOLDERS, table_bytes
from openclaw_webhooks.guards.limits.table_file import TableFile
from openclaw_webhooks.guards.limits.windows import Rules
from tests.guards.limits.builders import FORK, HandClock, acquire, hits_allowed, is_full, key, table_path, workers_of


def in_a_fork(work: Callable[[], None]) -> int | None:
    """Run ``work`` in a forked child and return its exit code."""
    child = FORK.Process(target=work)
    child.start()
    child.join()
    return child.exitcode


def test_nothing_is_opened_before_the_first_request(path: str) -> None:
    SharedMemoryStore(path=path).close()
    assert not Path(path).exists()


def test_the_file_is_its_owners_alone_and_goes_with_the_last_store(path: str) -> None:
    store = SharedMemoryStore(path=path)
    store.hit(key())
    assert stat.S_IMODE(Path(path).stat().st_mode) == 0o600
    store.close()
    assert not Path(path).exists()


def test_a_closed_store_stays_closed(path: str) -> None:
    store = SharedMemoryStore(path=path)
    lease = acquire(store, key())
    store.close()
    store.close()
    lease.renew()
    lease.release()
    with pytest.raises(LimitStoreUnavailable):
        store.hit(key())
    assert not Path(path).exists()


def test_two_stores_of_one_process_share_one_table(path: str) -> None:
    one, other = SharedMemoryStore(path=path), SharedMemoryStore(path=path)
    assert hits_allowed(one, key(), 100) + hits_allowed(other, key(), 100) == 120
    one.close()
    assert not other.hit(key()).allowed
    with workers_of(path) as workers:
        assert workers.start().ask("hit", key().client, 1) == 0
    other.close()
    assert not Path(path).exists()


def test_two_stores_of_one_process_cannot_differ_in_size(path: str) -> None:
    one, other = SharedMemoryStore(path=path), SharedMemoryStore(path=path, limits=Limits(in_flight=9))
    one.hit(key())
    with pytest.raises(LimitStoreUnavailable, match="other sizes"):
        other.hit(key())
    one.close()
    assert other.hit(key()).allowed
    other.close()


@pytest.mark.parametrize(
    "content",
    [b"x", bytes(100), bytes(table_bytes(Rules.of(Limits()))), os.urandom(table_bytes(Rules.of(Limits())))],
    ids=["short", "truncated", "header torn", "garbage"],
)
def test_a_file_that_is_no_table_is_replaced(path: str, content: bytes) -> None:
    Path(path).write_bytes(content)
    Path(path).chmod(0o600)
    store = SharedMemoryStore(path=path)
    assert hits_allowed(store, key(), 130) == 120
    store.close()


def test_a_table_that_others_may_write_is_replaced(path: str) -> None:
    Path(path).write_bytes(b"")
    Path(path).chmod(0o666)
    store = SharedMemoryStore(path=path)
    store.hit(key())
    assert stat.S_IMODE(Path(path).stat().st_mode) == 0o600
    store.close()


def test_a_table_of_other_sizes_is_replaced_and_not_fought_over(path: str, clock: HandClock) -> None:
    store = SharedMemoryStore(path=path, clock=clock)
    assert hits_allowed(store, key("a"), 100) == 100
    with workers_of(path, "16") as workers:
        worker = workers.start()
        assert worker.ask("hit", "a", 200) == 120
        clock.seconds += 2
        assert hits_allowed(store, key("a"), 100) == 20
        store.close()
        assert Path(path).exists()
        worker.ask("close")
        assert not Path(path).exists()


def test_a_table_that_lost_its_name_is_left_within_a_second(path: str, clock: HandClock) -> None:
    store, sharing = SharedMemoryStore(path=path, clock=clock), SharedMemoryStore(path=path, clock=clock)
    assert hits_allowed(store, key(), 121) == 120
    sharing.hit(key())
    lease = acquire(store, key())
    Path(path).unlink()
    clock.seconds += 1
    assert store.hit(key()).allowed
    lease.release()
    assert hits_allowed(sharing, key(), 121) == 119
    store.close()
    sharing.close()
    assert not Path(path).exists()


def test_a_symlink_is_refused(path: str, tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_bytes(b"")
    Path(path).symlink_to(target)
    with pytest.raises(LimitStoreUnavailable):
        SharedMemoryStore(path=path).hit(key())
    assert target.read_bytes() == b""


def test_what_is_no_regular_file_is_refused(path: str) -> None:
    os.mkfifo(path)
    with pytest.raises(LimitStoreUnavailable, match="no regular file"):
        SharedMemoryStore(path=path).hit(key())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_of_another_user_is_refused(path: str) -> None:
    Path(path).write_bytes(b"")
    os.chown(path, 65534, 65534)
    with pytest.raises(LimitStoreUnavailable):
        SharedMemoryStore(path=path).hit(key())


@pytest.mark.parametrize("place", ["/proc/limits", "/nowhere/limits", "/dev/full/limits"])
def test_a_place_where_nothing_can_be_made_is_unavailable(place: str) -> None:
    store = SharedMemoryStore(path=place)
    for ask in (store.hit, store.acquire):
        with pytest.raises(LimitStoreUnavailable):
            ask(key())
    with pytest.raises(LimitStoreUnavailable):
        store.stats()


def test_a_store_works_once_its_place_is_there(tmp_path: Path) -> None:
    store = SharedMemoryStore(path=str(tmp_path / "later" / "limits"))
    with pytest.raises(LimitStoreUnavailable):
        store.hit(key())
    (tmp_path / "later").mkdir()
    assert store.hit(key()).allowed
    store.close()


def test_a_full_disk_is_unavailable(tmp_path: Path) -> None:
    def fill() -> None:
        import resource
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        with pytest.raises(LimitStoreUnavailable):
            SharedMemoryStore(path=str(tmp_path / "limits")).hit(key())

    assert in_a_fork(fill) == 0
    store = SharedMemoryStore(path=str(tmp_path / "limits"))
    assert store.hit(key()).allowed
    store.close()


def test_a_forked_child_counts_in_the_same_table_and_holds_nothing_of_its_parent(path: str) -> None:
    store = SharedMemoryStore(path=path, limits=Limits(in_flight=2))
    assert hits_allowed(store, key(), 60) == 60
    lease = acquire(store, key())

    def work() -> None:
        lease.release()
        assert hits_allowed(store, key(), 100) == 60
        acquire(store, key())
        assert is_full(store, key())

    assert in_a_fork(work) == 0
    assert not store.hit(key()).allowed
    acquire(store, key())
    assert is_full(store, key())
    store.close()
    assert not Path(path).exists()


def test_a_parent_keeps_its_slots_when_children_that_inherited_them_end(path: str) -> None:
    store = SharedMemoryStore(path=path)
    for _ in range(8):
        acquire(store, key())
    assert in_a_fork(store.close) == 0
    assert in_a_fork(lambda: None) == 0
    with workers_of(path) as workers:
        assert workers.start().ask("acquire", key().client, 1) == 0
    assert in_a_fork(lambda: os._exit(7 if is_full(store, key()) else 1)) == 7
    store.close()


def test_a_table_that_stays_locked_is_waited_for_once(path: str) -> None:
    store = SharedMemoryStore(path=path)
    lease = acquire(store, key())
    locked, done = FORK.Event(), FORK.Event()

    def hold() -> None:
        fd = os.open(path, os.O_RDWR)
        fcntl.lockf(fd, fcntl.LOCK_EX, 1, 0)
        locked.set()
        done.wait(30)

    holder = FORK.Process(target=hold)
    holder.start()
    assert locked.wait(30)
    waited_seconds = []
    for _ in range(2):
        started = time.monotonic()
        with pytest.raises(LimitStoreUnavailable, match="cannot be locked"):
            store.hit(key())
        waited_seconds.append(time.monotonic() - started)
    assert waited_seconds[1] < 0.5 < file_lock.PATIENCE_SECONDS <= waited_seconds[0]
    lease.release()
    done.set()
    holder.join()
    assert store.stats().in_flight == 0
    store.close()


def test_who_got_no_processor_to_wait_on_does_not_give_up(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a starved machine both the holder and whoever waits for it stand still for longer than anybody would wait."""
    tries, clock = iter([False] * 9 + [True] * 9), itertools.count(step=10)
    monkeypatch.setattr(file_lock, "lockf", lambda _fd, kind, *_: kind == fcntl.LOCK_UN or next(tries) or _block())
    monkeypatch.setattr(file_lock.time, "monotonic", lambda: float(next(clock)))
    with Path(path).open("wb") as file, file_lock.FileMutex(file.fileno()):
        pass


def _block() -> None:
    raise BlockingIOError


def test_a_thread_that_keeps_the_table_is_waited_for_only_a_moment(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_lock, "PATIENCE_SECONDS", 0.05)
    store = SharedMemoryStore(path=path)
    store.hit(key())
    locked, done = threading.Event(), threading.Event()

    def hold() -> None:
        file = store._file
        assert file
        with file.mutex:
            locked.set()
            done.wait(30)

    holder = threading.Thread(target=hold)
    holder.start()
    assert locked.wait(30)
    with pytest.raises(LimitStoreUnavailable, match="another thread"):
        store.hit(key())
    done.set()
    holder.join()
    assert store.hit(key()).allowed
    store.close()


def test_more_processes_than_places_are_refused_and_a_place_is_used_again(path: str) -> None:
    store = SharedMemoryStore(path=path)
    first = SharedMemoryStore(path=path)
    first.hit(key())
    taken, done = FORK.Event(), FORK.Event()

    def take_all_places() -> None:
        fd = os.open(path, os.O_RDWR)
        fcntl.lockf(fd, fcntl.LOCK_EX, HOLDERS - 1, 2)
        taken.set()
        done.wait(30)

    def join() -> None:
        with pytest.raises(LimitStoreUnavailable, match="More than 512 processes"):
            store.hit(key())

    holder = FORK.Process(target=take_all_places)
    holder.start()
    assert taken.wait(30)
    assert in_a_fork(join) == 0
    done.set()
    holder.join()
    with workers_of(path) as workers:
        assert workers.start().ask("hit", key().client, 1) == 1
    first.close()


def test_a_store_in_a_folder_reached_by_two_names_is_one(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    stores = [SharedMemoryStore(path=str(tmp_path / name / "limits")) for name in ("real", "link")]
    assert sum(hits_allowed(store, key(), 100) for store in stores) == 120
    for store in stores:
        store.close()
    assert list((tmp_path / "real").iterdir()) == []


def test_fresh_paths_are_fresh_tables() -> None:
    stores = [SharedMemoryStore(path=table_path()) for _ in range(2)]
    assert [hits_allowed(store, key(), 121) for store in stores] == [120, 120]
    for store in stores:
        store.close()


def test_what_is_left_of_a_closed_store_takes_no_lock_of_the_next_along(path: str) -> None:
    with workers_of(path) as workers:
        assert workers.start().ask("hit", "anybody", 1) == 1
        closed = SharedMemoryStore(path=path)
        lease = acquire(closed, key())
        closed.close()
        store = SharedMemoryStore(path=path)
        for _ in range(8):
            acquire(store, key())
        del lease, closed
        gc.collect()
        assert workers.started[0].ask("acquire", key().client, 1) == 0
        store.close()


def test_a_file_that_was_removed_while_it_was_opened_is_not_joined(path: str) -> None:
    file = TableFile(path, Rules.of(Limits()))
    Path(path).unlink()
    assert not file.join()
    file.let_go()


def test_what_cannot_be_counted_is_logged_once_a_minute_and_counted(
    path: str, clock: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    Path(path).mkdir()
    store = SharedMemoryStore(path=path, clock=clock)
    for _ in range(5):
        for ask in (store.hit, store.acquire):
            with pytest.raises(LimitStoreUnavailable):
                ask(key())
        clock.seconds += 10
    (message,) = caplog.messages
    assert "cannot be opened" in message
    clock.seconds += 10
    with pytest.raises(LimitStoreUnavailable):
        store.hit(key())
    assert len(caplog.messages) == 2
    Path(path).rmdir()
    assert store.hit(key()).allowed
    assert store.stats().failures == 11
    store.close()
