"""Reading bodies: over gunicorn's own parser in this process, under wsgiref, and from streams of other servers."""

import contextlib
import io
import json
import os
import resource
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import pytest
from django.http import HttpResponse
from hypothesis import given, settings
from hypothesis import strategies as st

from openclaw_webhooks.exceptions import BodyError, BodyNotJson, BodyTimeout, BodyTooLarge, ClientGone
from openclaw_webhooks.servers.wsgi_stream import close_connection_after, read_body
from tests.servers.environs import Exchange, Worker, exchange
from tests.servers.serving import chunk, head

# Closing a Django response has Django look at the connections that earlier tests of the process have opened.
pytestmark = pytest.mark.django_db

LIMIT_BYTES = 2000  # Gunicorn reads chunks in steps of at least 1 KiB, so a smaller limit would be seen late.


def read(environ: dict[str, Any], *, timeout_seconds: float = 5) -> bytes:
    return read_body(environ, limit_bytes=LIMIT_BYTES, timeout_seconds=timeout_seconds)


def settle(one: Exchange) -> bool:
    """End the exchange as a door does; tells whether the connection was taken away from gunicorn."""
    response = HttpResponse()
    close_connection_after(response, one.environ)
    response.close()
    one.caller.setblocking(False)
    try:
        return one.caller.recv(1) == b""
    except BlockingIOError:
        return False


@settings(max_examples=60)
@given(st.lists(st.binary(min_size=1, max_size=600), max_size=6), st.booleans())
def test_whatever_the_framing_the_body_is_what_was_sent(pieces: list[bytes], is_chunked: bool) -> None:
    body = b"".join(pieces)
    chunks = b"".join(map(chunk, pieces)) + chunk(b"")
    with exchange(head() + chunks if is_chunked else head(length=len(body)) + body) as one:
        if len(body) > LIMIT_BYTES:
            with pytest.raises(BodyTooLarge):
                read(one.environ)
        else:
            assert read(one.environ) == body
            assert not settle(one)


@settings(max_examples=60)
@given(st.binary(max_size=200))
def test_rubbish_in_place_of_chunks_is_a_body_error(data: bytes) -> None:
    with exchange(head() + data) as one:
        one.caller.shutdown(socket.SHUT_WR)
        outcome = _outcome(one)
    assert outcome in {"ClientGone", "BodyNotJson"} or len(outcome) <= len(data)


def _outcome(one: Exchange) -> bytes | str:
    try:
        return read(one.environ)
    except BodyError as error:
        # What gunicorn says of it quotes what was sent.
        return type(error).__name__ if error.__suppress_context__ else repr(error.__context__)


@pytest.mark.parametrize("length", [0, 1, LIMIT_BYTES])
def test_a_body_up_to_the_limit_passes(length: int) -> None:
    with exchange(head(length=length) + b"x" * length) as one:
        assert read(one.environ) == b"x" * length


def test_no_body_is_an_empty_one() -> None:
    with exchange(b"POST /hook HTTP/1.1\r\nHost: x\r\n\r\n") as one:
        assert read(one.environ) == b""


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (head(length=LIMIT_BYTES + 1), BodyTooLarge),
        (head() + chunk(b"x" * (LIMIT_BYTES + 1)), BodyTooLarge),
        (head(length=10) + b"part", BodyTimeout),
        (head() + chunk(b"part"), BodyTimeout),
        (head() + b"not hex\r\n", BodyNotJson),
    ],
)
@pytest.mark.parametrize("with_hooks", [True, False])
def test_after_a_body_error_the_connection_is_taken_away(data: bytes, error: type[BodyError], with_hooks: bool) -> None:
    with exchange(data, with_hooks=with_hooks) as one:
        with pytest.raises(error):
            read(one.environ, timeout_seconds=0.05)
        assert settle(one)
        assert one.request.should_close() is with_hooks
        assert one.environ["gunicorn.socket"].recv(1) == b""  # What gunicorn is left with.


@pytest.mark.parametrize("data", [head(length=10) + b"part", head() + b"a\r\npart", head() + b"a"])
def test_an_early_end_is_a_caller_gone(data: bytes) -> None:
    with exchange(data) as one:
        one.caller.shutdown(socket.SHUT_WR)
        with pytest.raises(ClientGone):
            read(one.environ)


@pytest.mark.parametrize(
    ("data", "is_taken"),
    [
        (b"POST /hook HTTP/1.1\r\nHost: x\r\n\r\n", False),
        (head(length=4) + b"body", False),
        (head() + chunk(b"body") + chunk(b""), False),
        (head(length=4) + b"bod", True),
        (head() + chunk(b"body"), True),
        (head() + b"rubbish\r\n", True),
        (head(length=100_000) + b"x" * 100_000, True),
        (head() + chunk(b"x" * 100_000) + chunk(b""), True),
        (head(length=4, extra="Expect: 100-continue\r\n"), True),
    ],
)
def test_a_refused_connection_stays_only_where_its_body_arrived(data: bytes, is_taken: bool) -> None:
    with exchange(data) as one:
        assert settle(one) is is_taken
        assert one.request.should_close() is is_taken


