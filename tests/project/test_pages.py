"""Pages at the ASGI door, in this process: bodies, the queue, callers that leave or do not read, what Django sees."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.http import FileResponse, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import re_path

from openclaw_webhooks.servers import asgi_body
from openclaw_webhooks.servers.lingering import LingerLimits
from project.page_bodies import BODY_LIMITS, BodyLimits
from project.page_pool import PoolLimits
from project.pages import Pages
from tests.asgi_client import AsgiAnswer, AsgiCall, Message, build_scope

View = Callable[[HttpRequest], HttpResponseBase]
Serve = Callable[..., Pages]
SMALL = BodyLimits(each_bytes=1000, timeout_seconds=0.1, together_bytes=2500)


@pytest.fixture
def pages_of(settings: Any) -> Serve:
    """Return what makes a door whose every page is one view."""

    def build(view: View, *, body_limits: BodyLimits = BODY_LIMITS, **pool_limits: float) -> Pages:
        view.csrf_exempt = True  # type: ignore[attr-defined]
        settings.ROOT_URLCONF = (re_path("", view),)
        settings.MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
        return Pages(WSGIHandler(), body_limits=body_limits, pool_limits=PoolLimits(**pool_limits))  # type: ignore[arg-type]

    return build


class Visitor(AsgiCall):
    """Reads nothing before ``reads`` is set, and leaves when ``leaves`` is."""

    def __init__(self, pages: Pages, *body: bytes, path: str = "/", method: str = "GET", reads: bool = True) -> None:
        length = {"content-length": str(sum(map(len, body)))} if body else {}
        super().__init__(pages, build_scope(path, length, method=method))
        self._body = list(body or (b"",))
        self.reads, self.leaves = asyncio.Event(), asyncio.Event()
        if reads:
            self.reads.set()

    async def _receive(self) -> Message:
        if self._body:
            return {"type": "http.request", "body": self._body.pop(0), "more_body": bool(self._body)}
        await self.leaves.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        await self.reads.wait()
        await super()._send(message)


def say_length(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(len(request.body)))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - threads of the pool change what it looks at
            await asyncio.sleep(0.005)


def test_a_body_in_pieces_reaches_the_page(pages_of: Serve) -> None:
    answer = asyncio.run(Visitor(pages_of(say_length, body_limits=SMALL), b"x" * 400, b"x" * 600).run())
    assert (answer.status, answer.body, answer.is_complete) == (200, b"1000", True)


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "chunked"])
def test_a_body_over_the_limit_is_refused_and_ends_the_connection(pages_of: Serve, declared: bool) -> None:
    pages = pages_of(say_length, body_limits=SMALL)
    fields = {"content-length": "1001"} if declared else {"transfer-encoding": "chunked"}
    call = AsgiCall(pages, build_scope("/", fields), (b"x" * 500, b"x" * 501))
    answer = asyncio.run(call.run())
    assert (answer.status, answer.headers["connection"]) == (413, "close")
    assert (answer.body, answer.is_complete) == (b"Payload too large", True)


class Sender(AsgiCall):
    """Sends its body's end only when it is let go on."""

    def __init__(self, pages: Pages, first: bytes) -> None:
        super().__init__(pages, build_scope("/", {"transfer-encoding": "chunked"}))
        self._first = first
        self.goes_on = asyncio.Event()

    async def _receive(self) -> Message:
        if self._first:
            first, self._first = self._first, b""
            return {"type": "http.request", "body": first, "more_body": True}
        await self.goes_on.wait()
        self.goes_on.clear()
        return {"type": "http.request", "body": b"", "more_body": False}


def test_a_body_that_does_not_come_is_refused_at_its_deadline(pages_of: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asgi_body, "LINGER_LIMITS", LingerLimits(idle_seconds=0.05))
    pages = pages_of(say_length, body_limits=SMALL)
    answer = asyncio.run(Sender(pages, b"x" * 10).run())
    assert (answer.status, answer.headers["connection"]) == (408, "close")


def test_where_bodies_outgrow_their_room_the_largest_is_refused_and_a_small_form_never(pages_of: Serve) -> None:
    pages = pages_of(say_length, body_limits=BodyLimits(each_bytes=1000, timeout_seconds=10, together_bytes=2500))

    async def crowd() -> list[AsgiAnswer]:
        senders = [Sender(pages, b"x" * size) for size in (10, 800, 900, 850)]
        tasks = []
        for sender in senders:
            tasks.append(asyncio.create_task(sender.run()))
            await asyncio.sleep(0)
        await until(lambda: bool(senders[2].answer.messages))
        for sender in senders:
            sender.goes_on.set()
        return await asyncio.gather(*tasks)

    form, first, largest, last = asyncio.run(crowd())
    assert [answer.status for answer in (form, first, last)] == [200, 200, 200]
    assert (largest.status, largest.headers["retry-after"], largest.headers["connection"]) == (503, "1", "close")


