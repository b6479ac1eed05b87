"""``manage.py webhooks_routes``: every route, whether it serves, and how it fares."""

from __future__ import annotations

import json
import time
from typing import Any

from django.core.management.base import CommandError, CommandParser

from openclaw_webhooks.calls.statistics import fetch_route_numbers
from openclaw_webhooks.conf.configuration import get_configuration
from openclaw_webhooks.management.base import WebhooksCommand
from openclaw_webhooks.management.output import format_moment, format_table
from openclaw_webhooks.management.routes import build_resolver
from openclaw_webhooks.overview import RouteRow, build_overview

_HEADERS = ("route", "path", "state", "secret", "hour", "refused", "failed", "last call")


class Command(WebhooksCommand):
    """Resolves every secret once, exec providers included; prints no secret and no session key."""

    help = "List the configured routes with their state. Exit status 1 where one is faulty or has no secret."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the form."""
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *_args: object, **options: Any) -> None:
        """Print the routes, then what is wrong."""
        numbers = fetch_route_numbers(now_ms=int(time.time() * 1000))
        overview = build_overview(get_configuration(), secrets=build_resolver(), limits_scope="", numbers=numbers)
        problems = [*overview.problems, *(problem for row in overview.rows for problem in row.problems)]
        if options["json"]:
            routes = [_describe(row) for row in overview.rows]
            told = {"source": overview.source, "routes": routes, "problems": [str(problem) for problem in problems]}
            self.stdout.write(json.dumps(told, indent=2))
        elif overview.rows:
            self.stdout.write(format_table(_HEADERS, [tuple(_describe(row).values()) for row in overview.rows]))
        else:
            self.stdout.write(f"There are no routes in {overview.source}.")
        for problem in () if options["json"] else problems:
            self.stdout.write(self.style.ERROR(str(problem)))
        bad = [row.route_id for row in overview.rows if row.state in ("faulty", "no secret")]
        if bad or problems:
            raise CommandError(f"Not served: {', '.join(bad)}" if bad else f"{len(problems)} faults.")


def _describe(row: RouteRow) -> dict[str, object]:
    status = row.secret_status
    secret = row.secret_source
    if status is not None and not status.resolves:
        secret = f"{secret}: {status.reason}"
    return {
        "route": row.route_id,
        "path": row.config.path if row.config is not None else None,
        "state": row.state,
        "secret": secret,
        "calls_hour": row.numbers.hour.calls,
        "refused_hour": row.numbers.hour.refused,
        "failed_hour": row.numbers.hour.failed,
        "last_call": format_moment(row.numbers.last_at_ms),
    }
