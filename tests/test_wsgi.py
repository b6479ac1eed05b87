"""The routes mounted in front of a WSGI application: what reaches them, what passes by, and what is not sent."""

from __future__ import annotations

import io
import itertools
import json
import sys
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from django.core.signals import got_request_exception, request_finished, request_started

from openclaw_webhooks import wsgi
from openclaw_webhooks.models import Flow
from openclaw_webhooks.runtime import close_runtime, get_runtime

PATH = "/plugins/webhooks/zapier"
SECRET = "zapier-secret-of-the-tests"
CREATE = {"action": "create_flow", "goal": "Review inbound queue"}

pytestmark = pytest.mark.django_db

_addresses = (f"198.52.{high}.{low}" for high, low in itertools.product(range(100, 120), range(250)))


@pytest.fixture
def address(settings: Any) -> Iterator[str]:
    """An address of the test's own, and a runtime that ends with the test."""
    settings.OPENCLAW_WEBHOOKS = settings.OPENCLAW_WEBHOOKS | {"HEALTH": True}
    yield next(_addresses)
    close_runtime()


def behind(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("X-Behind", environ["PATH_INFO"])])
    return [b"the project's own"]


def ask(
    path: str, address: str, *, body: Any = CREATE, method: str = "POST", media_type: str = "application/json"
) -> tuple[str, dict[str, str], bytes]:
    raw = json.dumps(body).encode()
    environ = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "REMOTE_ADDR": address,
        "CONTENT_TYPE": media_type,
        "CONTENT_LENGTH": str(len(raw)),
        "HTTP_HOST": "tunnel.example.net",
        "HTTP_AUTHORIZATION": f"Bearer {SECRET}",
        "wsgi.input": io.BytesIO(raw),
        "wsgi.errors": sys.stderr,
        "wsgi.url_scheme": "http",
    }
    started: list[Any] = []
    answer = wsgi.mount(behind)(environ, lambda status, headers: started.extend((status, dict(headers))))
    text = b"".join(answer)
    if hasattr(answer, "close"):
        answer.close()
    return started[0], started[1], text


@pytest.mark.parametrize("path", [PATH, f"{PATH}/"])
def test_a_route_answers_whatever_the_host_says(address: str, path: str) -> None:
    status, headers, body = ask(path, address)
    assert (status, headers["Content-Type"]) == ("200 OK", "application/json; charset=utf-8")
    assert json.loads(body)["result"]["flow"]["flowId"] == Flow.objects.get().flow_id


@pytest.mark.parametrize("parameters", ["charset*=nope''x", "charset=rot13", 'x="' + ";" * 10_000 + '"'])
def test_the_parameters_of_a_media_type_are_nobodys(address: str, parameters: str) -> None:
    for media_type, status in (("application/json", "200 OK"), ("text/plain", "415 Unsupported Media Type")):
        assert ask(PATH, address, media_type=f"{media_type}; {parameters}")[0] == status


def test_refusals_and_other_methods_are_the_pipelines(address: str) -> None:
    status, headers, _ = ask(PATH, address, method="GET")
    assert (status, headers["Allow"]) == ("405 Method Not Allowed", "POST")


def test_pages_for_monitoring_answer_too(address: str) -> None:
    status, _, body = ask("/healthz", address, method="GET")
    assert (status, body) == ("200 OK", b"ok\n")


@pytest.mark.parametrize("path", ["/", f"{PATH}/more", "/plugins/webhooks/none", "/plugins/webhooks/caf\u00c3\u00a9"])
def test_every_other_path_is_passed_on_as_it_came(address: str, path: str) -> None:
    assert ask(path, address)[1:] == ({"X-Behind": path}, b"the project's own")


def test_the_signals_of_djangos_handler_are_not_sent(address: str) -> None:
    heard: list[Any] = []

    def hear(signal: Any, **_: Any) -> None:
        heard.append(signal)

    for signal in (request_started, request_finished):
        signal.connect(hear)
    try:
        assert ask(PATH, address)[0] == "200 OK"
    finally:
        for signal in (request_started, request_finished):
            signal.disconnect(hear)
    assert heard == []


def test_an_exception_becomes_djangos_500(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[Any] = []

    def hear(**_: Any) -> None:
        heard.append(sys.exc_info()[0])

    def fail(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(type(get_runtime().pipeline), "serve", fail)
    got_request_exception.connect(hear)
    try:
        status, _, body = ask(PATH, address)
    finally:
        got_request_exception.disconnect(hear)
    assert status == "500 Internal Server Error"
    assert b"ZeroDivisionError" not in body
    assert heard == [ZeroDivisionError]


def test_what_a_response_holds_is_let_go_of_at_the_end(address: str) -> None:
    closed: list[int] = []
    response = wsgi._Body(wsgi.HttpResponse(b"text"))
    response._response._resource_closers.append(lambda: closed.append(1))
    assert list(response) == [b"text"]
    assert closed == []
    response.close()
    assert closed == [1]
