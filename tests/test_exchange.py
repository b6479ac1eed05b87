"""The ASGI door in this process: its guards, bodies in pieces, callers that leave, the lifespan, what it passes on."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from openclaw_webhooks import exchange
from openclaw_webhooks.asgi import mount
from openclaw_webhooks.effects import BODY_LIMIT_BYTES
from openclaw_webhooks.engines.base import EngineCapabilities
from openclaw_webhooks.guards.limits.base import Admission, LimitKey
from openclaw_webhooks.guards.limits.process_memory import ProcessMemoryStore
from openclaw_webhooks.models import Flow
from openclaw_webhooks.runtime import close_runtime, get_runtime
from openclaw_webhooks.servers import asgi_body
from openclaw_webhooks.servers.lingering import LingerLimits
from tests.asgi_client import AsgiAnswer, AsgiCall, build_scope

PATH = "/plugins/webhooks/zapier"
HEADERS = {"content-type": "application/json", "authorization": "Bearer zapier-secret-of-the-tests"}
CREATE = json.dumps({"action": "create_flow", "goal": "Review inbound queue"}).encode()

pytestmark = pytest.mark.django_db(transaction=True)
_addresses = (f"198.52.{high}.{low}" for high, low in itertools.product(range(100, 120), range(250)))


@pytest.fixture(autouse=True)
def runtime(settings: Any, as_served: None) -> Iterator[None]:
    settings.OPENCLAW_WEBHOOKS = settings.OPENCLAW_WEBHOOKS | {"RECORD_CALLS": False}
    yield
    close_runtime()


async def other_application(scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "other", "of": scope["type"]})


def call(
    *body: bytes,
    hangs_up: bool = False,
    method: str = "POST",
    path: str = PATH,
    client: str = "",
    **headers: str | None,
) -> AsgiCall:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    sent = {name: value for name, value in (HEADERS | named).items() if value is not None}
    scope = build_scope(path, sent, method=method, client=client or next(_addresses))
    return AsgiCall(mount(other_application), scope, body or (b"",), hangs_up=hangs_up)


def ask(*body: bytes, **options: Any) -> AsgiAnswer:
    return asyncio.run(call(*body, **options).run())


def test_creates_a_flow() -> None:
    answer = ask(CREATE)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json; charset=utf-8")
    assert answer.headers["content-length"] == str(len(answer.body))
    assert Flow.objects.get().flow_id == answer.json["result"]["flow"]["flowId"]


class TellingEngine:
    """Holds nothing, and notes in which thread it was asked."""

    capabilities = EngineCapabilities(reports_tasks=False, prunes=False, keeps_history=False, keeps_whole_numbers=True)
    pauses_on_loop = True
    asked_in: ClassVar[dict[str, int]] = {}

    def bind_session(self, session_key: str) -> TellingEngine:
        return self

    def get_flow(self, flow_id: str) -> None:
        self.asked_in["get"] = threading.get_ident()

    def list_flows(self) -> list[Any]:
        self.asked_in["list"] = threading.get_ident()
        return []


def test_an_engine_that_pauses_is_asked_on_the_event_loop_but_for_long_lists(settings: Any) -> None:
    settings.OPENCLAW_WEBHOOKS = settings.OPENCLAW_WEBHOOKS | {"ENGINE": "tests.test_exchange.TellingEngine"}
    for action in ({"action": "get_flow", "flowId": "f-1"}, {"action": "list_flows"}):
        assert ask(json.dumps(action).encode()).status == 200
    own = threading.get_ident()
    assert {name: asked == own for name, asked in TellingEngine.asked_in.items()} == {"get": True, "list": False}


def test_reads_a_body_in_pieces() -> None:
    assert ask(*(CREATE[start : start + 5] for start in range(0, len(CREATE), 5))).status == 200


@pytest.mark.parametrize(
    ("status", "options"),
    [
        (405, {"method": "GET"}),
        (415, {"content_type": "text/plain"}),
        (401, {"authorization": "Bearer wrong"}),
        (413, {"content_length": str(BODY_LIMIT_BYTES + 1)}),
    ],
)
def test_answers_before_it_asks_for_the_body(status: int, options: dict[str, Any]) -> None:
    running = call(b" ", b" ", **options)
    asked: list[int] = []
    send = running._send

    async def note(message: Any) -> None:
        asked.append(running.asked)
        await send(message)

    running._send = note  # type: ignore[method-assign]
    answer = asyncio.run(running.run())
    assert (answer.status, answer.is_complete) == (status, True)
    assert asked[:2] == [0, 0], "the answer is out before the first piece of the body is asked for"


def test_the_rate_and_the_slots_are_counted() -> None:
    async def many(count: int, client: str, body: tuple[bytes, ...], *, hangs_up: bool) -> list[int]:
        answers = await asyncio.gather(*(call(*body, client=client, hangs_up=hangs_up).run() for _ in range(count)))
        return [answer.status for answer in answers]

    assert [ask(b"{", client="198.53.0.1").status for _ in range(121)] == [400] * 120 + [429]
    statuses = asyncio.run(many(9, "198.53.0.2", (CREATE,), hangs_up=False))
    assert sorted(statuses) == [200] * 8 + [429]
    assert asyncio.run(many(1, "198.53.0.2", (CREATE,), hangs_up=False)) == [200]


def test_a_body_over_the_limit_is_cut_off_and_read_to_its_end() -> None:
    running = call(b" " * BODY_LIMIT_BYTES, b" ", b" " * 1000)
    answer = asyncio.run(running.run())
    assert (answer.status, answer.headers["connection"]) == (413, "close")
    assert running.asked == 3


def test_a_faulty_field_is_named() -> None:
    answer = ask(json.dumps({"action": "create_flow", "goal": ""}).encode())
    assert (answer.status, answer.json["code"]) == (400, "invalid_request")
    assert answer.json["error"].startswith("goal: ")


def test_a_body_at_the_limit_is_read() -> None:
    assert ask(b" " * BODY_LIMIT_BYTES).body == b"invalid request body"


def test_a_body_that_stalls_is_answered_at_its_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openclaw_webhooks.effects.ReceiveJson.__init__.__defaults__", (BODY_LIMIT_BYTES, 0.05, None))
    monkeypatch.setattr(asgi_body, "LINGER_LIMITS", LingerLimits(idle_seconds=0.05))
    running = call()

    async def never() -> Any:
        running.asked += 1
        if running.asked > 1:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": b"{", "more_body": True}

    running._receive = never  # type: ignore[method-assign]
    answer = asyncio.run(asyncio.wait_for(running.run(), 5))
    assert (answer.status, answer.body, answer.headers["connection"]) == (408, b"Request body timeout", "close")
    assert answer.is_complete


def test_a_caller_that_leaves_in_its_body_gives_the_slot_back() -> None:
    for _ in range(9):
        ask(b"{", hangs_up=True, client="198.54.0.1")
    assert ask(CREATE, client="198.54.0.1").status == 200


def test_a_refused_caller_that_was_to_be_invited_is_told_that_the_connection_ends() -> None:
    assert ask(b"", authorization="Bearer wrong", expect="100-continue").headers["connection"] == "close"
    assert "connection" not in ask(b"", authorization="Bearer wrong").headers


def test_a_cancelled_call_is_brought_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    entered, proceed = threading.Event(), threading.Event()
    flows = type(get_runtime().engine.bind_session("agent:main:main"))
    create = flows.create_flow

    def slow(self: Any, **options: Any) -> Any:
        entered.set()
        proceed.wait(5)
        return create(self, **options)

    monkeypatch.setattr(flows, "create_flow", slow)
    released: list[str] = []
    store = type(get_runtime().limit_store)

    async def leave() -> None:
        task = asyncio.create_task(call(CREATE, client="198.55.0.1").run())
        await asyncio.to_thread(entered.wait, 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert get_runtime().limit_store.stats().in_flight == 1, "the engine is still at work for it"
        proceed.set()
        for _ in range(500):
            if get_runtime().limit_store.stats().in_flight == 0:
                released.append(store.__name__)
                return
            await asyncio.sleep(0.01)

    asyncio.run(leave())
    assert released
    assert Flow.objects.count() == 1


def test_a_call_cancelled_in_its_body_gives_its_slot_back() -> None:
    async def leave() -> None:
        running = call(b"{")
        running._pieces, running._hangs_up = [], False
        task = asyncio.create_task(running.run())
        await asyncio.sleep(0.05)
        assert running.asked == 1
        assert get_runtime().limit_store.stats().in_flight == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert get_runtime().limit_store.stats().in_flight == 0

    asyncio.run(leave())


class FarStore(ProcessMemoryStore):
    """A store that has to be waited for, as one over a network."""

    blocking = True
    entered, proceed = threading.Event(), threading.Event()

    def admit(self, key: LimitKey) -> Admission:
        self.entered.set()
        self.proceed.wait(5)
        return super().admit(key)


@pytest.fixture
def far_store(settings: Any) -> Iterator[FarStore]:
    settings.OPENCLAW_WEBHOOKS = settings.OPENCLAW_WEBHOOKS | {"LIMIT_STORE": "tests.test_exchange.FarStore"}
    store = get_runtime().limit_store
    assert isinstance(store, FarStore)
    FarStore.entered.clear()
    FarStore.proceed.clear()
    yield store
    FarStore.proceed.set()


def test_a_store_that_is_waited_for_counts_both_limits(far_store: FarStore) -> None:
    FarStore.proceed.set()
    statuses = [ask(CREATE, client="198.56.0.1").status for _ in range(121)]
    assert statuses == [200] * 120 + [429]
    assert far_store.stats().in_flight == 0


def test_a_slot_that_comes_after_its_caller_has_left_is_given_back(far_store: FarStore) -> None:
    async def leave() -> None:
        task = asyncio.create_task(call(CREATE, client="198.56.0.2").run())
        await asyncio.to_thread(FarStore.entered.wait, 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        FarStore.proceed.set()
        for _ in range(500):
            stats = far_store.stats()
            if stats.tracked_keys and not stats.in_flight:
                return
            await asyncio.sleep(0.01)
        pytest.fail("the slot stays taken")

    asyncio.run(leave())
    assert not Flow.objects.exists()


def test_a_defect_reaches_the_server_and_gives_the_slot_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Any, **options: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(type(get_runtime().engine.bind_session("x")), "create_flow", fail)
    with pytest.raises(ZeroDivisionError):
        ask(CREATE)
    assert get_runtime().limit_store.stats().in_flight == 0


@pytest.mark.parametrize("scope", [{"type": "websocket", "path": PATH}, {"type": "http", "path": "/admin/"}])
def test_everything_else_is_passed_on(scope: dict[str, str]) -> None:
    running = AsgiCall(mount(other_application), scope)
    asyncio.run(running.run())
    assert running.answer.messages == [{"type": "other", "of": scope["type"]}]


def test_a_trailing_slash_leads_to_the_route_and_two_do_not() -> None:
    assert ask(CREATE, path=f"{PATH}/").status == 200
    assert ask(CREATE, path=f"{PATH}//").messages[0]["type"] == "other"


def test_a_peer_on_a_unix_socket_has_no_address() -> None:
    scope = build_scope(PATH, HEADERS, client=None)
    for server in (("/run/webhooks.sock", None), None, ("/", "r")):
        scope["server"] = server
        assert exchange.build_head(scope).peer is None
    assert asyncio.run(AsgiCall(mount(other_application), scope, (CREATE,)).run()).status == 200


def test_a_peer_over_tcp_that_is_gone_is_no_peer_on_a_unix_socket() -> None:
    scope = build_scope(PATH, HEADERS, client=None)
    scope["server"] = ("127.0.0.1", 8787)
    assert get_runtime().pipeline.find_client(exchange.build_head(scope)) == "unknown"


def test_repeated_headers_keep_the_first_and_join_the_forwarding_ones() -> None:
    scope = build_scope(PATH, {})
    scope["headers"] = [
        (b"authorization", b"Bearer a"),
        (b"x-forwarded-for", b"192.0.2.1"),
        (b"authorization", b"Bearer b"),
        (b"x-forwarded-for", b"192.0.2.2"),
    ]
    head = exchange.build_head(scope)
    assert head.headers == {"authorization": "Bearer a", "x-forwarded-for": "192.0.2.1,192.0.2.2"}


def test_the_lifespan_begins_and_ends() -> None:
    sent: list[Any] = []
    events = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive() -> Any:
        return next(events)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    asyncio.run(mount(other_application)({"type": "lifespan"}, receive, send))  # type: ignore[arg-type]
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