def test_what_follows_a_refused_body_is_the_next_request() -> None:
    with exchange(head(length=4) + b"body" + head(length=2) + b"ok") as one:
        assert not settle(one)
        assert next(one.parser).body.read() == b"ok"


def test_the_socket_is_as_gunicorn_had_it() -> None:
    with exchange(head(length=10) + b"part") as one:
        threading.Timer(0.05, one.caller.sendall, [b"rest.."]).start()
        assert read(one.environ) == b"partrest.."
        sock = one.environ["gunicorn.socket"]
        assert sock.gettimeout() is None
        assert one.request.unreader.sock is sock


def test_a_stopping_worker_does_not_wait_for_a_stalled_body() -> None:
    with exchange(head(length=10), worker=Worker(alive=False)) as one:
        started = time.monotonic()
        with pytest.raises(BodyTimeout):
            read(one.environ, timeout_seconds=60)
        assert time.monotonic() - started < 5


def test_without_a_free_descriptor_gunicorn_keeps_the_connection(caplog: pytest.LogCaptureFixture) -> None:
    with exchange(head(length=10)) as one, no_free_descriptor():
        assert not settle(one)
    assert "gunicorn closes it" in caplog.text


@contextlib.contextmanager
def no_free_descriptor() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_connections_may_be_taken_away_all_at_once() -> None:
    """Threads that meet here must not take each other's descriptors."""
    count = 16
    start = threading.Barrier(count)

    def refuse() -> bool:
        with exchange(head(length=10)) as one:
            start.wait()
            return settle(one) and one.environ["gunicorn.socket"].recv(1) == b""

    with ThreadPoolExecutor(count) as pool:
        assert all(future.result() for future in [pool.submit(refuse) for _ in range(count)])


def test_another_server_is_left_alone() -> None:
    response = HttpResponse()
    close_connection_after(response, plain(b"body"))
    assert response._resource_closers == []


def plain(body: bytes, *, length: object = None, **environ: object) -> dict[str, Any]:
    declared = len(body) if length is None else length
    return {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(declared)} | environ


@pytest.mark.parametrize("length", ["", "x", "-1", "²", None])
def test_under_another_server_no_usable_length_is_no_body(length: object) -> None:
    assert read({"wsgi.input": io.BytesIO(b"body"), "CONTENT_LENGTH": length}) == b""


def test_under_another_server_a_body_is_bounded_by_its_length() -> None:
    assert read(plain(b"body and the next request", length=4)) == b"body"
    with pytest.raises(BodyTooLarge):
        read(plain(b"", length=LIMIT_BYTES + 1))
    with pytest.raises(ClientGone):
        read(plain(b"part", length=5))


def test_under_another_server_a_stream_that_ends_itself_is_read_to_its_end() -> None:
    terminated = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True, "length": ""}
    assert read(plain(b"body", **terminated)) == b"body"
    with pytest.raises(BodyTooLarge):
        read(plain(b"x" * (LIMIT_BYTES + 1), **terminated))


class _Stream:
    """Some server's stream: gives what it is told to, byte by byte, or fails."""

    def __init__(self, *, error: OSError | None = None) -> None:
        self._error = error

    def read(self, _size: int) -> bytes:
        if self._error:
            raise self._error
        time.sleep(0.01)
        return b"x"


def test_under_another_server_the_deadline_is_looked_at_between_reads() -> None:
    with pytest.raises(BodyTimeout):
        read({"wsgi.input": _Stream(), "CONTENT_LENGTH": "1000"}, timeout_seconds=0.05)


@pytest.mark.parametrize(("error", "raised"), [(TimeoutError(), BodyTimeout), (ConnectionResetError(), ClientGone)])
def test_under_another_server_its_errors_are_told_apart(error: OSError, raised: type[BodyError]) -> None:
    with pytest.raises(raised):
        read({"wsgi.input": _Stream(error=error), "CONTENT_LENGTH": "5"})


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


class _ThreadingServer(ThreadingMixIn, WSGIServer):
    daemon_threads = True


def _application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    try:
        text = read(environ, timeout_seconds=0.3).decode()
    except BodyError as error:
        text = type(error).__name__
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(text).encode()]


def test_wsgiref_serves_bodies_and_sees_drips_but_not_silence() -> None:
    with _ThreadingServer(("127.0.0.1", 0), _QuietHandler) as server:
        server.set_app(_application)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        port = server.server_address[1]
        try:
            assert _ask(port, b"body") == "body"
            assert _ask(port, b"x" * 2001) == "BodyTooLarge"
            assert _ask(port, b"drip", length=100, pause_seconds=0.15) == "BodyTimeout"
        finally:
            server.shutdown()


def _ask(port: int, body: bytes, *, length: int | None = None, pause_seconds: float = 0) -> object:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    connection.putrequest("POST", "/")
    connection.putheader("Content-Length", str(length or len(body)))
    connection.endheaders()
    for index in range(len(body) if pause_seconds else 1):
        connection.send(body[index : index + 1] if pause_seconds else body)
        time.sleep(pause_seconds)
    with connection.getresponse() as response:
        answer = json.loads(response.read())
    connection.close()
    return answer
