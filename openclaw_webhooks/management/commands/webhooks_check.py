"""``manage.py webhooks_check ROUTE|--all``: whether calls can be served now, and what to do where they cannot."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError, CommandParser

from openclaw_webhooks.calls.statistics import RouteNumbers
from openclaw_webhooks.conf.configuration import Configuration, get_configuration
from openclaw_webhooks.management.base import WebhooksCommand
from openclaw_webhooks.management.routes import build_resolver
from openclaw_webhooks.monitoring.advice import Adviser
from openclaw_webhooks.monitoring.health import Readiness, build_probes
from openclaw_webhooks.overview import RouteRow, build_overview
from openclaw_webhooks.runtime import get_runtime
from openclaw_webhooks.secrets.remedies import remedy_of


class Verdict(NamedTuple):
    """What was looked at.

    Attributes:
        cause: What is wrong and what to do, empty where all is well.
        note: What callers run into and what to do about it; no fault of this server.
    """

    subject: str
    cause: str = ""
    note: str = ""

    @property
    def kind(self) -> str:
        """Name how bad it is."""
        return "fault" if self.cause else "note" if self.note else "ok"


class Command(WebhooksCommand):
    """Looks from this process: what the environment of the server has and this one lacks is reported too."""

    help = "Check configuration, database, limits, engine and the secret of one route or all. Exit status 1 on a fault."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare what to look at."""
        parser.add_argument("route", nargs="?")
        parser.add_argument("--all", action="store_true", help="every route")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *_args: object, **options: Any) -> None:
        """Look at everything, print it, and end with 1 where something is wrong."""
        if bool(options["route"]) == options["all"]:
            raise CommandError("Name one route, or --all.", returncode=2)
        configuration = get_configuration()
        verdicts = [*_check_process(configuration), *_check_routes(configuration, options["route"])]
        if options["json"]:
            told = [{"ok": not each.cause, **each._asdict()} for each in verdicts]
            self.stdout.write(json.dumps(told, indent=2))
        else:
            styles = {"ok": self.style.SUCCESS, "note": self.style.WARNING, "fault": self.style.ERROR}
            for each in verdicts:
                text = each.cause or each.note
                self.stdout.write(f"{styles[each.kind](f'{each.kind:5}')} {each.subject}{': ' * bool(text)}{text}")
        faults = sum(bool(each.cause) for each in verdicts)
        if faults:
            raise CommandError(f"{faults} fault{'s' * (faults > 1)} found.")


def _check_process(configuration: Configuration) -> Iterator[Verdict]:
    """Look at what all routes need, as ``/readyz`` does: within two seconds."""
    try:
        runtime = get_runtime()
    except ImproperlyConfigured as error:
        yield Verdict("settings", f"{error} `manage.py check` lists all.")
        return
    probes = build_probes(configuration=configuration, limit_store=runtime.limit_store, engine=runtime.engine)
    for finding in Readiness(probes).judge():
        yield Verdict(finding.name, finding.cause)


def _check_routes(configuration: Configuration, wanted: str | None) -> Iterator[Verdict]:
    numbers: dict[str, RouteNumbers] = {}
    resolver = build_resolver()
    overview = build_overview(configuration, secrets=resolver, limits_scope="", numbers=numbers)
    rows = [row for row in overview.rows if wanted in (None, row.route_id)]
    if wanted is not None and not rows:
        known = ", ".join(row.route_id for row in overview.rows) or "none"
        yield Verdict(f"route {wanted}", f"is not configured in {overview.source}. There are: {known}.")
    if wanted is None and not rows:
        yield Verdict("routes", f"None is configured in {overview.source}.")
    for row in rows:
        yield Verdict(f"route {row.route_id}", _find_cause(row))
    serving = {row.route_id for row in rows if row.state == "serving"}
    for advice in Adviser(configuration, resolver.statuses).advise():
        if advice.route_id is None and wanted is None:
            yield Verdict("sign-ins", note=advice.text)
        elif advice.route_id in serving:  # of the others everything is said
            yield Verdict(f"calls of {advice.route_id}", note=advice.text)


def _find_cause(row: RouteRow) -> str:
    if row.problems:
        return " ".join(f"{problem}." for problem in row.problems) + " Correct that and restart the server."
    if row.state == "switched off":
        return "is switched off (enabled: false) and answers 404."
    status = row.secret_status
    if row.config is None or status is None or status.resolves:
        return ""
    return f"every call gets 401, because its secret does not resolve: {status.reason}. {remedy_of(row.config.secret)}"
