"""Writes a batch of calls in one transaction: the rows, the folded refusals, and the numbers by the minute.

Fixed SQL, many rows a statement, for SQLite and PostgreSQL: a row costs a few microseconds where the ORM takes
hundreds, and one statement lets go of the interpreter lock once where ``executemany`` does for each row.

The order matters: the minutes come first, so that under SQLite the write lock is held before the places of refusals
are read, and several processes fold into the same row exactly.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from typing import TypeAlias, TypeVar

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import CharField

from openclaw_webhooks.calls.batch import HOUR_MS, OWN_ROWS, Batch, Fold, Folded, FoldKey, minute_of
from openclaw_webhooks.calls.journey import format_journey, measure
from openclaw_webhooks.calls.record import CallRecord, Step
from openclaw_webhooks.fixed_sql import run_fixed
from openclaw_webhooks.models import Call, CallHour, CallMinute, Outcome

_Value: TypeAlias = str | int | None
_T = TypeVar("_T")
_Row: TypeAlias = tuple[_Value, ...]
_MinuteKey: TypeAlias = tuple[int, str, str]

_ROWS_PER_STATEMENT = (256, 64, 16, 4, 1)
"""Few sizes, so that a connection keeps few prepared statements, and finds them again."""
_REST_SLOT = OWN_ROWS + 1
_ROW_COLUMNS = (
    *("at_ms", "route_id", "action", "status", "code", "refused_by", "client"),
    *("request_id", "flow_id", "duration_us", "engine_us", "body_bytes", "journey"),
)
_FOLD_COLUMNS = (*_ROW_COLUMNS, "last_at_ms", "count", "fold_key", "fold_slot")
_MINUTE_COLUMNS = ("minute_ms", "route_id", "outcome", "count", "last_at_ms")
_ON_FOLD_CONFLICT = """
 ON CONFLICT (fold_key, fold_slot) WHERE fold_key IS NOT NULL DO UPDATE SET
 count = {table}.count + excluded.count,
 at_ms = CASE WHEN excluded.at_ms < {table}.at_ms THEN excluded.at_ms ELSE {table}.at_ms END,
 last_at_ms = CASE WHEN {table}.last_at_ms > excluded.last_at_ms THEN {table}.last_at_ms ELSE excluded.last_at_ms END,
 duration_us = {table}.duration_us + excluded.duration_us,
 body_bytes = COALESCE({table}.body_bytes + excluded.body_bytes, {table}.body_bytes, excluded.body_bytes)"""
_ON_MINUTE_CONFLICT = """
 ON CONFLICT (minute_ms, route_id, outcome) DO UPDATE SET
 count = {table}.count + excluded.count,
 last_at_ms = CASE WHEN excluded.last_at_ms > {table}.last_at_ms THEN excluded.last_at_ms ELSE {table}.last_at_ms END"""

_HOUR_COLUMNS = ("hour_ms", "route_id", "outcome", "count")
_ON_HOUR_CONFLICT = """
 ON CONFLICT (hour_ms, route_id, outcome) DO UPDATE SET count = {table}.count + excluded.count"""


def write_batch(connection: BaseDatabaseWrapper, batch: Batch) -> None:
    """Write everything or nothing. The batch stays as good for another try.

    Raises:
        django.db.Error: If the database would not have it.
        OverflowError: If a number is beyond 64 bits (SQLite; elsewhere a ``DataError``).
    """
    minutes, rows = _build_minutes(batch), [_build_row(record) for record in batch.rows]
    with transaction.atomic(using=connection.alias):
        _insert(connection, CallMinute._meta.db_table, _MINUTE_COLUMNS, minutes, _ON_MINUTE_CONFLICT)
        _insert(connection, CallHour._meta.db_table, _HOUR_COLUMNS, _build_hours(minutes), _ON_HOUR_CONFLICT)
        _insert(connection, Call._meta.db_table, _ROW_COLUMNS, rows)
        _insert(
            connection, Call._meta.db_table, _FOLD_COLUMNS, list(_build_folds(connection, batch)), _ON_FOLD_CONFLICT
        )


def outcome_of(status: int, refused_by: str | None) -> Outcome:
    """Tell what became of a call from its status and the step that refused it."""
    if status >= 500:
        return Outcome.FAILED
    if status == 0:
        return Outcome.GONE
    return Outcome.ACCEPTED if refused_by is None or refused_by == Step.ENGINE else Outcome.REFUSED


def _insert(
    connection: BaseDatabaseWrapper, table: str, columns: tuple[str, ...], rows: Sequence[_Row], on_conflict: str = ""
) -> None:
    for chunk in _chunked(rows):
        sql = _build_insert(table, columns, len(chunk), on_conflict)
        run_fixed(connection, sql, [value for row in chunk for value in row])


def _chunked(rows: Sequence[_T]) -> Iterator[Sequence[_T]]:
    """Cut into pieces that have one of the sizes, the largest first."""
    start = 0
    for size in _ROWS_PER_STATEMENT:
        while len(rows) - start >= size:
            yield rows[start : start + size]
            start += size


@cache
def _build_insert(table: str, columns: tuple[str, ...], count: int, on_conflict: str) -> str:
    row = f"({', '.join(['%s'] * len(columns))})"
    values = ", ".join([row] * count)
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {values}{on_conflict.format(table=table)}"  # noqa: S608


def _build_row(record: CallRecord) -> _Row:
    return (
        record.started_at_ms,
        _fit("route_id", record.route_id),
        _fit("action", record.action),
        record.status,
        _fit("code", record.code),
        None if record.refused_by is None else record.refused_by.value,
        _fit("client", record.client),
        _fit("request_id", record.request_id),
        _fit("flow_id", record.flow_id),
        record.duration_us,
        record.engine_us,
        record.body_bytes,
        format_journey(measure(record.marks, started_ns=record.started_ns, duration_us=record.duration_us)),
    )


def _fit(column: str, text: str | None) -> str | None:
    """Make text fit its column: callers choose some of it, and one bad row must not hold up the others for ever."""
    if text is None:
        return None
    text = text[: _column_lengths()[column]]
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


@cache
def _column_lengths() -> dict[str, int]:
    fields = [field for field in Call._meta.get_fields() if isinstance(field, CharField)]
    return {field.attname: field.max_length for field in fields if field.max_length is not None}


def _build_folds(connection: BaseDatabaseWrapper, batch: Batch) -> Iterator[_Row]:
    digests = {_digest(key): fold for key, fold in batch.folds.items()}
    taken = _fetch_taken_slots(connection, list(digests))
    for (key, fold), digest in zip(batch.folds.items(), digests, strict=True):
        yield from _build_fold(key, fold, digest=digest, taken=taken.get(digest, 0))


def _build_fold(key: FoldKey, fold: Fold, *, digest: int, taken: int) -> Iterator[_Row]:
    fold.keep_own(max(0, OWN_ROWS - taken))
    for slot, record in enumerate(fold.own, start=taken + 1):
        yield (*_build_row(record), None, 1, digest, slot)
    if fold.rest.count:
        yield (*_build_rest(key, fold.rest), digest, _REST_SLOT)


def _build_rest(key: FoldKey, rest: Folded) -> _Row:
    answer = (_fit("route_id", key.route_id), None, key.status, None, key.step, _fit("client", key.client))
    sums = (None, None, rest.duration_us, None, rest.body_bytes, None)
    return (rest.first_at_ms, *answer, *sums, rest.last_at_ms, rest.count)


def _fetch_taken_slots(connection: BaseDatabaseWrapper, digests: list[int]) -> dict[int, int]:
    """Return, for each fold that any process has begun, the last place taken in it."""
    taken: dict[int, int] = {}
    for chunk in _chunked(digests):
        places = ", ".join(["%s"] * len(chunk))
        sql = (
            f"SELECT fold_key, MAX(fold_slot) FROM {Call._meta.db_table}"  # noqa: S608 - names of our own
            f" WHERE fold_key IN ({places}) GROUP BY fold_key"
        )
        taken.update(run_fixed(connection, sql, chunk))
    return taken


def _digest(key: FoldKey) -> int:
    """Return 64 bits that stand for the key in every process; two of a minute's keys meet once in ages."""
    text = "\0".join(map(str, key)).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), signed=True)


