"""Django's pages behind the ASGI door: its WSGI handler makes them in a few threads; the event loop does the waiting.

Django's ASGI handler gives each request a thread and a connection to the database of its own, and keeps its body in a
temporary file as long and as large as the caller likes. Here a body is received before a thread is taken, and the
thread is given back before the answer is sent: callers that are slow to send or to read hold none.

Libraries that do the same were looked at. ``a2wsgi`` takes a thread before the body has come and keeps it until the
answer is read; ``asgiref.wsgi`` keeps bodies in files. The queue before their threads has no bound.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from openclaw_webhooks.effects import Answer
from openclaw_webhooks.exceptions import BodyTimeout, BodyTooLarge, ClientGone
from openclaw_webhooks.servers.asgi_answer import send_answer
from openclaw_webhooks.servers.asgi_body import AsgiBody
from openclaw_webhooks.servers.whole_messages import find_whole_messages
from project.made_page import FileParts, MadePage, StreamParts, make_page
from project.page_bodies import BODY_LIMITS, BodyBudget, BodyLimits
from project.page_environ import build_environ
from project.page_pool import POOL_LIMITS, PagePool, PagesBusy, PoolLimits

if TYPE_CHECKING:
    from openclaw_webhooks.exchange import Message, Receive, Scope, Send

_TEXT: Final = ("content-type", "text/plain; charset=utf-8")
_TOO_LARGE: Final = Answer(status=413, headers=(_TEXT,), body=b"Payload too large", close=True)
_TOO_SLOW: Final = Answer(status=408, headers=(_TEXT,), body=b"Request body timeout", close=True)
_BUSY: Final = Answer(status=503, headers=(_TEXT, ("retry-after", "1")), body=b"Service Unavailable")


class Pages:
    """An ASGI application around Django's ``WSGIHandler``; one object per process, for one event loop.

    Attributes:
        application: The handler.
        body_limits: What is read of bodies.
        budget: What they hold together.
        pool: The threads.
    """

    def __init__(
        self,
        application: Callable[..., Iterable[bytes]],
        *,
        pool_limits: PoolLimits = POOL_LIMITS,
        body_limits: BodyLimits = BODY_LIMITS,
    ) -> None:
        """Serve nothing yet."""
        self.application = application
        self.body_limits = body_limits
        self.budget = BodyBudget(body_limits.together_bytes)
        self.pool = PagePool(pool_limits)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        await _Visit(self, scope, receive, send).serve()


class _Visit:
    """One request and its answer."""

    def __init__(self, pages: Pages, scope: Scope, receive: Receive, send: Send) -> None:
        self._pages, self._scope, self._receive, self._send = pages, scope, receive, send
        self._body = AsgiBody(self._receive_counted, find_whole_messages(scope).take_body)
        self._room = asyncio.timeout(None)
        """Ends at once where this body has to make room for others."""
        self._held = pages.budget.open(lambda: self._room.reschedule(0))
        self._content = b""

    async def serve(self) -> None:
        try:
            refusal = await self._answer_or_refuse()
        finally:
            self._held.close()
        if refusal is not None:
            await send_answer(refusal, self._scope, self._receive, self._send, body=self._body)

    async def _answer_or_refuse(self) -> Answer | None:
        """Answer, or return what the caller is refused with. Nothing is sent to one that has left."""
        try:
            async with self._room:
                await self._read()
                await _while_present(self._receive, self._answer())
        except ClientGone:
            return None
        except BodyTooLarge:
            return _TOO_LARGE
        except BodyTimeout:
            return _TOO_SLOW
        except PagesBusy:
            return _BUSY
        except TimeoutError:
            if not self._room.expired():
                raise
            return _BUSY
        return None

    async def _read(self) -> None:
        limits = self._pages.body_limits
        if _declared_bytes(self._scope) > limits.each_bytes:
            raise BodyTooLarge("more bytes were declared than allowed")
        received = self._body.read(limit_bytes=limits.each_bytes, timeout_seconds=limits.timeout_seconds)
        if isinstance(received, bytes):
            self._held.add(len(received))
            self._content = received
        else:
            self._content = await received

    async def _receive_counted(self) -> Message:
        message = await self._receive()
        self._held.add(len(message.get("body", b"")))
        return message

    async def _answer(self) -> None:
        page = await self._make()
        try:
            await self._send_page(page)
        finally:
            if isinstance(page.content, StreamParts):
                self._pages.pool.soon(page.close)

    async def _make(self) -> MadePage:
        """Have a thread make the page. Afterwards nothing holds the body: sending may take long."""
        environ = build_environ(self._scope, self._content)
        self._content = b""
        make = partial(make_page, self._pages.application, environ)
        return await self._pages.pool.make(make, on_turn=self._held.close, discard=MadePage.close)

    async def _send_page(self, page: MadePage) -> None:
        await self._send({"type": "http.response.start", "status": page.status, "headers": page.fields})
        last = b""
        if self._scope["method"] != "HEAD":
            if isinstance(page.content, bytes):
                last = page.content
            else:
                await self._send_parts(page.content)
        await self._send({"type": "http.response.body", "body": last})

    async def _send_parts(self, content: FileParts | StreamParts) -> None:
        if isinstance(content, FileParts):
            while part := content.read_next():
                await self._send_part(part)
        else:
            while (made := await self._pages.pool.go_on(content.make_next)) is not None:
                await self._send_part(made)

    async def _send_part(self, part: bytes) -> None:
        """Send; waits while the caller does not read."""
        await self._send({"type": "http.response.body", "body": part, "more_body": True})


def _declared_bytes(scope: Scope) -> int:
    return next((int(value) for name, value in scope["headers"] if name == b"content-length"), 0)


async def _while_present(receive: Receive, work: Coroutine[Any, Any, None]) -> None:
    """Do the work as long as the caller is there.

    Raises:
        ClientGone: The connection has ended.
    """
    working, leaving = asyncio.create_task(work), asyncio.create_task(_wait_until_left(receive))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientGone("the caller closed the connection")
        working.result()
    finally:
        working.cancel()
        leaving.cancel()


async def _wait_until_left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
