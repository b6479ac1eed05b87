"""One request and its answer over ASGI: drives the pipeline on the event loop.

The guards run before the first byte of the body, a slow or silent client holds no thread, and only what may wait (the
engine's calls, a limit store over a network) leaves the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping, MutableMapping
from concurrent.futures import Future
from types import CoroutineType
from typing import Any, Final, TypeAlias

from openclaw_webhooks.conf.routes import RouteConfig
from openclaw_webhooks.effects import (
    Answer,
    Authenticate,
    CountRequest,
    Effect,
    GiveSlotBack,
    ReceiveJson,
    RunAction,
    Steps,
    TakeSlot,
)
from openclaw_webhooks.engine_pool import Job
from openclaw_webhooks.exceptions import WebhooksError
from openclaw_webhooks.guards.client_address import find_peer
from openclaw_webhooks.guards.head import RequestHead
from openclaw_webhooks.guards.json_body import parse_json
from openclaw_webhooks.guards.limits.base import Admission, Lease, LimitKey, Verdict
from openclaw_webhooks.pipeline import authentication_steps
from openclaw_webhooks.runtime import Runtime, close_runtime, get_runtime
from openclaw_webhooks.servers.asgi_body import AsgiBody
from openclaw_webhooks.servers.gunicorn_asgi import forbid_reuse
from openclaw_webhooks.servers.whole_messages import find_whole_messages
from openclaw_webhooks.values import JsonValue

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[..., Awaitable[None]]


def serve(route: RouteConfig, scope: Scope, receive: Receive, send: Send) -> Coroutine[Any, Any, None]:
    """Serve one call to a route over ASGI, by the returned coroutine."""
    return _Exchange(get_runtime(), scope, receive, send).serve(route)


def find_route(path: str) -> RouteConfig | None:
    """Return the route that a request path leads to."""
    return get_runtime().routes.get(path)


async def live(receive: Receive, send: Send) -> None:
    """Answer the lifespan protocol; faulty settings stop the server from starting."""
    await receive()
    get_runtime()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await asyncio.to_thread(close_runtime)
    await send({"type": "lifespan.shutdown.complete"})


class _Exchange:
    """One request and its answer."""

    __slots__ = ("_body", "_head", "_receive", "_runtime", "_send", "_slot", "_whole")

    def __init__(self, runtime: Runtime, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the head; the body stays where it is until the pipeline asks for it."""
        self._runtime = runtime
        self._receive = receive
        self._send = send
        self._whole = find_whole_messages(scope)
        self._head = build_head(scope)
        self._body = AsgiBody(receive, self._whole.take_body)
        self._slot: Lease | Verdict | None = None

    async def serve(self, route: RouteConfig) -> None:
        """Drive the pipeline to its answer and send that."""
        steps = self._runtime.pipeline.serve(route, self._head)
        try:
            answer = await self._drive(steps)
        except _CallerLeft as left:
            left.job.leave(lambda result, error: _finish_unattended(steps, result, error))
            raise asyncio.CancelledError from None
        except asyncio.CancelledError:
            steps.close()  # gives the slot back and leaves the record
            if self._runtime.settle is not None:
                await self._runtime.settle()
            raise
        if self._runtime.settle is not None:
            await self._runtime.settle()
        await self._answer(answer)

    async def _drive(self, steps: Steps) -> Answer:
        try:
            effect = next(steps)
            while True:
                try:
                    result = self._perform(effect)
                    if isinstance(result, CoroutineType):
                        result = await result
                except _CallerLeft:
                    raise
                except Exception as error:  # noqa: BLE001 - what it means is the pipeline's to say
                    effect = steps.throw(error)
                else:
                    effect = steps.send(result)
        except StopIteration as end:
            answer: Answer = end.value
            return answer

    def _perform(self, effect: Effect) -> Any:
        """Do what the pipeline asks for, or return the coroutine that does, where it takes waiting.

        Four of six effects take none, and a coroutine for each of them cost a seventh of a request's time.
        """
        return _PERFORMERS[type(effect)](self, effect)

    def _count(self, effect: CountRequest) -> Any:
        """Count the request, and take the slot that is asked for next in the same look at the store."""
        store = self._runtime.limit_store
        return self._admit(effect.key) if store.blocking else self._keep_slot(store.admit(effect.key))

    async def _admit(self, key: LimitKey) -> Verdict:
        """Ask a blocking store; a slot that it hands out after the caller has left is given back."""
        store = self._runtime.limit_store
        admitting = self._runtime.limit_pool.submit(lambda: store.admit(key)).future
        try:
            return self._keep_slot(await asyncio.shield(admitting))
        except asyncio.CancelledError:
            admitting.add_done_callback(_release_unused)
            raise

    def _keep_slot(self, admission: Admission) -> Verdict:
        self._slot = admission.slot
        return admission.verdict

    def _take_slot(self, _: TakeSlot) -> Lease | Verdict | None:
        return self._slot

    def _give_slot_back(self, effect: GiveSlotBack) -> Any:
        release = effect.lease.release
        return _result_of(self._runtime.limit_pool.submit(release)) if self._runtime.limit_store.blocking else release()

    def _authenticate(self, effect: Authenticate) -> Any:
        return _follow_now(authentication_steps(effect.head, effect.secret, self._runtime.resolver))

    async def _run(self, effect: RunAction) -> Any:
        """Make the engine's call in a pool; it cannot be stopped, so a caller that leaves does not free its slot."""
        pool = self._runtime.long_pool if effect.is_long else self._runtime.engine_pool
        job = pool.submit(effect.act, effect.tell, joins=effect.joins)
        try:
            return await job.future
        except asyncio.CancelledError:
            raise _CallerLeft(job) from None

    def _receive_json(self, effect: ReceiveJson) -> Any:
        body = self._body
        try:
            received = body.read(limit_bytes=effect.limit_bytes, timeout_seconds=effect.timeout_seconds)
        finally:
            effect.received_bytes = body.received_bytes
        return parse_json(received) if isinstance(received, bytes) else self._await_json(effect, received)

    async def _await_json(self, effect: ReceiveJson, receiving: Coroutine[Any, Any, bytes]) -> JsonValue:
        try:
            return parse_json(await receiving)
        finally:
            effect.received_bytes = self._body.received_bytes

    async def _answer(self, answer: Answer) -> None:
        """Send the answer at once; where the body is still under way, let the caller come to read it."""
        fields = [(name.encode("ascii"), value.encode("latin-1")) for name, value in answer.headers]
        fields.append((b"content-length", b"%d" % len(answer.body)))
        if self._ends_connection(answer):
            forbid_reuse(self._receive)
            fields.append((b"connection", b"close"))
        elif self._whole.answer(int(answer.status), fields, answer.body):
            return
        await self._send({"type": "http.response.start", "status": int(answer.status), "headers": fields})
        if not self._body.is_complete:
            await self._send({"type": "http.response.body", "body": answer.body, "more_body": True})
            await self._body.linger()
            await self._send({"type": "http.response.body", "body": b""})
        else:
            await self._send({"type": "http.response.body", "body": answer.body})

    def _ends_connection(self, answer: Answer) -> bool:
        """Tell whether nothing more can be served on the connection.

        So it is where a caller waits for ``100 Continue``: it need not send its body any more, and nothing could tell
        that body from a next request (RFC 9110 section 10.1.1).
        """
        return answer.close or (not self._body.is_complete and "expect" in self._head.headers)