def test_a_full_queue_refuses_and_one_that_left_it_is_not_served(pages_of: Serve) -> None:
    release, served = threading.Event(), []

    def wait(request: HttpRequest) -> HttpResponse:
        served.append(request.path)
        release.wait(20)
        return HttpResponse("done")

    pages = pages_of(wait, threads=2, waiting=2, patience_seconds=20)

    async def crowd() -> tuple[AsgiAnswer, list[AsgiAnswer]]:
        visitors = [Visitor(pages, path=f"/{number}") for number in range(4)]
        tasks = [asyncio.create_task(visitor.run()) for visitor in visitors]
        await until(lambda: len(served) == 2)
        refused = await Visitor(pages, path="/refused").run()
        visitors[2].leaves.set()
        await tasks[2]
        tasks.append(asyncio.create_task(Visitor(pages, path="/4").run()))
        await asyncio.sleep(0)
        release.set()
        return refused, await asyncio.gather(*tasks)

    refused, answers = asyncio.run(crowd())
    assert (refused.status, refused.headers["retry-after"], refused.body) == (503, "1", b"Service Unavailable")
    assert "connection" not in refused.headers
    assert [answer.body for answer in answers] == [b"done", b"done", b"", b"done", b"done"]
    assert sorted(served) == ["/0", "/1", "/3", "/4"]


def test_a_caller_waits_in_the_queue_no_longer_than_it_should(pages_of: Serve) -> None:
    release = threading.Event()

    def wait(_request: HttpRequest) -> HttpResponse:
        release.wait(20)
        return HttpResponse("done")

    pages = pages_of(wait, threads=1, patience_seconds=0.05)

    async def crowd() -> list[int]:
        first = asyncio.create_task(Visitor(pages).run())
        await asyncio.sleep(0)
        second = await Visitor(pages).run()
        release.set()
        return [(await first).status, second.status]

    assert asyncio.run(crowd()) == [200, 503]


