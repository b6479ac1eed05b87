"""``manage.py webhooks_send ROUTE ACTION [field=value ...]``: one call, as an outside system would make it."""

from __future__ import annotations

import http.client
import json
from typing import Any

from django.core.management.base import CommandError, CommandParser

from openclaw_webhooks.actions.schema import parse_action
from openclaw_webhooks.actions.values import Fault
from openclaw_webhooks.call_context import call_context
from openclaw_webhooks.conf.routes import RouteConfig
from openclaw_webhooks.conf.server_url import DEFAULT_SERVER_URL, ServerUrl, parse_server_url
from openclaw_webhooks.conf.settings import get_settings
from openclaw_webhooks.management.base import WebhooksCommand
from openclaw_webhooks.management.routes import build_resolver, find_route
from openclaw_webhooks.management.sending import post
from openclaw_webhooks.outcomes import envelope
from openclaw_webhooks.services import perform


class Command(WebhooksCommand):
    """Over HTTP everything takes part: limits, secret, record. ``--direct`` asks the engine alone."""

    help = "Send an action to a route and print the answer. Exit status 1 where the answer is no 2xx."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare what to send, and where to."""
        parser.add_argument("route")
        parser.add_argument("action")
        parser.add_argument(
            "fields",
            nargs="*",
            metavar="field=value",
            help="JSON where it is JSON (expectedRevision=3), else text",
        )
        parser.add_argument(
            "--url", help=f"where the server listens (default: its own address, SERVER_URL or {DEFAULT_SERVER_URL})"
        )
        parser.add_argument("--direct", action="store_true", help="ask the engine in this process: no HTTP, no record")

    def handle(self, *_args: object, **options: Any) -> None:
        """Send, print, and end with 1 where it was refused."""
        route = find_route(options["route"])
        body = {"action": options["action"], **dict(_parse_field(text) for text in options["fields"])}
        status, answer = _ask_engine(route, body) if options["direct"] else _post(route, body, options["url"])
        self.stdout.write(answer)
        if not 200 <= status < 300:
            raise CommandError(f"{status} {http.client.responses.get(status, '')}")


def _find_url(text: str | None) -> ServerUrl:
    if text is None:
        return get_settings().server_url
    try:
        return parse_server_url(text)
    except ValueError as error:
        raise CommandError(f"--url {error}, not {text!r}") from None


def _parse_field(text: str) -> tuple[str, object]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise CommandError(f"{text!r} is not field=value")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _ask_engine(route: RouteConfig, body: dict[str, object]) -> tuple[int, str]:
    from openclaw_webhooks.runtime import get_runtime  # noqa: PLC0415 - over HTTP this process needs no engine

    action = parse_action(body)  # type: ignore[arg-type]
    if isinstance(action, Fault):
        raise CommandError(str(action))
    flows = get_runtime().engine.bind_session(route.session_key)
    with call_context("command webhooks_send"):
        outcome = perform(action, flows, default_controller_id=route.controller_id)
    return outcome.status, _format(envelope(route.route_id, outcome))


def _post(route: RouteConfig, body: dict[str, object], asked_url: str | None) -> tuple[int, str]:
    url = _find_url(asked_url)
    resolver = build_resolver()
    status = resolver.status(route.secret)
    if not status.resolves:
        raise CommandError(f"The secret of {route.route_id} does not resolve: {status.reason}")
    headers = {
        "Content-Type": "application/json",
        "Authorization": f"Bearer {resolver.fetch(route.secret).result()}",
    }
    try:
        code, answer = post(url, route.path, json.dumps(body), headers)
    except (OSError, http.client.HTTPException, ValueError) as error:
        why = f"{type(error).__name__}: {error}" if isinstance(error, OSError) else type(error).__name__
        raise CommandError(f"No answer from {url}: {why}. Does the server run? --url says where.") from error
    return code, _format(answer)


def _format(answer: bytes) -> str:
    """Indent JSON; leave any other answer as it is."""
    try:
        return json.dumps(json.loads(answer), indent=2, ensure_ascii=False)
    except ValueError:
        return answer.decode("utf-8", "replace")
