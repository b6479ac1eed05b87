"""The hooks of a gunicorn configuration, each by itself; ``test_gunicorn`` has them all in a running server."""

import pytest

from openclaw_webhooks.servers import gunicorn
from openclaw_webhooks.servers.gunicorn import RouteBody
from tests.servers.environs import Worker, exchange
from tests.servers.serving import head

EXPECT = "Expect: 100-continue\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def test_only_routes_have_their_invitation_held_back() -> None:
    with exchange(head(path="/elsewhere", length=4, extra=EXPECT)) as one:
        assert one.caller.recv(100) == CONTINUE
        assert not isinstance(one.request.body, RouteBody)


@pytest.mark.parametrize("read", ["read", "readline", "readlines"])
def test_whoever_reads_first_invites_once(read: str) -> None:
    with exchange(head(length=5, extra=EXPECT) + b"body\n") as one:
        one.caller.setblocking(False)
        with pytest.raises(BlockingIOError):
            one.caller.recv(100)
        result = getattr(one.environ["wsgi.input"], read)()
        assert result in (b"body\n", [b"body\n"])
        assert one.environ["wsgi.input"].read() == b""
        assert one.caller.recv(100) == CONTINUE


def test_after_the_answer_nobody_is_invited() -> None:
    with exchange(head(length=4, extra=EXPECT) + b"body") as one:
        gunicorn.post_request(Worker(), one.request, one.environ, None)
        assert one.parser.finish_body()
        one.caller.setblocking(False)
        with pytest.raises(BlockingIOError):
            one.caller.recv(100)


def test_requests_of_other_protocols_are_left_alone() -> None:
    class Http2Request:
        path = "/hook"
        body = object()

    request = Http2Request()
    before = request.body
    gunicorn.build_pre_request(is_route=lambda _path: True)(Worker(), request)
    gunicorn.post_request(Worker(), request, {}, None)
    assert request.body is before


@pytest.mark.parametrize(("configured", "left"), [(30, 28), (5, 3), (2, 1), (1, 1)])
def test_a_stopping_worker_gives_up_before_it_is_killed(configured: int, left: int) -> None:
    worker = Worker()
    worker.cfg.set("graceful_timeout", configured)
    gunicorn.post_worker_init(worker)
    assert worker.cfg.graceful_timeout == left
