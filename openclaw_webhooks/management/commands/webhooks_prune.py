"""``manage.py webhooks_prune``: delete what is past its time. Run it once a day."""

from __future__ import annotations

import argparse
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error

from openclaw_webhooks.call_context import call_context
from openclaw_webhooks.calls.retention import prune_calls
from openclaw_webhooks.conf.settings import get_settings
from openclaw_webhooks.engines.embedded import EmbeddedEngine
from openclaw_webhooks.engines.embedded.engine import read_unix_ms
from openclaw_webhooks.exceptions import EngineError

_DAY_MS: Final = 24 * 60 * 60 * 1000


class Command(BaseCommand):
    """Prunes flows with their tasks, and calls. Safe beside a running server, and safe to interrupt."""

    help = "Delete finished TaskFlows and recorded calls past their retention, and complete pending cancellations."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare what one run may do differently."""
        parser.add_argument("--days", type=_whole, help="keep finished flows this long (default: FLOW_RETENTION_DAYS)")
        parser.add_argument("--call-days", type=_whole, help="keep calls this long (default: CALL_RETENTION_DAYS)")
        parser.add_argument("--batch-size", type=_positive, default=200, help="rows per transaction (default: 200)")
        parser.add_argument("--dry-run", action="store_true", help="say what would be done and change nothing")

    def handle(self, *_args: object, **options: Any) -> None:
        """Prune, and say how much."""
        settings = get_settings()
        batch_size, is_dry = options["batch_size"], options["dry_run"]
        days = settings.flow_retention_days if options["days"] is None else options["days"]
        call_days = settings.call_retention_days if options["call_days"] is None else options["call_days"]
        calls_before_ms = read_unix_ms() - call_days * _DAY_MS
        try:
            with call_context("command webhooks_prune"):
                flows = EmbeddedEngine().prune(keep_ms=days * _DAY_MS, batch_size=batch_size, is_dry=is_dry)
            calls = prune_calls(older_than_ms=calls_before_ms, batch_size=batch_size, dry_run=is_dry)
        except (Error, EngineError) as error:
            raise CommandError(f"The database refused: {type(error).__name__}. Run the command again.") from error
        verb = "would be " if is_dry else ""
        self.stdout.write(
            f"TaskFlows {verb}cancelled: {flows.cancelled_flows}, {verb}deleted: {flows.deleted_flows}"
            f" with {flows.deleted_tasks} tasks. Calls {verb}deleted: {calls}."
        )


def _whole(text: str) -> int:
    return _parse(text, minimum=0)


def _positive(text: str) -> int:
    return _parse(text, minimum=1)


def _parse(text: str, *, minimum: int) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < minimum:
        raise argparse.ArgumentTypeError(f"must be a whole number from {minimum}")
    return int(text)
