"""A Django project of one file that the tests serve with a real gunicorn: a route guarded as the DRF door guards it."""

import os
import threading
from pathlib import Path

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from openclaw_webhooks.exceptions import BodyError, BodyNotJson, BodyTimeout, BodyTooLarge, ClientGone
from openclaw_webhooks.servers.lingering import process_closer
from openclaw_webhooks.servers.wsgi_stream import close_connection_after, read_body

LIMIT_BYTES = 262_144
TIMEOUT_SECONDS = float(os.environ.get("TEST_BODY_TIMEOUT_SECONDS", "0.5"))
STATUSES: dict[type[BodyError], int] = {BodyTooLarge: 413, BodyTimeout: 408, ClientGone: 400, BodyNotJson: 400}
errors: list[str] = []


def answer(request: HttpRequest) -> HttpResponse:
    if request.headers.get("x-secret") != "right":
        return HttpResponse("unauthorized", status=401)
    try:
        body = read_body(request.META, limit_bytes=LIMIT_BYTES, timeout_seconds=TIMEOUT_SECONDS)
    except BodyError as error:
        errors.append(type(error).__name__)
        return HttpResponse(type(error).__name__, status=STATUSES[type(error)])
    return HttpResponse(f"{len(body)}:{body[:20].decode()}")


@csrf_exempt
def hook(request: HttpRequest) -> HttpResponse:
    response = answer(request)
    close_connection_after(response, request.META)
    return response


@csrf_exempt
def early_reader(request: HttpRequest) -> HttpResponse:
    """What a middleware of somebody's project does to a route: reads the body before the view."""
    return HttpResponse(f"{len(request.body)}")


@csrf_exempt
def crash(request: HttpRequest) -> HttpResponse:
    """A route answered by something that knows nothing of bodies."""
    return HttpResponse("broken", status=500)


def state(request: HttpRequest) -> HttpResponse:
    return JsonResponse(
        {
            "pid": os.getpid(),
            "descriptors": len(list(Path("/proc/self/fd").iterdir())),
            "threads": threading.active_count(),
            "lingering": len(process_closer()),
            "errors": errors,
        }
    )


def large(request: HttpRequest) -> HttpResponse:
    """More than the kernel takes of a connection."""
    return HttpResponse(b"x" * 12_000_000)


urlpatterns = [
    path("hook", hook),
    path("hook/early", early_reader),
    path("hook/crash", crash),
    path("state", state),
    path("large", large),
]

settings.configure(
    SECRET_KEY="only-for-tests",
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["*"],
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],  # For its Content-Length.
)
application = get_wsgi_application()
