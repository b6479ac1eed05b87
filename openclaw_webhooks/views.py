"""The DRF door: one view per route, inside any Django project; drives the pipeline through DRF's hooks.

Complete in itself under a WSGI server. Under ASGI without ``asgi.mount`` it still answers correctly, but Django reads
every body before a view runs, so the guards come too late to spare the server anything: said once, in the log and to
the operator.
"""

from __future__ import annotations

import functools
import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, cast

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated, PermissionDenied, Throttled
from rest_framework.parsers import BaseParser
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request

from openclaw_webhooks import exchange
from openclaw_webhooks.conf.routes import RouteConfig
from openclaw_webhooks.drf import (
    FixedNegotiation,
    RouteHooks,
    RouteRateThrottle,
    SharedSecretAuthentication,
    WebhookJSONParser,
)
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
from openclaw_webhooks.guards.head import RequestHead
from openclaw_webhooks.guards.limits.base import Lease, Verdict
from openclaw_webhooks.runtime import Runtime, get_runtime
from openclaw_webhooks.servers.wsgi_stream import close_connection_after

__all__ = ["RouteView"]

logger = logging.getLogger(__name__)

UNMOUNTED_NOTICE = (
    "Routes are reached through Django's ASGI handler, which reads every body before the guards run: oversized, slow "
    "and unauthenticated requests cost memory and time. Wrap the application: openclaw_webhooks.asgi.mount(...)."
)


class RouteView(RouteHooks):
    """Serves one route. Subclass it to add throttles, authenticators or permissions of a project's own beside ours."""

    route: RouteConfig | None = None
    throttle_classes = (RouteRateThrottle,)
    authentication_classes = (SharedSecretAuthentication,)
    permission_classes = ()
    parser_classes = (WebhookJSONParser,)
    renderer_classes = (JSONRenderer,)
    content_negotiation_class = FixedNegotiation
    versioning_class = None
    schema = None

    @property
    def default_response_headers(self) -> dict[str, str]:
        """Add no header of DRF's: ``Allow`` belongs on the 405 alone."""
        return {}

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Leave the order of the checks to the pipeline, which calls the hooks one by one."""
        self.format_kwarg = None
        request.accepted_renderer, request.accepted_media_type = self.perform_content_negotiation(request)

    def post(self, request: Request) -> HttpResponse:
        """Serve the call."""
        return self._serve(request)

    def http_method_not_allowed(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        """Let the pipeline refuse the method, as it refuses everything else."""
        return self._serve(request)

    options = http_method_not_allowed

    def _serve(self, request: Request) -> HttpResponse:
        route = self.route
        assert route is not None, "as_view(route=...) sets it"  # noqa: S101
        runtime = get_runtime()
        _note_unmounted(request, runtime)
        self.limit_store, self.resolver = runtime.limit_store, runtime.resolver
        self.head = build_head_of(request._request)
        answer = self._drive(runtime.pipeline.serve(route, self.head), request)
        return self._respond(answer, request)

    def _drive(self, steps: Steps, request: Request) -> Answer:
        try:
            effect = next(steps)
            while True:
                try:
                    result = self._perform(effect, request)
                except Exception as error:  # noqa: BLE001 - what it means is the pipeline's to say
                    effect = steps.throw(error)
                else:
                    effect = steps.send(result)
        except StopIteration as end:
            answer: Answer = end.value
            return answer

    def _perform(self, effect: Effect, request: Request) -> Any:
        """Do what the pipeline asks for, through DRF's hooks where DRF has one."""
        return _PERFORMERS[type(effect)](self, effect, request)

    def _take_slot(self, effect: TakeSlot, _: Request) -> Lease | Verdict:
        return self.limit_store.acquire(effect.key)

    def _give_slot_back(self, effect: GiveSlotBack, _: Request) -> None:
        effect.lease.release()

    def _run(self, effect: RunAction, _: Request) -> Any:
        return effect.run()

    def _receive(self, effect: ReceiveJson, request: Request) -> Any:
        """Have DRF's parser read the request itself: ``request.data`` would take a chunked body for an empty one."""
        self.incoming = effect
        parser = self.get_content_negotiator().select_parser(request, self.get_parsers())
        return cast("BaseParser", parser).parse(cast("Any", request._request), None, {"view": self})

    def _count(self, effect: CountRequest, request: Request) -> Verdict:
        self.limit_key = effect.key
        self.rate_verdict = Verdict(allowed=True)  # stays where a project's own throttles replace ours
        try:
            self.check_throttles(request)
        except Throttled as refusal:
            seconds = max(1, math.ceil(getattr(refusal, "wait", None) or 1))
            return replace(self.rate_verdict, allowed=False, retry_after_seconds=seconds)
        return self.rate_verdict

    def _is_let_in(self, effect: Authenticate, request: Request) -> bool:
        self.secret = effect.secret
        try:
            self.perform_authentication(request)
            self.check_permissions(request)
        except (AuthenticationFailed, NotAuthenticated, PermissionDenied):
            return False
        return request.successful_authenticator is not None

    def _respond(self, answer: Answer, request: Request) -> HttpResponse:
        headers = {name.title(): value for name, value in answer.headers}
        headers["Content-Length"] = str(len(answer.body))
        response = HttpResponse(answer.body, status=int(answer.status), headers=headers)
        close_connection_after(response, request.META)
        return response


_PERFORMERS: Final[Mapping[type[Effect], Callable[[RouteView, Any, Request], Any]]] = {
    CountRequest: RouteView._count,
    TakeSlot: RouteView._take_slot,
    GiveSlotBack: RouteView._give_slot_back,
    Authenticate: RouteView._is_let_in,
    ReceiveJson: RouteView._receive,
    RunAction: RouteView._run,
}


@functools.cache
def view_of(route: RouteConfig) -> Callable[..., HttpResponseBase]:
    """Return the view that serves a route, the same one at each call."""
    return RouteView.as_view(route=route)


def build_head(environ: dict[str, Any]) -> RequestHead:
    """Make the pipeline's request head of a WSGI environment (PEP 3333) or of Django's ``request.META``."""
    headers = {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name.startswith("HTTP_")}
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(name):
            headers[name.replace("_", "-").lower()] = environ[name]
    return RequestHead(
        method=environ["REQUEST_METHOD"].upper(), headers=headers, peer=environ.get("REMOTE_ADDR") or None
    )


def build_head_of(request: HttpRequest) -> RequestHead:
    """Make the pipeline's request head of a request of Django's, of either door."""
    return exchange.build_head(dict(request.scope)) if isinstance(request, ASGIRequest) else build_head(request.META)


def _note_unmounted(request: Request, runtime: Runtime) -> None:
    if isinstance(request._request, ASGIRequest) and UNMOUNTED_NOTICE not in runtime.notices:
        runtime.notices.add(UNMOUNTED_NOTICE)
        logger.warning(UNMOUNTED_NOTICE)
