"""One password hash at a time, at a low priority."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher

from openclaw_webhooks.sign_ins.hashers import OneAtATimePBKDF2PasswordHasher
from tests.live import ROOT

ITERATIONS = 100_000


def low_threads(process: int | str = "self") -> list[Path]:
    """Return the threads that have the low priority."""
    tasks = Path(f"/proc/{process}/task").iterdir()
    return [task for task in tasks if (task / "stat").read_text().rpartition(")")[2].split()[16] == "10"]


def test_its_hashes_are_djangos() -> None:
    ours, djangos = OneAtATimePBKDF2PasswordHasher(), PBKDF2PasswordHasher()
    assert ours.algorithm == djangos.algorithm
    encoded = ours.encode("a password", "salt", ITERATIONS)
    assert encoded == djangos.encode("a password", "salt", ITERATIONS)
    assert ours.verify("a password", djangos.encode("a password", "salt", ITERATIONS))
    assert not ours.verify("another", encoded)


@pytest.mark.skipif(sys.platform != "linux", reason="threads have priorities of their own under Linux")
def test_one_thread_computes_all_and_every_other_goes_first() -> None:
    hasher = OneAtATimePBKDF2PasswordHasher()
    seen: set[str] = set()
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.005):
            seen.update(task.name for task in low_threads())

    watcher = threading.Thread(target=watch)
    watcher.start()
    with ThreadPoolExecutor(4) as pool:
        encoded = set(pool.map(lambda _: hasher.encode("a password", "salt", ITERATIONS), range(8)))
    done.set()
    watcher.join()
    assert len(encoded) == 1
    assert len(seen) == 1
    assert os.getpriority(os.PRIO_PROCESS, 0) < 10


def test_a_forked_child_has_a_thread_of_its_own() -> None:
    program = """
        import os, warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        from django.conf import settings
        settings.configure()
        from openclaw_webhooks.sign_ins.hashers import OneAtATimePBKDF2PasswordHasher
        hasher = OneAtATimePBKDF2PasswordHasher()
        encoded = hasher.encode("a password", "salt", 10)
        child = os.fork()
        assert hasher.encode("a password", "salt", 10) == encoded
        if child:
            raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], cwd=ROOT, check=True, timeout=30)
