"""The DRF door inside a Django project: through the URLconf, behind middleware, under Django's ASGI handler."""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator
from django.core.asgi import get_asgi_application
from django.http import HttpResponse
from django.test import Client, override_settings
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from openclaw_webhooks.middleware import WebhookRoutesMiddleware
from openclaw_webhooks.models import Flow
from openclaw_webhooks.runtime import close_runtime, get_runtime
from openclaw_webhooks.urls import build_urlpatterns
from openclaw_webhooks.views import UNMOUNTED_NOTICE, RouteView

PATH = "/plugins/webhooks/zapier"
SECRET = "zapier-secret-of-the-tests"
CREATE = {"action": "create_flow", "goal": "Review inbound queue"}
ROUTE_MIDDLEWARE = "openclaw_webhooks.middleware.WebhookRoutesMiddleware"

pytestmark = pytest.mark.django_db

_addresses = (f"198.51.{high}.{low}" for high, low in itertools.product(range(100, 120), range(250)))


@pytest.fixture
def address() -> Iterator[str]:
    """An address of the test's own, and a runtime that ends with the test."""
    yield next(_addresses)
    close_runtime()


def post(address: str, body: Any = CREATE, *, path: str = PATH, secret: str = SECRET, **extra: Any) -> HttpResponse:
    headers = {"authorization": f"Bearer {secret}"} | extra.pop("headers", {})
    options = {"content_type": "application/json", "headers": headers, "REMOTE_ADDR": address} | extra
    data = body if isinstance(body, bytes) else json.dumps(body)
    response: HttpResponse = Client().post(path, data, **options)
    return response


def test_creates_a_flow_through_the_urlconf(address: str) -> None:
    response = post(address)
    assert (response.status_code, response["Content-Type"]) == (200, "application/json; charset=utf-8")
    assert Flow.objects.get().flow_id == json.loads(response.content)["result"]["flow"]["flowId"]
    assert "Allow" not in response


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete", "options", "head", "trace"])
def test_every_other_method_is_refused_as_the_pipeline_refuses(address: str, method: str) -> None:
    response = getattr(Client(), method)(PATH, REMOTE_ADDR=address)
    assert (response.status_code, response["Allow"]) == (405, "POST")
    assert response["Content-Type"] == "text/plain; charset=utf-8"


def test_a_made_up_method_is_refused_too(address: str) -> None:
    assert Client().generic("BREW", PATH, REMOTE_ADDR=address).status_code == 405


def test_refusals_carry_their_headers(address: str) -> None:
    wrong = post(address, secret="wrong")
    assert (wrong.status_code, wrong["WWW-Authenticate"], wrong.content) == (401, "Bearer", b"unauthorized")
    assert post(address, content_type="text/plain").status_code == 415
    assert post(address, b"{").content == b"invalid request body"
    for _ in range(118):
        post(address, secret="wrong")
    limited = post(address)
    assert (limited.status_code, int(limited["Retry-After"]) >= 1) == (429, True)
    assert not Flow.objects.exists()


def test_a_faulty_field_is_named(address: str) -> None:
    response = post(address, {"action": "create_flow", "goal": ""})
    answer = json.loads(response.content)
    assert (response.status_code, answer["ok"], answer["code"]) == (400, False, "invalid_request")
    assert answer["error"].startswith("goal: ")


def test_an_empty_body_is_no_json(address: str) -> None:
    headers = {"authorization": f"Bearer {SECRET}", "content-type": "application/json"}
    response = Client().generic("POST", PATH, b"", headers=headers, REMOTE_ADDR=address)
    assert (response.status_code, response.content) == (400, b"invalid request body")


def test_an_oversized_body_is_refused(address: str) -> None:
    assert post(address, b" " * 262_145).status_code == 413
    assert post(address, b" " * 262_144).status_code == 400


def test_csrf_is_no_hindrance(address: str) -> None:
    response = Client(enforce_csrf_checks=True).post(
        PATH, json.dumps(CREATE), content_type="application/json", headers={"authorization": f"Bearer {SECRET}"}
    )
    assert response.status_code == 200


