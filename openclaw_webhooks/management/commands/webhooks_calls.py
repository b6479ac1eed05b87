"""``manage.py webhooks_calls``: the last calls, filtered; ``--follow`` prints new ones as they are recorded."""

from __future__ import annotations

import argparse
import json
import time
from typing import Any, Final

from django.core.management.base import CommandParser
from django.db.models import QuerySet

from openclaw_webhooks.management.base import WebhooksCommand
from openclaw_webhooks.management.output import format_moment, format_table
from openclaw_webhooks.models import Call

_FILTERS: Final = {
    "route": "route_id",
    "action": "action",
    "status": "status",
    "code": "code",
    "refused-by": "refused_by",
    "client": "client",
    "request": "request_id",
    "flow": "flow_id",
}
"""Options and the columns that they are compared with."""
_HEADERS: Final = ("time", "route", "action", "status", "code", "refused by", "client", "ms", "calls", "flow")
_POLL_SECONDS: Final = 1.0


class Command(WebhooksCommand):
    """Reads the record of calls, which is half a second behind."""

    help = "Print recorded calls, oldest first. Ctrl-C ends --follow."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare filters and form."""
        parser.add_argument("-n", "--lines", type=_positive, default=20, help="how many (default: 20)")
        parser.add_argument("-f", "--follow", action="store_true", help="go on with new calls")
        parser.add_argument("--json", action="store_true", help="print a JSON object a line")
        for option, column in _FILTERS.items():
            parser.add_argument(f"--{option}", dest=column, type=int if column == "status" else str)

    def handle(self, *_args: object, **options: Any) -> None:
        """Print, and go on where asked to."""
        wanted = {name: options[name] for name in _FILTERS.values() if options[name] is not None}
        calls = Call.objects.filter(**wanted)
        try:
            last_id = self._print(list(calls.order_by("-at_ms", "-id")[: options["lines"]])[::-1], options, headed=True)
            while options["follow"]:
                time.sleep(_POLL_SECONDS)
                last_id = self._print(_fetch_after(calls, last_id), options, headed=False) or last_id
        except KeyboardInterrupt:
            return

    def _print(self, calls: list[Call], options: dict[str, Any], *, headed: bool) -> int:
        """Print calls and return the highest id, 0 where there are none."""
        if options["json"]:
            for call in calls:
                self.stdout.write(json.dumps(_describe(call)))
        elif calls or headed:
            table = format_table(_HEADERS, [_row(call) for call in calls])
            self.stdout.write(table if headed else table.partition("\n")[2])
        self.stdout.flush()
        return max((call.pk for call in calls), default=0)


def _fetch_after(calls: QuerySet[Call], last_id: int) -> list[Call]:
    return list(calls.filter(pk__gt=last_id).order_by("pk")[:1000])


def _describe(call: Call) -> dict[str, object]:
    fields = {
        name: getattr(call, name) for name in (*_FILTERS.values(), "duration_us", "engine_us", "body_bytes", "count")
    }
    return {"time": format_moment(call.at_ms), **fields}


def _row(call: Call) -> tuple[object, ...]:
    return (
        *(format_moment(call.at_ms), call.route_id, call.action, call.status, call.code, call.refused_by, call.client),
        *(f"{call.duration_us / 1000:.1f}", call.count, call.flow_id),
    )


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError("must be a whole number from 1")
    return int(text)
