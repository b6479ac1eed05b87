"""Records that wait to be written, equal refusals folded together. Memory only: knows no database and no thread.

Refusals are equal that agree in route, step, client address, status and minute. The first ``OWN_ROWS`` of them keep
a row of their own, the rest share one that has a count, so a flood costs neither memory nor disk by the request.

Source: the project's own; the Gateway keeps no record of calls.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from openclaw_webhooks.calls.record import CallRecord, Step

OWN_ROWS = 10
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS


class FoldKey(NamedTuple):
    """What makes refusals equal. The status belongs to it, so that a folded row never claims another answer."""

    route_id: str
    step: str
    client: str
    status: int
    minute_ms: int


@dataclass(slots=True)
class Folded:
    """What is kept of refusals without a row of their own: number, first and last time, sums of time and bytes."""

    count: int = 0
    first_at_ms: int = 0
    last_at_ms: int = 0
    duration_us: int = 0
    body_bytes: int | None = None

    def add(self, record: CallRecord) -> None:
        """Count one more refusal in."""
        at_ms = record.started_at_ms
        self.first_at_ms = min(self.first_at_ms, at_ms) if self.count else at_ms
        self.last_at_ms = max(self.last_at_ms, at_ms)
        self.count += 1
        self.duration_us += record.duration_us
        if record.body_bytes is not None:
            self.body_bytes = (self.body_bytes or 0) + record.body_bytes


@dataclass(slots=True)
class Fold:
    """Equal refusals of one minute: those that may have a row of their own, and the rest."""

    own: list[CallRecord] = field(default_factory=list)
    rest: Folded = field(default_factory=Folded)

    @property
    def last_at_ms(self) -> int:
        """Return the time of the last of them."""
        return max(self.rest.last_at_ms, *(record.started_at_ms for record in self.own), 0)

    def keep_own(self, room: int) -> None:
        """Leave at most ``room`` records a row of their own; the later ones join the rest."""
        for record in self.own[room:]:
            self.rest.add(record)
        del self.own[room:]


@dataclass(slots=True)
class Batch:
    """What is written in one transaction.

    Attributes:
        rows: Calls with a row each.
        folds: Refusals by what makes them equal.
        lost: Per route and minute, how many records were dropped, and the time of the last.
        size: How many records and folded rows are held in memory.
        calls: How many calls all of it stands for, the lost ones included.
    """

    rows: list[CallRecord] = field(default_factory=list)
    folds: dict[FoldKey, Fold] = field(default_factory=dict)
    lost: dict[tuple[str, int], Folded] = field(default_factory=dict)
    size: int = 0
    calls: int = 0

    def add(self, record: CallRecord, *, room: int) -> bool:
        """Take one record if it needs no more than ``room`` places; else count it as lost and return ``False``."""
        self.calls += 1
        refused = record.refused_by is not None and record.refused_by is not Step.ENGINE
        taken = self._add_refusal(record, room) if refused else self._add_row(record, room)
        if not taken:
            self._lose(record)
        return taken

    def lose_rows(self) -> int:
        """Turn every row into a count of lost ones, because the database will not have them; return how many."""
        records = self.rows + [record for fold in self.folds.values() for record in fold.own]
        for record in records:
            self._lose(record)
        folded = sum(self._lose_folded(key, fold.rest) for key, fold in self.folds.items())
        self.rows, self.folds, self.size = [], {}, 0
        return len(records) + folded

    def _add_row(self, record: CallRecord, room: int) -> bool:
        if room < 1:
            return False
        self.rows.append(record)
        self.size += 1
        return True

    def _add_refusal(self, record: CallRecord, room: int) -> bool:
        key = build_fold_key(record)
        fold = self.folds.get(key)
        if fold is not None and len(fold.own) >= OWN_ROWS:
            fold.rest.add(record)
            return True
        if room < 1:
            return False
        if fold is None:
            fold = self.folds[key] = Fold()
        fold.own.append(record)
        self.size += 1
        return True

    def _lose(self, record: CallRecord) -> None:
        self._lost_of(record.route_id, minute_of(record.started_at_ms)).add(record)

    def _lose_folded(self, key: FoldKey, folded: Folded) -> int:
        if folded.count:
            lost = self._lost_of(key.route_id, key.minute_ms)
            lost.count += folded.count
            lost.last_at_ms = max(lost.last_at_ms, folded.last_at_ms)
        return folded.count

    def _lost_of(self, route_id: str, minute_ms: int) -> Folded:
        return self.lost.setdefault((route_id, minute_ms), Folded())


def minute_of(at_ms: int) -> int:
    """Return the start of the minute that a time lies in, both in Unix milliseconds."""
    return at_ms - at_ms % MINUTE_MS


def build_fold_key(record: CallRecord) -> FoldKey:
    """Return what a refusal is folded by."""
    step = record.refused_by.value if record.refused_by is not None else ""
    return FoldKey(record.route_id, step, record.client, record.status, minute_of(record.started_at_ms))