def test_the_middleware_answers_whatever_the_host_says(address: str, settings: Any) -> None:
    assert post(address, headers={"host": "tunnel.example.net"}).status_code == 400  # CommonMiddleware's answer
    settings.MIDDLEWARE = [ROUTE_MIDDLEWARE, *settings.MIDDLEWARE]
    assert post(address, headers={"host": "tunnel.example.net"}).status_code == 200
    assert post(address, path=f"{PATH}/").status_code == 200
    assert post(address, path="/plugins/webhooks/none").status_code == 404
    assert post(address, path="/plugins/webhooks/none", headers={"host": "tunnel.example.net"}).status_code == 400


def test_the_middleware_passes_every_other_path_on() -> None:
    request = APIRequestFactory().get("/elsewhere")
    assert WebhookRoutesMiddleware(lambda _request: HttpResponse("mine"))(request).content == b"mine"  # type: ignore[attr-defined]


def test_patterns_exist_for_healthy_enabled_routes_only() -> None:
    with override_settings(
        OPENCLAW_WEBHOOKS={
            "ROUTES": {
                "good": {"path": "/a.b/c+d", "sessionKey": "agent:main:main", "secret": "s" * 20},
                "off": {"enabled": False, "sessionKey": "agent:main:main", "secret": "s" * 20},
                "faulty": {"secret": "s" * 20},
            }
        }
    ):
        patterns = build_urlpatterns(get_runtime().configuration)
        assert [pattern.name for pattern in patterns] == ["openclaw-webhook-good"]
        assert patterns[0].resolve("a.b/c+d")
        assert patterns[0].resolve("a.b/c+d/")
        assert patterns[0].resolve("aXb/c+d") is None
        assert patterns[0].resolve("a.b/c+d//") is None


def test_faulty_routes_are_told_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with override_settings(OPENCLAW_WEBHOOKS={"ROUTES": {"faulty": {"secret": "s" * 20}}}):
        with caplog.at_level(logging.ERROR, "openclaw_webhooks.runtime"):
            assert get_runtime().routes == {}
        assert "faulty.sessionKey" in caplog.text
    close_runtime()


class Closed(BaseThrottle):
    """Lets nobody pass."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        return False

    def wait(self) -> float:
        return 6.2


class Never(BasePermission):
    """Permits nothing."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return False


def test_a_projects_own_throttles_and_permissions_are_asked(address: str) -> None:
    route = get_runtime().routes[PATH]
    request = APIRequestFactory().post(
        PATH, CREATE, format="json", REMOTE_ADDR=address, headers={"authorization": f"Bearer {SECRET}"}
    )
    throttled = type("Throttled", (RouteView,), {"throttle_classes": (Closed, *RouteView.throttle_classes)})
    response = throttled.as_view(route=route)(request)
    assert (response.status_code, response["Retry-After"]) == (429, "7")
    forbidden = type("Forbidden", (RouteView,), {"permission_classes": (Never,)})
    assert forbidden.as_view(route=route)(request).status_code == 401


async def _ask_under_asgi(body: bytes, address: str) -> tuple[int, bytes]:
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "path": PATH,
        "raw_path": PATH.encode(),
        "root_path": "",
        "scheme": "http",
        "query_string": b"",
        "headers": [
            (b"host", b"testserver"),
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"authorization", f"Bearer {SECRET}".encode()),
        ],
        "client": (address, 1234),
        "server": ("testserver", 80),
    }
    communicator = ApplicationCommunicator(get_asgi_application(), scope)
    await communicator.send_input({"type": "http.request", "body": body})
    start, end = await communicator.receive_output(5), await communicator.receive_output(5)
    await communicator.wait(5)
    return start["status"], end["body"]


@pytest.mark.django_db(transaction=True)
def test_without_the_mount_an_asgi_server_gets_right_answers_and_the_operator_a_notice(
    address: str, caplog: pytest.LogCaptureFixture
) -> None:
    import asyncio

    with caplog.at_level(logging.WARNING, "openclaw_webhooks.views"):
        for body, status in ((json.dumps({"action": "list_flows"}).encode(), 200), (b"{", 400), (b" " * 262_145, 413)):
            assert asyncio.run(_ask_under_asgi(body, address))[0] == status
    assert caplog.messages.count(UNMOUNTED_NOTICE) == 1
    assert UNMOUNTED_NOTICE in get_runtime().notices
