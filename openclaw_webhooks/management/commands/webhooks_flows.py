"""``manage.py webhooks_flows list|show``: the flows of a route's session, of whichever engine."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from openclaw_webhooks.actions.values import Action, GetFlow, GetTaskSummary, ListFlows
from openclaw_webhooks.conf.routes import RouteConfig
from openclaw_webhooks.management.output import format_moment, format_table
from openclaw_webhooks.management.routes import find_route
from openclaw_webhooks.runtime import get_runtime
from openclaw_webhooks.services import perform

_HEADERS = ("flow", "status", "revision", "goal", "step", "updated")


class Command(BaseCommand):
    """Shows what a caller of the route would see, and no session key."""

    help = "List the flows that a route works on, or show one with its tasks counted."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the two subcommands."""
        commands = parser.add_subparsers(dest="what", required=True, metavar="list|show")
        listing = commands.add_parser("list", help="all flows of the route's session, newest first")
        showing = commands.add_parser("show", help="one flow")
        for each in (listing, showing):
            each.add_argument("route")
            each.add_argument("--json", action="store_true", help="print JSON")
        listing.add_argument("--status", help="only flows in this status")
        showing.add_argument("flow_id")

    def handle(self, *_args: object, **options: Any) -> None:
        """Ask the engine, and print."""
        route = find_route(options["route"])
        if options["what"] == "list":
            self._list(route, options)
        else:
            self._show(route, options)

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
            raise CommandError("There is no such flow in this route's session.")
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


def _ask(route: RouteConfig, action: Action) -> dict[str, Any]:
    flows = get_runtime().engine.bind_session(route.session_key)
    outcome = perform(action, flows, default_controller_id=route.controller_id)
    if outcome.error is not None and outcome.status != 404:
        raise CommandError(f"{outcome.code}: {outcome.error}")
    return dict(outcome.result)
