"""The closer of connections, over socket pairs and a clock that the tests move where time matters."""

import os
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from openclaw_webhooks.servers.lingering import LingeringCloser, LingerLimits, process_closer


@pytest.fixture
def closer() -> Iterator[LingeringCloser]:
    made = LingeringCloser(limits=LingerLimits(received_bytes=1_000_000, connections=3))
    yield made
    made.finish(grace_seconds=0)


def pair() -> tuple[socket.socket, socket.socket]:
    """The server's end and the caller's."""
    ours, theirs = socket.socketpair()
    theirs.settimeout(5)
    return ours, theirs


def test_an_answer_stays_readable_and_ends_while_the_caller_goes_on_sending(closer: LingeringCloser) -> None:
    ours, theirs = pair()
    with theirs:
        ours.sendall(b"answer")
        closer.add(ours)
        theirs.sendall(b"x" * 500_000)
        assert theirs.recv(100) == b"answer"
        assert theirs.recv(100) == b""
        theirs.sendall(b"x" * 400_000)
        assert len(closer) == 1


def test_it_closes_once_the_caller_does(closer: LingeringCloser) -> None:
    ours, theirs = pair()
    closer.add(ours)
    theirs.close()
    _wait_until_empty(closer)
    assert ours.fileno() == -1


def test_it_closes_a_caller_that_sends_too_much(closer: LingeringCloser) -> None:
    ours, theirs = pair()
    with theirs:
        closer.add(ours)
        with pytest.raises(OSError, match=r"Broken pipe|reset"):
            theirs.sendall(b"x" * 10_000_000)


def test_one_too_many_closes_the_oldest(closer: LingeringCloser) -> None:
    pairs = [pair() for _ in range(4)]
    for ours, _ in pairs:
        closer.add(ours)
    _wait_until_closed(pairs[0][1])
    assert len(closer) == 3
    assert [ours.fileno() >= 0 for ours, _ in pairs] == [False, True, True, True]
    for _, theirs in pairs:
        theirs.close()


@pytest.mark.parametrize("limits", [LingerLimits(idle_seconds=0.1), LingerLimits(total_seconds=0.1, idle_seconds=0.2)])
def test_it_closes_a_caller_that_stays(limits: LingerLimits) -> None:
    closer = LingeringCloser(limits=limits)
    ours, theirs = pair()
    with theirs:
        closer.add(ours)
        theirs.send(b"more")
        _wait_until_empty(closer)
        assert ours.fileno() == -1
    closer.finish(grace_seconds=0)


def test_a_caller_that_drips_ends_with_its_total_time() -> None:
    closer = LingeringCloser(limits=LingerLimits(total_seconds=0.4, idle_seconds=0.2))
    ours, theirs = pair()
    with theirs:
        started = time.monotonic()
        closer.add(ours)
        _wait_until_closed(theirs)
        assert 0.4 <= time.monotonic() - started < 3
    closer.finish(grace_seconds=0)


def test_a_caller_already_gone_costs_nothing() -> None:
    closer = LingeringCloser()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        theirs = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        theirs.close()
        ours.settimeout(5)
        with pytest.raises(ConnectionResetError):
            ours.recv(1)
    closer.add(ours)
    assert len(closer) == 0
    assert ours.fileno() == -1


def test_a_reset_while_lingering_ends_it(closer: LingeringCloser) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        theirs = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
        closer.add(ours)
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        theirs.close()
    _wait_until_empty(closer)


def test_finish_waits_for_callers_that_end_in_time() -> None:
    closer = LingeringCloser()
    ours, theirs = pair()
    closer.add(ours)
    leaving = threading.Timer(0.1, theirs.close)
    leaving.start()
    closer.finish(grace_seconds=10)
    leaving.join()
    assert ours.fileno() == -1


def test_finish_closes_the_rest_and_later_ones_at_once() -> None:
    closer = LingeringCloser()
    (ours, theirs), (late, later) = pair(), pair()
    with theirs, later:
        closer.add(ours)
        closer.finish(grace_seconds=0.05)
        closer.add(late)
        assert ours.fileno() == late.fileno() == -1
        assert len(closer) == 0


def test_a_closer_that_was_never_used_finishes_at_once() -> None:
    LingeringCloser().finish(grace_seconds=10)


def test_many_threads_may_add() -> None:
    closer = LingeringCloser()
    pairs = [pair() for _ in range(40)]
    before = _count_threads()
    threads = [threading.Thread(target=closer.add, args=(ours,)) for ours, _ in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert _count_threads() == before + 1
    for _, theirs in pairs:
        theirs.close()
    _wait_until_empty(closer)
    closer.finish(grace_seconds=0)


def test_a_forked_child_has_a_closer_of_its_own_and_holds_no_connection_of_its_parent() -> None:
    inherited, theirs = pair()
    number = inherited.fileno()
    process_closer().add(inherited)
    child = os.fork()
    if child == 0:
        os._exit(_check_in_child(number))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(process_closer()) == 1
    theirs.send(b"the parent's selector still serves")
    theirs.close()
    _wait_until_empty(process_closer())


def _check_in_child(number: int) -> int:
    """Exit status: 0 where all is as it should be."""
    try:
        os.fstat(number)
    except OSError:
        ours, theirs = pair()
        process_closer().add(ours)
        theirs.close()
        process_closer().finish(grace_seconds=5)
        return int(ours.fileno() != -1)
    return 2


def _count_threads() -> int:
    return sum(thread.name == "openclaw-webhooks-lingering" for thread in threading.enumerate())


def _wait_until_closed(theirs: socket.socket) -> None:
    """Drip until the server's end is closed, not only its writing side: sending then fails."""
    pause = threading.Event()
    for _ in range(500):
        try:
            theirs.send(b"x")
        except OSError:
            return
        pause.wait(0.01)
    pytest.fail("still open")


def _wait_until_empty(closer: LingeringCloser) -> None:
    pause = threading.Event()
    for _ in range(500):
        if not len(closer):
            return
        pause.wait(0.01)
    pytest.fail("still lingering")