def stream(_request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(part for part in ("a" * 1000, "b" * 1000))


def test_downloads_that_nobody_reads_hold_no_thread(pages_of: Serve) -> None:
    pages = pages_of(lambda request: stream(request) if request.path == "/file" else say_length(request), threads=1)

    async def crowd() -> tuple[AsgiAnswer, list[AsgiAnswer]]:
        slow = [Visitor(pages, path="/file", reads=False) for _ in range(6)]
        tasks = [asyncio.create_task(visitor.run()) for visitor in slow]
        await asyncio.sleep(0.05)
        page = await Visitor(pages).run()
        for visitor in slow:
            visitor.reads.set()
        return page, await asyncio.gather(*tasks)

    page, files = asyncio.run(crowd())
    assert page.status == 200
    assert [file.body for file in files] == [b"a" * 1000 + b"b" * 1000] * 6


class Traced:
    """What is streamed: says whether it was closed."""

    def __init__(self) -> None:
        self.is_closed = threading.Event()

    def __iter__(self) -> Iterator[bytes]:
        while True:
            yield b"x" * 1000

    def close(self) -> None:
        self.is_closed.set()


def test_a_download_whose_caller_leaves_is_closed(pages_of: Serve) -> None:
    traced = Traced()
    pages = pages_of(lambda _request: StreamingHttpResponse(traced))

    async def leave() -> AsgiAnswer:
        visitor = Visitor(pages)
        serving = asyncio.create_task(visitor.run())
        await until(lambda: len(visitor.answer.messages) > 5)
        visitor.leaves.set()
        return await serving

    assert not asyncio.run(leave()).is_complete
    assert traced.is_closed.wait(10)


def test_what_was_made_for_a_caller_that_left_meanwhile_is_closed(pages_of: Serve) -> None:
    traced, begun, release = Traced(), threading.Event(), threading.Event()

    def wait(_request: HttpRequest) -> StreamingHttpResponse:
        begun.set()
        release.wait(20)
        return StreamingHttpResponse(traced)

    pages = pages_of(wait)

    async def leave() -> None:
        visitor = Visitor(pages)
        serving = asyncio.create_task(visitor.run())
        await until(begun.is_set)
        visitor.leaves.set()
        await serving
        release.set()
        await until(traced.is_closed.is_set)

    asyncio.run(leave())


def test_a_file_is_read_as_it_is_sent_by_no_thread_and_stays_closed(pages_of: Serve, tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_bytes(b"x" * 100_000)
    opened: list[Any] = []

    def send(_request: HttpRequest) -> FileResponse:
        opened.append(path.open("rb"))
        opened[-1].seek(10)
        return FileResponse(opened[-1])

    pages = pages_of(send, threads=1)

    async def crowd() -> list[AsgiAnswer]:
        slow = [Visitor(pages, reads=False) for _ in range(3)]
        tasks = [asyncio.create_task(visitor.run()) for visitor in slow]
        await until(lambda: len(opened) == 3 and all(file.closed for file in opened))
        slow[0].reads.set()
        await tasks[0]
        for visitor in slow[1:]:
            visitor.leaves.set()
        return await asyncio.gather(*tasks)

    whole, *others = asyncio.run(crowd())
    assert whole.body == b"x" * 99_990
    assert max(len(message.get("body", b"")) for message in whole.messages) < 20_000
    assert not any(answer.messages for answer in others)


def test_a_file_without_a_name_is_streamed(pages_of: Serve) -> None:
    pages = pages_of(lambda _request: FileResponse(io.BytesIO(b"12345")))
    assert asyncio.run(Visitor(pages).run()).body == b"12345"


def test_an_answer_without_a_length_gets_one_and_head_has_no_body(pages_of: Serve, settings: Any) -> None:
    pages = pages_of(lambda _request: HttpResponse("12345"))
    settings.MIDDLEWARE = []
    pages.application = WSGIHandler()
    answer = asyncio.run(Visitor(pages).run())
    assert (answer.headers["content-length"], answer.body) == ("5", b"12345")
    of_head = asyncio.run(Visitor(pages, method="HEAD").run())
    assert (of_head.headers["content-length"], of_head.body, of_head.is_complete) == ("5", b"", True)


def test_an_error_of_the_handler_itself_is_the_servers_to_log(pages_of: Serve) -> None:
    pages = pages_of(say_length)

    def fail(_environ: Any, _start: Any) -> Any:
        raise ZeroDivisionError

    pages.application = fail
    with pytest.raises(ZeroDivisionError):
        asyncio.run(Visitor(pages).run())


def tell_meta(request: HttpRequest) -> JsonResponse:
    kept = {name: value for name, value in request.META.items() if isinstance(value, str)}
    return JsonResponse(kept | {"path": request.path, "scheme": str(request.scheme), "body": request.body.decode()})


def test_django_sees_what_a_wsgi_server_would_tell(pages_of: Serve) -> None:
    scope = build_scope("/under/caf\u00e9 a", {}) | {
        "raw_path": b"/under/caf%C3%A9%20a",
        "root_path": "/under",
        "scheme": "https",
        "query_string": b"q=%C3%A9",
        "headers": [
            (b"host", b"testserver"),
            (b"content-type", b"text/plain"),
            (b"transfer-encoding", b"chunked"),
            (b"x-repeated", b"one"),
            (b"x-repeated", b"two"),
            (b"x_forged", b"yes"),
        ],
    }
    told = asyncio.run(AsgiCall(pages_of(tell_meta), scope, (b"ab", b"c")).run()).json
    assert (told["path"], told["scheme"], told["body"]) == ("/under/caf\u00e9 a", "https", "abc")
    assert {name: told[name] for name in ("SCRIPT_NAME", "QUERY_STRING", "REMOTE_ADDR", "SERVER_NAME")} == {
        "SCRIPT_NAME": "/under",
        "QUERY_STRING": "q=%C3%A9",
        "REMOTE_ADDR": "198.51.100.1",
        "SERVER_NAME": "testserver",
    }
    assert (told["HTTP_X_REPEATED"], told["CONTENT_TYPE"], told["CONTENT_LENGTH"]) == ("one,two", "text/plain", "3")
    assert not {"HTTP_X_FORGED", "HTTP_TRANSFER_ENCODING"} & set(told)


def test_a_path_that_is_no_utf_8_is_django_s_to_judge(pages_of: Serve) -> None:
    scope = build_scope("/\ufffd", {"host": "testserver"}) | {"raw_path": b"/%FF"}
    assert asyncio.run(AsgiCall(pages_of(tell_meta), scope).run()).json["path"] == "/%FF"


@pytest.mark.parametrize(
    ("server", "address"), [(("/run/unix", None), ""), (None, ""), (("/", "r"), ""), (("testserver", 80), "unknown")]
)
def test_a_peer_without_an_address_is_blank_on_a_unix_socket_alone(
    pages_of: Serve, server: tuple[str, int | str | None] | None, address: str
) -> None:
    scope = build_scope("/", {"host": "testserver"}, client=None) | {"server": server}
    scope.pop("raw_path")
    told = asyncio.run(AsgiCall(pages_of(tell_meta), scope).run()).json
    assert (told["REMOTE_ADDR"], told["path"]) == (address, "/")