_PERFORMERS: Final[Mapping[type[Effect], Callable[[_Exchange, Any], Any]]] = {
    CountRequest: _Exchange._count,
    TakeSlot: _Exchange._take_slot,
    GiveSlotBack: _Exchange._give_slot_back,
    Authenticate: _Exchange._authenticate,
    ReceiveJson: _Exchange._receive_json,
    RunAction: _Exchange._run,
}


async def _result_of(job: Job) -> Any:
    return await job.future


class _CallerLeft(Exception):
    """The caller left while the engine was at work; ``job`` goes on."""

    def __init__(self, job: Job) -> None:
        super().__init__()
        self.job = job


def _release_unused(admitting: asyncio.Future[Admission]) -> None:
    if admitting.exception() is None and (slot := admitting.result().slot) and not isinstance(slot, Verdict):
        slot.release()


def _finish_unattended(steps: Steps, result: Any, error: BaseException | None) -> None:
    """Bring a call whose caller has left to its end: its slot is given back and its record says what happened."""
    with contextlib.suppress(StopIteration):
        effect = steps.send(result) if error is None else steps.throw(error)
        if isinstance(effect, GiveSlotBack):
            effect.lease.release()
        steps.send(None)


def _follow_now(steps: Generator[Future[str], str, bool]) -> Any:
    """Run a generator of the pipeline to its end, or return the coroutine that does where it takes waiting."""
    try:
        return _follow(steps, next(steps))
    except StopIteration as end:
        return bool(end.value)


async def _follow(steps: Generator[Future[str], str, bool], future: Future[str]) -> bool:
    """Await the futures that a generator of the pipeline yields, from the first one on."""
    try:
        while True:
            try:
                value = await asyncio.shield(asyncio.wrap_future(future))
            except WebhooksError as error:
                future = steps.throw(error)
            else:
                future = steps.send(value)
    except StopIteration as end:
        return bool(end.value)


def build_head(scope: Scope) -> RequestHead:
    """Make the pipeline's request head of an ASGI scope (ASGI 3.0, "HTTP connection scope")."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        if name == "x-forwarded-for" and name in headers:
            headers[name] = f"{headers[name]},{value}"
        else:
            headers.setdefault(name, value)
    return RequestHead(
        method=scope["method"], headers=headers, peer=find_peer(scope.get("client"), scope.get("server"))
    )
