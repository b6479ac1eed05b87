"""The limits of one process: for tests, and for a server that is one process. Same rules as in shared memory.

A fork takes a copy along, and counts on alone from there.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

from openclaw_webhooks.guards.limits.base import (
    DEFAULT_LIMITS,
    Admission,
    Lease,
    LimitKey,
    Limits,
    LimitStats,
    Verdict,
    admit_in_turn,
)
from openclaw_webhooks.guards.limits.keys import hash_path
from openclaw_webhooks.guards.limits.windows import (
    COUNT_BITS,
    TRY_SOON,
    RuleBook,
    count_request,
    is_running,
    milliseconds_of,
)

__all__ = ["ProcessMemoryStore"]


@dataclass(slots=True)
class _Row:
    """One key: its window, and when the lease in each taken slot ends."""

    window: int
    ends_ms: dict[ProcessLease, int] = field(default_factory=dict)


class ProcessMemoryStore:
    """Counts in a dictionary under a lock."""

    scope = "this process"
    blocking = False
    failures = 0

    def __init__(self, *, limits: Limits = DEFAULT_LIMITS, clock: Callable[[], float] = time.monotonic) -> None:
        """Start with nothing counted.

        Raises:
            ValueError: ``limits`` cannot be counted.
        """
        self._book = RuleBook.of(limits)
        self._clock = clock
        self._lock = threading.Lock()
        self._rows: OrderedDict[LimitKey, _Row] = OrderedDict()  # The oldest window first.
        self._evictions = self._refused_for_room = self._outlived_leases = 0

    @classmethod
    def of_deployment(cls, name: str, limits: Limits = DEFAULT_LIMITS) -> Self:  # noqa: ARG003 - nobody else counts here
        """Count for this process alone, whatever the deployment is called."""
        return cls(limits=limits)

    def hit(self, key: LimitKey) -> Verdict:
        """Count one request against the key's window, unless it is full or no key can be forgotten for this one."""
        with self._lock:
            now_ms = milliseconds_of(self._clock)
            row = self._row(key, now_ms)
            if row is None:
                return TRY_SOON
            window, verdict = count_request(row.window, now_ms=now_ms, rules=self._book.of_key(key))
            if window >> COUNT_BITS != row.window >> COUNT_BITS:
                self._rows.move_to_end(key)
            row.window = window
            return verdict

    def acquire(self, key: LimitKey) -> Lease | Verdict:
        """Take one of the key's slots for ``lease_seconds``."""
        with self._lock:
            now_ms = milliseconds_of(self._clock)
            row = self._row(key, now_ms)
            if row is None:
                return TRY_SOON
            rules = self._book.of_key(key)
            if len(row.ends_ms) >= rules.in_flight:
                self._reclaim(row, now_ms)
            if len(row.ends_ms) >= rules.in_flight:
                return TRY_SOON
            lease = ProcessLease(self, row)
            row.ends_ms[lease] = now_ms + rules.lease_ms
            return lease

    def admit(self, key: LimitKey) -> Admission:
        """Do one after the other."""
        return admit_in_turn(self, key)

    def stats(self) -> LimitStats:
        """Count what is tracked."""
        with self._lock:
            now_ms = milliseconds_of(self._clock)
            in_flight = [sum(end > now_ms for end in row.ends_ms.values()) for row in self._rows.values()]
            by_path = Counter[bytes]()
            for key, taken in zip(self._rows, in_flight, strict=True):
                by_path[hash_path(key.path)] += taken
            running = [self._is_running(row, now_ms) for row in self._rows.values()]
            return LimitStats(
                tracked_keys=sum(taken > 0 or runs for taken, runs in zip(in_flight, running, strict=True)),
                in_flight=sum(in_flight),
                in_flight_by_path=+by_path,
                evictions=self._evictions,
                refused_for_room=self._refused_for_room,
                outlived_leases=self._outlived_leases,
            )

    def close(self) -> None:
        """Forget everything."""
        with self._lock:
            self._rows.clear()

    def renew(self, lease: ProcessLease, row: _Row) -> None:
        """Move the end of a lease that still has its slot."""
        with self._lock:
            if lease in row.ends_ms:
                row.ends_ms[lease] = milliseconds_of(self._clock) + self._book.usual.lease_ms

    def release(self, lease: ProcessLease, row: _Row) -> None:
        """Free the slot of a lease that still has it."""
        with self._lock:
            end_ms = row.ends_ms.pop(lease, None)
            if end_ms is not None:
                self._outlived_leases += end_ms <= milliseconds_of(self._clock)

    def _row(self, key: LimitKey, now_ms: int) -> _Row | None:
        row = self._rows.get(key)
        if row is None and self._make_room(now_ms):
            row = self._rows[key] = _Row(now_ms << COUNT_BITS)
        return row

    def _make_room(self, now_ms: int) -> bool:
        if len(self._rows) < self._book.usual.tracked_keys:
            return True
        for key, row in self._rows.items():
            if not any(end > now_ms for end in row.ends_ms.values()):
                self._reclaim(row, now_ms)
                self._evictions += self._is_running(row, now_ms)
                del self._rows[key]
                return True
        self._refused_for_room += 1
        return False

    def _reclaim(self, row: _Row, now_ms: int) -> None:
        """Free the slots whose lease is over."""
        for lease in [lease for lease, end_ms in row.ends_ms.items() if end_ms <= now_ms]:
            del row.ends_ms[lease]
            self._outlived_leases += 1

    def _is_running(self, row: _Row, now_ms: int) -> bool:
        return is_running(row.window, now_ms=now_ms, window_ms=self._book.largest.window_ms)


class ProcessLease:
    """One slot of a ``ProcessMemoryStore``."""

    __slots__ = ("_row", "_store")

    def __init__(self, store: ProcessMemoryStore, row: _Row) -> None:
        """Name the slot."""
        self._store = store
        self._row = row

    def renew(self) -> None:
        """Hold on for another lease time from now; does nothing once the slot was lost or released."""
        self._store.renew(self, self._row)

    def release(self) -> None:
        """Give the slot back; a second call does nothing."""
        self._store.release(self, self._row)
