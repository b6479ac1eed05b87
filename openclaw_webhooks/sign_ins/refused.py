"""What was refused, by the hour, for the operator. A flood costs a process one statement a second and one thread."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from django.db import Error
from django.db.models import F, Sum

from openclaw_webhooks.models import SignInRefusals

_WRITE_EVERY_SECONDS: Final = 1.0
_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 24 * _HOUR_MS

logger = logging.getLogger("openclaw_webhooks.sign_ins")


class RefusalRecord:
    """Counts the refusals of one process and writes them down, the first at once.

    What came in the last second of a flood is written with the next refusal, however late.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with none. ``clock`` returns monotonic seconds."""
        self._clock = clock
        self._waiting: Counter[str] = Counter()
        self._counting, self._writing = threading.Lock(), threading.Lock()
        self._write_at = -math.inf

    def note(self, reason: str, address: str) -> None:
        """Count one, and write where it is time to and no other thread does."""
        with self._counting:
            self._waiting[reason] += 1
        if self._clock() >= self._write_at and self._writing.acquire(blocking=False):
            try:
                self._write_at = self._clock() + _WRITE_EVERY_SECONDS
                self._write(address)
            except Error as error:
                logger.warning("Refused sign-ins could not be counted in the database: %s", type(error).__name__)
            finally:
                self._writing.release()

    def _write(self, address: str) -> None:
        with self._counting:
            taken = dict(self._waiting)
        now_ms = time.time_ns() // 1_000_000
        for reason, count in taken.items():
            _add(reason, count, address, now_ms)
            with self._counting:
                self._waiting -= Counter({reason: count})


def _add(reason: str, count: int, address: str, now_ms: int) -> None:
    last = {"last_at_ms": now_ms, "last_address": address}
    key = {"hour_ms": now_ms - now_ms % _HOUR_MS, "reason": reason}
    row, is_new = SignInRefusals.objects.get_or_create(**key, defaults={"count": count, **last})
    if not is_new:
        SignInRefusals.objects.filter(pk=row.pk).update(count=F("count") + count, **last)


@dataclass(frozen=True, slots=True)
class RefusedDay:
    """The refusals of the last day; ``last_at_ms`` and ``last_address`` are of the latest."""

    count: int
    last_at_ms: int
    last_address: str


def fetch_refused_day(*, now_ms: int) -> RefusedDay | None:
    """Return what was refused within 24 hours, to the hour; ``None`` where nothing was."""
    rows = SignInRefusals.objects.filter(hour_ms__gte=now_ms - _DAY_MS)
    latest = rows.order_by("-last_at_ms").first()
    if latest is None:
        return None
    count = rows.aggregate(count=Sum("count"))["count"]
    return RefusedDay(count, latest.last_at_ms, latest.last_address)
