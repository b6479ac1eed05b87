"""What was freed goes back to the system."""

from __future__ import annotations

import asyncio
import ctypes
import os

import pytest

from benchmarks.processes import read_usage
from openclaw_webhooks import runtime
from openclaw_webhooks.memory import give_back

MEGABYTE = 1 << 20


def resident_megabytes() -> int:
    return read_usage(os.getpid()).resident_bytes // MEGABYTE


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="glibc's alone")
def test_what_was_freed_between_what_is_in_use_goes_back() -> None:
    blocks = [bytes(2000) for _ in range(40_000)]
    kept = blocks[::50]
    full = resident_megabytes()
    del blocks
    fragmented = resident_megabytes()
    give_back()
    assert resident_megabytes() < fragmented - 40, (full, fragmented)
    assert len(kept) == 800


def test_an_engine_thread_that_ends_gives_back(monkeypatch: pytest.MonkeyPatch, as_served: None) -> None:
    given: list[bool] = []
    monkeypatch.setattr(runtime, "give_back", lambda: given.append(True))

    async def call() -> None:
        await runtime.get_runtime().engine_pool.submit(lambda: None).future

    asyncio.run(call())
    assert not given
    runtime.close_runtime()
    assert given
