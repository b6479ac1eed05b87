"""Whether this process can serve: its configuration, the database, the limits store, the engine.

Probes run in threads of their own and are waited for within bounds; what they found is told again for a second, so
that polling costs nothing and a dead database is asked once. Blocks; not for event loops.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol, runtime_checkable

from django.db import DatabaseError

from openclaw_webhooks.beside import Begin, begin_in_thread
from openclaw_webhooks.conf.configuration import Configuration
from openclaw_webhooks.engines.base import Engine
from openclaw_webhooks.exceptions import LimitStoreUnavailable, WebhooksError
from openclaw_webhooks.guards.limits.base import LimitKey, LimitStore
from openclaw_webhooks.models import Call, Flow

FRESH_SECONDS: Final = 1.0
_PROBE_KEY: Final = LimitKey("/readyz", "probe")
"""Counted as a request would be: what every store does quickly. A window that is full is an answer too."""
DATABASE_CAUSE: Final = (
    "The database does not answer as it should ({}). Look whether it runs and `manage.py migrate` was run."
)
"""For the name of the error, which must not be told in full: some drivers repeat the address and the user name."""
PATIENCE_SECONDS: Final = 2.0
"""How long a poll waits for probes at most."""


class NotReady(Exception):
    """Why something is not ready and what to do: two sentences for the operator, without secrets."""


Probe = Callable[[], object]
"""Blocks; raises ``NotReady``. What it returns means nothing."""


@runtime_checkable
class HasHealth(Protocol):
    """An engine that can be asked whether it works, as one behind a network should."""

    def check_health(self) -> object:
        """Return if it works; raises a ``WebhooksError`` that says why not."""
        ...


@dataclass(frozen=True, slots=True)
class Finding:
    """What one probe found. ``cause`` is empty where all is well."""

    name: str
    cause: str = ""

    @property
    def ready(self) -> bool:
        """Tell whether all is well."""
        return not self.cause


class Readiness:
    """Runs the probes, at most once a second and each at most once at a time."""

    def __init__(
        self,
        probes: Mapping[str, Probe],
        *,
        patience_seconds: float = PATIENCE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        begin: Begin = begin_in_thread,
    ) -> None:
        """Run none yet."""
        self._probes, self._patience_seconds, self._clock = probes, patience_seconds, clock
        self._begin = begin
        self._lock = threading.Lock()
        self._running: dict[str, Future[Finding]] = {}
        self._findings: tuple[Finding, ...] = ()
        self._fresh_until = 0.0

    def judge(self) -> tuple[Finding, ...]:
        """Return what every probe finds, in their order; takes ``patience_seconds`` at most."""
        with self._lock:
            if self._clock() >= self._fresh_until:
                deadline = self._clock() + self._patience_seconds
                running = {name: self._start(name, probe) for name, probe in self._probes.items()}
                self._findings = tuple(self._await(name, future, deadline) for name, future in running.items())
                self._fresh_until = self._clock() + FRESH_SECONDS
            return self._findings

    def _start(self, name: str, probe: Probe) -> Future[Finding]:
        """Start a probe, unless the last one still hangs: then that one's end is what is waited for."""
        future = self._running.get(name)
        if future is None:
            future = self._running[name] = Future()
            self._begin(f"probe-{name}", partial(_run, probe, name, future))
        return future

    def _await(self, name: str, future: Future[Finding], deadline: float) -> Finding:
        try:
            finding = future.result(max(0.0, deadline - self._clock()))
        except FutureTimeout:
            return Finding(name, f"There was no answer within {self._patience_seconds:g} seconds.")
        del self._running[name]
        return finding


def _run(probe: Probe, name: str, future: Future[Finding]) -> None:
    try:
        probe()
        future.set_result(Finding(name))
    except NotReady as reason:
        future.set_result(Finding(name, str(reason)))
    except BaseException as error:  # noqa: BLE001 - it belongs to whoever waits
        future.set_exception(error)


def build_probes(*, configuration: Configuration, limit_store: LimitStore, engine: Engine) -> dict[str, Probe]:
    """Return what has to be ready before a route can be served."""

    def probe_configuration() -> None:
        if configuration.problems:
            first, count = configuration.problems[0], len(configuration.problems)
            raise NotReady(
                f"{count} faults in the configuration, the first: {first.path}: {first.message}. "
                "Correct them and restart; `manage.py check` lists all."
            )

    def probe_limits() -> None:
        try:
            limit_store.hit(_PROBE_KEY)
        except LimitStoreUnavailable as error:
            raise NotReady(
                f"The request limits cannot be counted: {error} Look at the limits store ({limit_store.scope})."
            ) from error

    def probe_engine() -> None:
        if isinstance(engine, HasHealth):
            try:
                engine.check_health()
            except WebhooksError as error:
                reason = str(error).rstrip(".")
                raise NotReady(
                    f"The engine does not answer: {reason}. Look at its Gateway: start it where it is down; "
                    "`manage.py webhooks_gateway check` says what is wrong between the two."
                ) from error

    return {
        "configuration": probe_configuration,
        "database": probe_database,
        "limits": probe_limits,
        "engine": probe_engine,
    }


def probe_database() -> None:
    """Read from the newest tables over a new connection."""
    try:
        for query in (Call.objects.values_list("journey"), Flow.objects.values_list("pk")):
            query.order_by().first()
    except DatabaseError as error:
        raise NotReady(DATABASE_CAUSE.format(type(error).__name__)) from error
