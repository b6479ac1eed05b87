"""The suite of a small project: every way to call a route from a test. Written into that project, not run from here.

Each test calls once and wants to find one call, one flow, and one row that a receiver of a signal has made of the call.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import unittest
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.contrib.auth.models import Group
from django.dispatch import receiver
from django.test import LiveServerTestCase, SimpleTestCase, TestCase, TransactionTestCase
from shop.asgi import application

from openclaw_webhooks import taskflows
from openclaw_webhooks.models import Call, Flow
from openclaw_webhooks.signals import call_finished

PATH = "/plugins/webhooks/ci"
HEADERS = {"authorization": "Bearer ci-secret-of-the-small-project"}
CREATE = {"action": "create_flow", "goal": "Deploy"}
# As a project's module may do when it is imported: under pytest that is before the test environment is set up.
flows = taskflows.bind_route("ci", actor="suite")
has_httpx = unittest.skipUnless(importlib.util.find_spec("httpx"), "needs httpx")


@receiver(call_finished)
def note(call: Any, **_: Any) -> None:
    Group.objects.create(name=call.request_id)


def count() -> list[int]:
    return [model.objects.count() for model in (Call, Flow, Group)]


async def call_asgi(path: str = PATH, body: Any = CREATE, headers: Mapping[str, str] = HEADERS) -> int:
    sent = {**headers, "content-type": "application/json", "host": "testserver"}
    scope = {
        "type": "http",
        "method": "POST" if body else "GET",
        "path": path,
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
        "client": ("127.0.0.1", 1),
        "server": ("testserver", 80),
    }
    caller = ApplicationCommunicator(application, scope)
    await caller.send_input({"type": "http.request", "body": json.dumps(body).encode()})
    start = await caller.receive_output(10)
    await caller.receive_output(10)
    await caller.wait(10)
    return int(start["status"])


async def call_httpx() -> int:
    import httpx

    transport = httpx.ASGITransport(app=application)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        return (await client.post(PATH, json=CREATE, headers=HEADERS)).status_code


class EveryWay:
    client: Any
    async_client: Any

    def setUp(self) -> None:
        assert count() == [0, 0, 0]

    def test_client(self) -> None:
        answer = self.client.post(PATH, CREATE, content_type="application/json", headers=HEADERS)
        assert (answer.status_code, count()) == (200, [1, 1, 1])

    def test_client_once_more(self) -> None:
        self.test_client()

    def test_python(self) -> None:
        flows.create_flow("Deploy")
        assert count() == [0, 1, 0]

    def test_refused(self) -> None:
        answer = self.client.post(PATH, CREATE, content_type="application/json")
        assert (answer.status_code, count()) == (401, [1, 0, 0])

    def test_health(self) -> None:
        self.test_client()
        assert self.client.get("/readyz").status_code == 200
        assert count() == [1, 1, 1]

    async def test_async_client(self) -> None:
        answer = await self.async_client.post(PATH, CREATE, content_type="application/json", headers=HEADERS)
        assert (answer.status_code, await sync_to_async(count)()) == (200, [1, 1, 1])

    async def test_asgi(self) -> None:
        assert (await call_asgi(), await sync_to_async(count)()) == (200, [1, 1, 1])
        assert (await call_asgi("/readyz", None), await sync_to_async(count)()) == (200, [1, 1, 1])

    async def test_asgi_at_once(self) -> None:
        answers = await asyncio.gather(*(call_asgi() for _ in range(5)))
        assert (answers, await sync_to_async(count)()) == ([200] * 5, [5, 5, 5])

    def test_asgi_from_the_outside(self) -> None:
        assert (asyncio.run(call_asgi()), count()) == (200, [1, 1, 1])
        assert (asyncio.run(call_asgi("/readyz", None)), count()) == (200, [1, 1, 1])

    def test_asgi_at_once_from_the_outside(self) -> None:
        async def call_all() -> list[int]:
            return await asyncio.gather(*(call_asgi() for _ in range(5)))

        assert (asyncio.run(call_all()), count()) == ([200] * 5, [5, 5, 5])

    @has_httpx
    async def test_httpx(self) -> None:
        assert (await call_httpx(), await sync_to_async(count)()) == (200, [1, 1, 1])

    @has_httpx
    def test_httpx_from_the_outside(self) -> None:
        assert (asyncio.run(call_httpx()), count()) == (200, [1, 1, 1])


class InATransaction(EveryWay, TestCase):
    def test_a_caller_that_leaves(self) -> None:
        async def leave() -> None:
            task = asyncio.create_task(call_asgi())
            await asyncio.sleep(0.001)
            task.cancel()

        asyncio.run(leave())


class Committed(EveryWay, TransactionTestCase):
    pass


class Live(LiveServerTestCase):
    def setUp(self) -> None:
        assert count() == [0, 0, 0]

    def test_served(self) -> None:
        request = urllib.request.Request(
            self.live_server_url + PATH, json.dumps(CREATE).encode(), {**HEADERS, "Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 200
        assert count() == [1, 1, 1]

    def test_served_once_more(self) -> None:
        self.test_served()


class WithoutADatabase(SimpleTestCase):
    def test_refused(self) -> None:
        assert self.client.post(PATH, CREATE, content_type="application/json").status_code == 401


@pytest.mark.anyio
class TestAsynchronously:
    """Under pytest alone: the event loop runs in the test's thread."""

    @pytest.fixture
    def anyio_backend(self) -> str:
        return "asyncio"

    @pytest.fixture(params=["db", "db", "transactional_db"])
    def counts(self, request: pytest.FixtureRequest) -> Iterator[None]:
        request.getfixturevalue(request.param)
        yield
        assert count() == [1, 1, 1]

    async def test_asgi(self, counts: None) -> None:
        assert await call_asgi() == 200

    @has_httpx
    async def test_httpx(self, counts: None) -> None:
        assert await call_httpx() == 200

    async def test_refused_without_a_database(self) -> None:
        assert await call_asgi(headers={"authorization": "Bearer wrong"}) == 401
