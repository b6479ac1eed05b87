"""``manage.py webhooks_prune``: delete what is past its time. Run it once a day."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import Any, NamedTuple, TextIO, cast

from django.core.management.base import CommandError, CommandParser
from django.db import Error

from openclaw_webhooks.call_context import call_context
from openclaw_webhooks.calls.batch import DAY_MS
from openclaw_webhooks.calls.retention import prune_calls
from openclaw_webhooks.conf.settings import AppSettings, get_settings
from openclaw_webhooks.engines.embedded import EmbeddedEngine
from openclaw_webhooks.engines.embedded.engine import read_unix_ms
from openclaw_webhooks.exceptions import EngineError
from openclaw_webhooks.management.base import WebhooksCommand
from openclaw_webhooks.management.progress import Progress
from openclaw_webhooks.sign_ins.retention import prune_sign_ins


class Command(WebhooksCommand):
    """Prunes flows with tasks, calls, and what is kept of sign-ins. Safe beside a running server, safe to interrupt."""

    help = "Delete finished TaskFlows and recorded calls past their retention, and complete pending cancellations."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare what one run may do differently."""
        parser.add_argument("--days", type=_whole, help="keep finished flows this long (default: FLOW_RETENTION_DAYS)")
        parser.add_argument("--call-days", type=_whole, help="keep calls this long (default: CALL_RETENTION_DAYS)")
        parser.add_argument("--batch-size", type=_positive, default=200, help="rows per transaction (default: 200)")
        parser.add_argument("--dry-run", action="store_true", help="say what would be done and change nothing")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *_args: object, **options: Any) -> None:
        """Prune, and say how much."""
        work = _Work.of(get_settings(), options)
        try:
            found = self._prune(work, is_dry=options["dry_run"])
        except (Error, EngineError) as error:
            raise CommandError(f"The database refused: {type(error).__name__}. Run the command again.") from error
        if options["json"]:
            self.stdout.write(json.dumps({"dry_run": options["dry_run"], **found._asdict()}, indent=2))
            return
        verb = "would be " if options["dry_run"] else ""
        self.stdout.write(
            f"TaskFlows {verb}cancelled: {found.cancelled_flows}, {verb}deleted: {found.deleted_flows}"
            f" with {found.deleted_tasks} tasks. Calls {verb}deleted: {found.deleted_calls}."
        )

    def _prune(self, work: _Work, *, is_dry: bool) -> _Found:
        """Count, and unless that is all, delete with a bar on the terminal."""
        # Not Django's wrapper, which colours what is an error and ends its lines.
        stream = cast("TextIO", self.stderr._out)
        if is_dry or not stream.isatty():
            return work.do(is_dry=is_dry)
        planned = work.do(is_dry=True)
        progress = Progress(stream, planned.cancelled_flows + planned.deleted_flows + planned.deleted_calls)
        try:
            return work.do(note_progress=progress.advance)
        finally:
            progress.close()


class _Found(NamedTuple):
    cancelled_flows: int
    deleted_flows: int
    deleted_tasks: int
    deleted_calls: int


class _Work(NamedTuple):
    """What one run may delete; the moment before which calls go is fixed once, for the count and for the deletion."""

    keep_flows_ms: int
    calls_before_ms: int
    batch_size: int

    @classmethod
    def of(cls, settings: AppSettings, options: dict[str, Any]) -> _Work:
        days = settings.flow_retention_days if options["days"] is None else options["days"]
        call_days = settings.call_retention_days if options["call_days"] is None else options["call_days"]
        return cls(days * DAY_MS, read_unix_ms() - call_days * DAY_MS, options["batch_size"])

    def do(self, *, is_dry: bool = False, note_progress: Callable[[int], object] = lambda _done: None) -> _Found:
        with call_context("command webhooks_prune"):
            flows = EmbeddedEngine().prune(
                keep_ms=self.keep_flows_ms, batch_size=self.batch_size, is_dry=is_dry, note_progress=note_progress
            )
        calls = prune_calls(
            older_than_ms=self.calls_before_ms,
            batch_size=self.batch_size,
            dry_run=is_dry,
            note_progress=note_progress,
        )
        if not is_dry:
            prune_sign_ins(older_than_ms=self.calls_before_ms)
        return _Found(flows.cancelled_flows, flows.deleted_flows, flows.deleted_tasks, calls)


def _whole(text: str) -> int:
    return _parse(text, minimum=0)


def _positive(text: str) -> int:
    return _parse(text, minimum=1)


def _parse(text: str, *, minimum: int) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < minimum:
        raise argparse.ArgumentTypeError(f"must be a whole number from {minimum}")
    return int(text)
