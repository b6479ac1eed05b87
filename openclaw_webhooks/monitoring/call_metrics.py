"""Counts calls into metrics: an observer of their records that publishes this process's numbers to the others."""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Protocol

from openclaw_webhooks.calls.journey import PHASES, measure
from openclaw_webhooks.calls.record import CallRecord
from openclaw_webhooks.monitoring import catalogue
from openclaw_webhooks.monitoring.shared_totals import SharedTotals
from openclaw_webhooks.monitoring.totals import Totals

logger = logging.getLogger(__name__)

_STEPS = tuple(phase.value for phase in PHASES)


class RecordQueue(Protocol):
    """What the recorder of calls tells of itself."""

    @property
    def dropped(self) -> int:
        """Return how many records this process has dropped."""
        ...

    @property
    def waiting(self) -> int:
        """Return how many records wait to be written."""
        ...


class ResolutionTally:
    """Gathers how SecretRefs were resolved, from any thread: an append each, counted later."""

    def __init__(self) -> None:
        """Begin with none."""
        self._noted: deque[tuple[str, str]] = deque()

    def note(self, source: str, outcome: str) -> None:
        """Note one resolution. Costs 0.1 µs."""
        self._noted.append((source, outcome))

    def count_into(self, totals: Totals) -> None:
        """Count what was noted since the last time."""
        for _ in range(len(self._noted)):
            totals.count(catalogue.SECRETS.name, *self._noted.popleft())


class SignInTally:
    """Gathers what became of attempts to sign in, from any thread: a number per outcome, however many there are."""

    def __init__(self) -> None:
        """Begin with none."""
        self._lock = threading.Lock()
        self._noted: Counter[str] = Counter()

    def note(self, outcome: str) -> None:
        """Note one attempt."""
        with self._lock:
            self._noted[outcome] += 1

    def count_into(self, totals: Totals) -> None:
        """Count what was noted since the last time."""
        with self._lock:
            noted, self._noted = self._noted, Counter()
        for outcome, number in noted.items():
            totals.count(catalogue.SIGN_INS.name, outcome, amount=number)


class CallMetrics:
    """The metrics of one process; called by ``calls.observation``, one call at a time."""

    def __init__(
        self,
        *,
        shared: SharedTotals,
        records: RecordQueue,
        resolutions: ResolutionTally,
        sign_ins: SignInTally,
        count_failures: Callable[[], int],
        count_unobserved: Callable[[], int],
    ) -> None:
        """Begin at nothing.

        Args:
            shared: Where other processes find the numbers.
            records: The recorder.
            resolutions: What the secret resolver has noted.
            sign_ins: What became of attempts to sign in.
            count_failures: Returns how often the limits store did not answer this process.
            count_unobserved: Returns how many calls no observer has heard of.
        """
        self._shared, self._records, self._resolutions = shared, records, resolutions
        self._sign_ins = sign_ins
        self._totals = Totals()
        self._grown = {
            catalogue.RECORDS_DROPPED.name: lambda: records.dropped,
            catalogue.LIMIT_FAILURES.name: count_failures,
            catalogue.UNOBSERVED.name: count_unobserved,
        }
        self._seen = dict.fromkeys(self._grown, 0)

    def __call__(self, calls: Sequence[CallRecord]) -> None:
        """Count these calls in and publish the numbers."""
        for call in calls:
            count_call(self._totals, call)
        self._resolutions.count_into(self._totals)
        self._sign_ins.count_into(self._totals)
        for name, read in self._grown.items():
            number = read()
            self._totals.count(name, amount=number - self._seen[name])
            self._seen[name] = number
        self._publish()

    def _publish(self) -> None:
        try:
            self._shared.write(self._totals, {catalogue.RECORDS_WAITING.name: self._records.waiting})
        except OSError as error:
            logger.warning("The metrics of this process cannot be published: %s", error)


def count_call(totals: Totals, call: CallRecord) -> None:
    """Count one call; some 8 µs, off its way."""
    refused_by = call.refused_by.value if call.refused_by is not None else ""
    totals.count(catalogue.REQUESTS.name, call.route_id, call.action or "", str(int(call.status)), refused_by)
    totals.observe(catalogue.REQUEST_SECONDS.name, call.route_id, call.duration_us)
    durations = measure(call.marks, started_ns=call.started_ns, duration_us=call.duration_us)
    for step, duration_us in zip(_STEPS, durations, strict=False):
        if duration_us is not None:
            totals.observe(catalogue.STEP_SECONDS.name, step, duration_us)
    if call.engine_us is not None and call.action is not None:
        totals.observe(catalogue.ENGINE_SECONDS.name, call.action, call.engine_us)
    if call.status >= 500 and call.action is not None:
        totals.count(catalogue.ENGINE_ERRORS.name, call.action, call.code or "")