def _build_minutes(batch: Batch) -> list[_Row]:
    """Return the rows in one order for every process, so that two never wait for each other in a circle."""
    tally: dict[_MinuteKey, list[int]] = {}
    for record in batch.rows:
        outcome = outcome_of(record.status, record.refused_by)
        key = (minute_of(record.started_at_ms), record.route_id, outcome.value)
        _tally(tally, key, 1, record.started_at_ms)
    for fold_key, fold in batch.folds.items():
        key = (fold_key.minute_ms, fold_key.route_id, outcome_of(fold_key.status, fold_key.step).value)
        _tally(tally, key, len(fold.own) + fold.rest.count, fold.last_at_ms)
    for (route_id, minute_ms), lost in batch.lost.items():
        _tally(tally, (minute_ms, route_id, Outcome.LOST.value), lost.count, lost.last_at_ms)
    return [(*key, *numbers) for key, numbers in sorted(tally.items())]


def _build_hours(minutes: Sequence[_Row]) -> list[_Row]:
    """Add the minutes' rows up by the hour, in one order as well."""
    tally: Counter[_MinuteKey] = Counter()
    for minute_ms, route_id, outcome, count, _last_at_ms in minutes:
        tally[int(minute_ms or 0) // HOUR_MS * HOUR_MS, str(route_id), str(outcome)] += int(count or 0)
    return [(*key, count) for key, count in sorted(tally.items())]


def _tally(tally: dict[_MinuteKey, list[int]], key: _MinuteKey, count: int, at_ms: int) -> None:
    minute_ms, route_id, outcome = key
    numbers = tally.setdefault((minute_ms, _fit("route_id", route_id) or "", outcome), [0, 0])
    numbers[0] += count
    numbers[1] = max(numbers[1], at_ms)
