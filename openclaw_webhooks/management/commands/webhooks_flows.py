"""``manage.py webhooks_flows list|show|history``: the flows of a route's session, of whichever engine."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from django.core.management.base import CommandError, CommandParser

from openclaw_webhooks.actions.names import to_wire_name
from openclaw_webhooks.actions.values import Action, GetFlow, GetTaskSummary, ListFlows
from openclaw_webhooks.conf.routes import RouteConfig
from openclaw_webhooks.engines.records import FlowRevision
from openclaw_webhooks.exceptions import EngineError
from openclaw_webhooks.management.base import WebhooksCommand
from openclaw_webhooks.management.output import format_moment, format_table
from openclaw_webhooks.management.routes import find_route
from openclaw_webhooks.runtime import get_runtime
from openclaw_webhooks.services import perform
from openclaw_webhooks.values import UNSET

_NO_FLOW = "There is no such flow in this route's session."
_HISTORY_HEADERS = ("revision", "since", "status", "step", "changed by", "request")
_HEADERS = ("flow", "status", "revision", "goal", "step", "updated")


class Command(WebhooksCommand):
    """Shows what a caller of the route would see, and no session key."""

    help = "List the flows that a route works on, or show one with its tasks counted."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the two subcommands."""
        commands = parser.add_subparsers(dest="what", required=True, metavar="list|show|history")
        listing = commands.add_parser("list", help="all flows of the route's session, newest first")
        showing = commands.add_parser("show", help="one flow")
        history = commands.add_parser("history", help="what one flow was, change by change, latest first")
        for each in (listing, showing, history):
            each.add_argument("route")
            each.add_argument("--json", action="store_true", help="print JSON")
        listing.add_argument("--status", help="only flows in this status")
        showing.add_argument("flow_id")
        history.add_argument("flow_id")

    def handle(self, *_args: object, **options: Any) -> None:
        """Ask the engine, and print."""
        route = find_route(options["route"])
        match options["what"]:
            case "list":
                self._list(route, options)
            case "show":
                self._show(route, options)
            case "history":
                self._show_history(route, options)

    def _list(self, route: RouteConfig, options: dict[str, Any]) -> None:
        flows: Any = _ask(route, ListFlows())["flows"]
        chosen = [flow for flow in flows if options["status"] in (None, flow["status"])]
        if options["json"]:
            self.stdout.write(json.dumps(chosen, indent=2))
            return
        rows = [
            (
                *(flow["flowId"], flow["status"], flow["revision"], flow["goal"], flow.get("currentStep")),
                format_moment(flow["updatedAt"]),
            )
            for flow in chosen
        ]
        self.stdout.write(format_table(_HEADERS, rows) if rows else "There are none.")

    def _show(self, route: RouteConfig, options: dict[str, Any]) -> None:
        flow: Any = _ask(route, GetFlow(flow_id=options["flow_id"]))["flow"]
        if flow is None:
            raise CommandError(_NO_FLOW)
        summary: Any = _ask(route, GetTaskSummary(flow_id=options["flow_id"]))
        found = {**flow, "tasks": summary.get("summary")}
        if options["json"]:
            self.stdout.write(json.dumps(found, indent=2))
            return
        shown = {
            name: format_moment(value) if name.endswith("At") and isinstance(value, int) else value
            for name, value in found.items()
        }
        texts = [(name, value if isinstance(value, str) else json.dumps(value)) for name, value in shown.items()]
        self.stdout.write(format_table(("field", "value"), texts))

    def _show_history(self, route: RouteConfig, options: dict[str, Any]) -> None:
        try:
            revisions = get_runtime().engine.bind_session(route.session_key).list_revisions(options["flow_id"])
        except EngineError as error:
            raise CommandError(str(error)) from error
        if not revisions:
            raise CommandError(_NO_FLOW)
        if options["json"]:
            self.stdout.write(json.dumps([_describe_revision(each) for each in revisions], indent=2))
            return
        rows = [
            (
                *(each.revision, format_moment(each.updated_at_ms), each.status.value, each.current_step),
                *(each.actor, each.request_id),
            )
            for each in revisions
        ]
        self.stdout.write(format_table(_HISTORY_HEADERS, rows))


def _describe_revision(revision: FlowRevision) -> dict[str, Any]:
    """Name the fields as answers do; leave out what is not set."""
    values = {field.name: getattr(revision, field.name) for field in dataclasses.fields(revision)}
    set_values = {name: value for name, value in values.items() if value not in (None, "", UNSET)}
    return {to_wire_name(name): value for name, value in set_values.items()}


def _ask(route: RouteConfig, action: Action) -> dict[str, Any]:
    flows = get_runtime().engine.bind_session(route.session_key)
    outcome = perform(action, flows, default_controller_id=route.controller_id)
    if outcome.error is not None and outcome.status != 404:
        raise CommandError(f"{outcome.code}: {outcome.error}")
    return dict(outcome.result)
