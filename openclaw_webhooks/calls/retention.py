"""Deletes old calls, a batch at a time, so that no transaction holds the write lock for long."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from django.db import DEFAULT_DB_ALIAS
from django.db.models import QuerySet

from openclaw_webhooks.calls.batch import HOUR_MS, minute_of
from openclaw_webhooks.models import Call, CallHour, CallMinute

_Row = TypeVar("_Row", Call, CallHour, CallMinute)


def prune_calls(
    *,
    older_than_ms: int,
    batch_size: int = 1000,
    dry_run: bool = False,
    note_progress: Callable[[int], object] = lambda _done: None,
    using: str = DEFAULT_DB_ALIAS,
) -> int:
    """Delete the calls that began before a moment, and their numbers by the minute and the hour.

    Args:
        older_than_ms: The moment, Unix milliseconds.
        batch_size: Rows deleted in one transaction.
        dry_run: Delete nothing.
        note_progress: Told after each transaction how many calls more are deleted.
        using: Alias of the database.

    Returns:
        How many calls were (or would be) deleted: rows, a folded one counting as one.
    """
    calls = Call.objects.using(using).filter(at_ms__lt=older_than_ms)
    if dry_run:
        return calls.count()
    minutes = CallMinute.objects.using(using).filter(minute_ms__lt=minute_of(older_than_ms))
    _delete(minutes.order_by("minute_ms"), batch_size, note_progress=lambda _minutes: None)
    hours = CallHour.objects.using(using).filter(hour_ms__lte=older_than_ms - HOUR_MS)
    _delete(hours.order_by("hour_ms"), batch_size, note_progress=lambda _hours: None)
    return _delete(calls.order_by("at_ms"), batch_size, note_progress=note_progress)


def _delete(rows: QuerySet[_Row], batch_size: int, *, note_progress: Callable[[int], object]) -> int:
    total = 0
    table = rows.model._default_manager.using(rows.db)
    while deleted := table.filter(pk__in=rows.values_list("pk")[:batch_size]).delete()[0]:
        total += deleted
        note_progress(deleted)
    return total
