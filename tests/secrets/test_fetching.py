"""The fetcher: bounds, deadlines, sharing of threads, forks."""

from __future__ import annotations

import os
import threading
import time

import pytest

from openclaw_webhooks.exceptions import SecretUnresolved
from openclaw_webhooks.secrets import fetching
from openclaw_webhooks.secrets.fetching import Fetcher, Job
from openclaw_webhooks.secrets.refs import SecretRef
from tests.secrets.providers import EXEC_REF, FILE_REF


class Gate:
    """Work that waits until it is let through, or tells that it began."""

    def __init__(self) -> None:
        self.began, self.open = threading.Semaphore(0), threading.Event()

    def work(self, deadline: float) -> str:
        self.began.release()
        self.open.wait(20)
        return "late"


def job_of(gate: Gate, name: str, *, timeout_ms: int = 20_000) -> Job:
    return Job(SecretRef("exec", "tool", name), gate.work, timeout_ms)


def test_a_flood_over_many_references_runs_only_so_many_at_once() -> None:
    gate, fetcher = Gate(), Fetcher(clock=time.monotonic, max_threads=3)
    futures = [fetcher.fetch(job_of(gate, f"n{number}")) for number in range(12)]
    assert all(gate.began.acquire(timeout=10) for _ in range(3))
    assert not gate.began.acquire(timeout=0.2)
    gate.open.set()
    assert [future.result(20) for future in futures] == ["late"] * 12


def test_threads_are_kept_for_a_while_and_then_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "IDLE_SECONDS", 0.2)
    fetcher, names = Fetcher(clock=time.monotonic), set[int]()

    def work(deadline: float) -> str:
        names.add(threading.get_ident())
        return "v"

    for _ in range(20):
        assert fetcher.fetch(Job(FILE_REF, work, 100)).result(10) == "v"
    assert len(names) < 20
    ours = [thread for thread in threading.enumerate() if thread.ident in names]
    for thread in ours:
        thread.join(10)
    assert not any(thread.is_alive() for thread in ours)
    assert fetcher.fetch(Job(FILE_REF, work, 100)).result(10) == "v"


def test_many_callers_at_once_all_get_an_answer() -> None:
    fetcher, answers = Fetcher(clock=time.monotonic, max_threads=2), list[str]()

    def call(number: int) -> None:
        for each in range(50):
            job = Job(SecretRef("file", "box", f"/{number}/{each % 7}"), lambda _: "v", 20_000)
            answers.append(fetcher.fetch(job).result(20))

    callers = [threading.Thread(target=call, args=(number,)) for number in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(30)
    assert answers == ["v"] * 400


def test_what_cannot_be_interrupted_fails_at_its_deadline_and_so_does_what_waits_behind_it() -> None:
    gate, fetcher = Gate(), Fetcher(clock=time.monotonic, max_threads=1)
    stuck, waiting = fetcher.fetch(job_of(gate, "a", timeout_ms=300)), fetcher.fetch(job_of(gate, "b", timeout_ms=100))
    for future, limit in ((waiting, "100 ms"), (stuck, "300 ms")):
        with pytest.raises(SecretUnresolved, match=f"no answer within {limit}"):
            future.result(10)
    again = fetcher.fetch(job_of(gate, "b"))
    gate.open.set()
    assert again.result(20) == "late"


def test_work_that_fails_unexpectedly_is_a_401_and_the_thread_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[type[BaseException] | None] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: seen.append(args.exc_type))
    fetcher = Fetcher(clock=time.monotonic, max_threads=1)

    def fail(deadline: float) -> str:
        raise ZeroDivisionError

    with pytest.raises(SecretUnresolved, match="traceback"):
        fetcher.fetch(Job(EXEC_REF, fail, 5000)).result(10)
    for _ in range(3):
        assert fetcher.fetch(Job(FILE_REF, lambda _: "fine", 5000)).result(10) == "fine"
    assert seen == [ZeroDivisionError]


def test_without_a_thread_to_be_had_it_is_a_401(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(target: object, state: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(fetching, "_start_thread", refuse)
    fetcher = Fetcher(clock=time.monotonic)
    with pytest.raises(SecretUnresolved, match="no further thread"):
        fetcher.fetch(Job(EXEC_REF, lambda _: "v", 5000)).result(10)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_in_the_middle_of_a_run_leaves_the_child_able_to_resolve() -> None:
    gate, fetcher = Gate(), Fetcher(clock=time.monotonic, max_threads=1)
    running = fetcher.fetch(job_of(gate, "a"))
    assert gate.began.acquire(timeout=10)
    if (child := os.fork()) == 0:
        try:
            found = fetcher.fetch(Job(SecretRef("exec", "tool", "a"), lambda _: "fresh", 5000))
            os._exit(0 if found.result(10) == "fresh" else 1)
        finally:
            os._exit(2)
    _, status = os.waitpid(child, 0)
    gate.open.set()
    assert os.waitstatus_to_exitcode(status) == 0
    assert running.result(10) == "late"
