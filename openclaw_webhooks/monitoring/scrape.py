"""What one scrape answers: the processes' totals, and what is asked for at that moment. Blocks; not for event loops."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock
from typing import Final

from django.db import DatabaseError
from django.db.models import Count

from openclaw_webhooks.calls.observation import CallObservation
from openclaw_webhooks.engines.records import FlowStatus
from openclaw_webhooks.exceptions import LimitStoreUnavailable
from openclaw_webhooks.guards.limits.base import LimitStore
from openclaw_webhooks.models import Flow
from openclaw_webhooks.monitoring import catalogue
from openclaw_webhooks.monitoring.exposition import build_exposition
from openclaw_webhooks.monitoring.shared_totals import SharedTotals
from openclaw_webhooks.monitoring.totals import Series

FRESH_SECONDS: Final = 10.0
"""How long a count is told again that reads every flow, or every key of a Redis server."""


class Scraper:
    """Answers scrapes, one after the other."""

    def __init__(
        self,
        *,
        shared: SharedTotals,
        observation: CallObservation,
        limit_store: LimitStore,
        counts_flows: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Ask nobody yet.

        Args:
            shared: The numbers of all processes.
            observation: Flushed first, so that this process's numbers are of this moment.
            limit_store: Asked for what it tracks.
            counts_flows: Whether flows are in the database.
            clock: Monotonic seconds.
        """
        self._shared, self._observation, self._limit_store = shared, observation, limit_store
        self._counts_flows, self._clock = counts_flows, clock
        self._lock = Lock()
        self._flows: dict[Series, int] = {}
        self._flows_fresh_until = self._limits_fresh_until = 0.0
        self._limits: dict[Series, int] = {}

    def scrape(self) -> bytes:
        """Return the page.

        Raises:
            OSError: The processes' numbers cannot be read.
        """
        self._observation.flush()
        with self._lock:
            total = self._shared.add_up()
            gauges: dict[Series, int] = {(name, ()): number for name, number in total.gauges.items()}
            gauges[catalogue.WORKERS.name, ()] = total.processes
            gauges |= self._ask_limits() | self._count_flows()
            return build_exposition(total.totals, gauges)

    def _ask_limits(self) -> dict[Series, int]:
        if self._clock() >= self._limits_fresh_until:
            self._limits = _fetch_limits(self._limit_store)
            if self._limit_store.blocking:
                self._limits_fresh_until = self._clock() + FRESH_SECONDS
        return self._limits

    def _count_flows(self) -> dict[Series, int]:
        if not self._counts_flows:
            return {}
        if self._clock() >= self._flows_fresh_until:
            try:
                self._flows = _fetch_flows()
            except DatabaseError:
                return {(catalogue.DATABASE_UP.name, ()): 0}
            self._flows_fresh_until = self._clock() + FRESH_SECONDS
        return self._flows


def _fetch_limits(limit_store: LimitStore) -> dict[Series, int]:
    try:
        stats = limit_store.stats()
    except LimitStoreUnavailable:
        return {(catalogue.LIMIT_UP.name, ()): 0}
    return {
        (catalogue.LIMIT_UP.name, ()): 1,
        (catalogue.IN_FLIGHT.name, ()): stats.in_flight,
        (catalogue.LIMIT_KEYS.name, ()): stats.tracked_keys,
        (catalogue.LIMIT_EVICTIONS.name, ()): stats.evictions,
        (catalogue.LIMIT_ROOM_REFUSALS.name, ()): stats.refused_for_room,
        (catalogue.LIMIT_OUTLIVED.name, ()): stats.outlived_leases,
    }


def _fetch_flows() -> dict[Series, int]:
    counts = dict.fromkeys((status.value for status in FlowStatus), 0)
    counts |= dict(Flow.objects.order_by().values_list("status").annotate(Count("pk")))
    flows: dict[Series, int] = {(catalogue.FLOWS.name, (status,)): count for status, count in counts.items()}
    return flows | {(catalogue.DATABASE_UP.name, ()): 1}
