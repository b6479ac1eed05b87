"""What one process does for monitoring, put together of its settings: who observes calls, and which pages there are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from openclaw_webhooks.beside import Begin, begin_in_thread
from openclaw_webhooks.calls.inline import InlineRecorder
from openclaw_webhooks.calls.observation import BothSinks, CallObservation, Observer
from openclaw_webhooks.calls.record import CallRecord, CallSink
from openclaw_webhooks.calls.recorder import CallRecorder, NoRecorder
from openclaw_webhooks.conf.configuration import Configuration
from openclaw_webhooks.conf.monitoring import CallLog, Monitoring
from openclaw_webhooks.engines.base import Engine
from openclaw_webhooks.guards.head import RequestHead
from openclaw_webhooks.guards.limits.base import LimitStore
from openclaw_webhooks.monitoring.advice import Adviser, LatestAdvice, ReadStatuses
from openclaw_webhooks.monitoring.call_log import CallLogger
from openclaw_webhooks.monitoring.call_metrics import CallMetrics, ResolutionTally, SignInTally
from openclaw_webhooks.monitoring.call_signals import send_signals
from openclaw_webhooks.monitoring.health import Readiness, build_probes
from openclaw_webhooks.monitoring.pages import MonitoringPages
from openclaw_webhooks.monitoring.scrape import Scraper
from openclaw_webhooks.monitoring.shared_totals import SharedTotals
from openclaw_webhooks.secrets.reasons import ReasonLog
from openclaw_webhooks.secrets.remedies import describe_unresolved


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What there is to be watched in a process."""

    configuration: Configuration
    engine: Engine
    limit_store: LimitStore
    recorder: CallRecorder | InlineRecorder | NoRecorder
    reasons: ReasonLog


class Watch:
    """Observers and pages of one process; starts nothing and opens nothing before the first call.

    Attributes:
        sink: Where the pipeline leaves its records.
        note_resolution: What the secret resolver tells of each reference, where somebody counts that.
    """

    def __init__(
        self, monitoring: Monitoring, *, deployment: str, watched: Watched, begin: Begin = begin_in_thread
    ) -> None:
        """Put together what ``monitoring`` asks for.

        Args:
            monitoring: The settings.
            deployment: What processes go by whose numbers are added up.
            watched: The rest of the process.
            begin: Begins what goes on beside requests.
        """
        self._monitoring, self._watched, self._begin = monitoring, watched, begin
        self._shared = SharedTotals.of_deployment(deployment)
        resolutions = ResolutionTally()
        self.note_resolution: Callable[[str, str], None] | None = resolutions.note if monitoring.metrics else None
        self._sign_ins = SignInTally()
        self._observation = CallObservation(self._build_observers(resolutions))
        self.sink: CallSink = BothSinks(watched.recorder, self._observation)

    def build_pages(self, *, find_client: Callable[[RequestHead], str], read_statuses: ReadStatuses) -> MonitoringPages:
        """Make the pages.

        Args:
            find_client: Returns the address that a request comes from.
            read_statuses: Tells whether secrets resolve.
        """
        watched = self._watched
        scraper = Scraper(
            shared=self._shared,
            observation=self._observation,
            limit_store=watched.limit_store,
            counts_flows=watched.engine.capabilities.prunes,
        )
        probes = build_probes(
            configuration=watched.configuration, limit_store=watched.limit_store, engine=watched.engine
        )
        return MonitoringPages(
            self._monitoring,
            readiness=Readiness(probes, begin=self._begin),
            advice=LatestAdvice(Adviser(watched.configuration, read_statuses).advise, begin=self._begin),
            scrape=scraper.scrape,
            find_client=find_client,
            begin=self._begin,
        )

    def note_sign_in(self, outcome: str) -> None:
        """Count an attempt to sign in."""
        self._sign_ins.note(outcome)
        self._observation.rouse()

    def take(self, record: CallRecord) -> None:
        """Record a call and have it observed, in this thread; what ``sink`` does later, in threads of its own."""
        self._watched.recorder.add(record)
        self._observation.observe([record])

    def flush(self) -> None:
        """Have everything observed that was left so far."""
        self._observation.flush()

    def close(self) -> None:
        """Observe what is left; after the recorder, which may have something to tell until then."""
        self._observation.close()
        self._shared.close()

    def _explain_secret(self, route_id: str) -> str | None:
        for route in self._watched.configuration.routes:
            if route.route_id == route_id and (reason := self._watched.reasons.find(route.secret)):
                return describe_unresolved(route.secret, reason)
        return None

    def _build_observers(self, resolutions: ResolutionTally) -> list[Observer]:
        observers: list[Observer] = []
        if self._monitoring.metrics:
            observers.append(
                CallMetrics(
                    shared=self._shared,
                    records=self._watched.recorder,
                    resolutions=resolutions,
                    sign_ins=self._sign_ins,
                    count_failures=lambda: self._watched.limit_store.failures,
                    count_unobserved=lambda: self._observation.lost,
                )
            )
        if self._monitoring.call_log is not CallLog.OFF:
            observers.append(CallLogger(self._monitoring.call_log, explain_secret=self._explain_secret))
        if self._monitoring.traces:
            # Imported where traces are wanted: the SDK is an extra, and takes 0.3 s and 20 MB.
            from openclaw_webhooks.monitoring.traces import CallTracer  # noqa: PLC0415

            observers.append(CallTracer())
        observers.append(send_signals)
        return observers
