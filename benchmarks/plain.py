"""A plain Django view that answers JSON: what the framework costs before any of this app's work is done.

Served by gunicorn as ``benchmarks.plain:application``, with Django's default middleware of a JSON service: none.
"""

from __future__ import annotations

import json

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path

if not settings.configured:
    settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="benchmark", MIDDLEWARE=[])  # noqa: S106

FLOW = {"flowId": "00000000-0000-4000-8000-000000000000", "revision": 0, "status": "queued", "goal": "None"}


def answer(request: HttpRequest) -> JsonResponse:
    """Parse the body and answer with a flow that is always the same."""
    action = json.loads(request.body)["action"]
    return JsonResponse({"ok": True, "routeId": "plain", "action": action, "result": {"flow": FLOW}})


urlpatterns = [path("plain", answer)]
application = get_wsgi_application()
