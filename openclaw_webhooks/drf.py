"""The pipeline's policies behind Django REST framework's hooks: throttle, authentication, parser, negotiation.

Each is a thin adapter around the same policy object that the ASGI door uses. They expect a view that offers what
``views.RouteView`` does; a project's subclass of that view may list others beside them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from openclaw_webhooks.effects import ReceiveJson
from openclaw_webhooks.exceptions import BodyTooLarge, WebhooksError
from openclaw_webhooks.guards.head import RequestHead
from openclaw_webhooks.guards.json_body import parse_json
from openclaw_webhooks.guards.limits.base import LimitKey, LimitStore, Verdict
from openclaw_webhooks.pipeline import authentication_steps
from openclaw_webhooks.secrets.refs import Secret
from openclaw_webhooks.secrets.resolver import SecretResolver
from openclaw_webhooks.servers.wsgi_stream import read_body


class RouteHooks(APIView):
    """What the hooks need of the view they serve; ``views.RouteView`` fills it in for each request.

    Attributes:
        head: The request head as the pipeline sees it.
        limit_key: What the limits count this request under.
        rate_verdict: What the route's own throttle said.
        secret: What the caller must present.
        incoming: The pipeline's wish for the body, with its limit and deadline.
    """

    head: RequestHead
    limit_store: LimitStore
    limit_key: LimitKey
    rate_verdict: Verdict
    resolver: SecretResolver
    secret: Secret
    incoming: ReceiveJson


class RouteCaller:
    """Who an authenticated request is from: whoever holds the route's secret. Has no account."""

    is_authenticated = True
    is_anonymous = False
    is_active = True


class RouteRateThrottle(BaseThrottle):
    """The route's fixed window as a DRF throttle; what counts is the pipeline's limit store."""

    _retry_after_seconds = 0

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Count the request and tell whether it may pass; raises ``LimitStoreUnavailable``."""
        hooks = cast("RouteHooks", view)
        verdict = hooks.limit_store.hit(hooks.limit_key)
        hooks.rate_verdict = verdict
        self._retry_after_seconds = verdict.retry_after_seconds
        return verdict.allowed

    def wait(self) -> float:
        """Return how long until a retry can pass, in seconds."""
        return float(self._retry_after_seconds)


class SharedSecretAuthentication(BaseAuthentication):
    """The route's shared secret as a DRF authenticator; waits for the SecretRef in the request's own thread."""

    def authenticate(self, request: Request) -> tuple[RouteCaller, None]:
        """Return the caller, or raise ``AuthenticationFailed``."""
        hooks = cast("RouteHooks", request.parser_context["view"])
        steps = authentication_steps(hooks.head, hooks.secret, hooks.resolver)
        try:
            future = next(steps)
            while True:
                try:
                    secret = future.result()
                except WebhooksError as error:
                    future = steps.throw(error)
                else:
                    future = steps.send(secret)
        except StopIteration as end:
            if not end.value:
                raise AuthenticationFailed from None
        return RouteCaller(), None

    def authenticate_header(self, request: Request) -> str:
        """Name the scheme, so that DRF keeps the 401 a 401."""
        return "Bearer"


class WebhookJSONParser(BaseParser):
    """Any JSON media type, read within the pipeline's limit and deadline, parsed as the pipeline parses it."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        """Read ``stream`` (the Django request) whole; raises a ``BodyError``."""
        incoming = cast("RouteHooks", (parser_context or {})["view"]).incoming
        body = _read(stream, incoming)
        incoming.received_bytes = len(body)
        return parse_json(body)


def _read(request: HttpRequest, incoming: ReceiveJson) -> bytes:
    if isinstance(request, ASGIRequest):  # Django has read the whole body by now: only its size is left to judge
        body = request.read(incoming.limit_bytes + 1)
        if len(body) > incoming.limit_bytes:
            raise BodyTooLarge("more bytes were sent than allowed")
        return body
    return read_body(request.META, limit_bytes=incoming.limit_bytes, timeout_seconds=incoming.timeout_seconds)


class FixedNegotiation(BaseContentNegotiation):
    """One parser and one renderer, whatever is asked for: a route has no formats to negotiate."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser:
        """Return the first parser; the media type was judged by the pipeline."""
        return next(iter(parsers))

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """Return the first renderer."""
        return next(iter(renderers)), JSONRenderer.media_type
