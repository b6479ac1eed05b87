"""What an operator should know though the server is ready: callers with wrong secrets, at limits or in conflict.

Told by the health page, the admin and ``webhooks_check``. It comes from the record of calls, so from all workers, and
resolves a route's secret only where callers were just refused for it: a poll starts no provider that calls did not.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Final, NamedTuple, TypeAlias

from django.db import Error

from openclaw_webhooks.beside import Begin, begin_in_thread
from openclaw_webhooks.calls.troubles import Trouble, fetch_troubles
from openclaw_webhooks.conf.configuration import Configuration
from openclaw_webhooks.secrets.refs import Secret
from openclaw_webhooks.secrets.remedies import describe_unresolved
from openclaw_webhooks.secrets.resolver import SecretStatus
from openclaw_webhooks.sign_ins.refused import RefusedDay, fetch_refused_day

WINDOW_MINUTES: Final = 10
FRESH_SECONDS: Final = 5.0
PATIENCE_SECONDS: Final = 0.5

ReadStatuses: TypeAlias = Callable[[Iterable[Secret]], Mapping[Secret, SecretStatus]]
"""``SecretResolver.statuses``: whether secrets resolve now, and why not; never a value."""


class Advice(NamedTuple):
    """One sentence or two: what is wrong and what to do. No secret, no session key.

    Attributes:
        route_id: The route that it is about, ``None`` for sign-ins to the admin.
    """

    route_id: str | None
    text: str


class Adviser:
    """Looks at the calls of the last minutes; blocks as long as the slowest secret's provider."""

    def __init__(
        self, configuration: Configuration, read_statuses: ReadStatuses, *, wall_clock: Callable[[], float] = time.time
    ) -> None:
        """Look at nothing yet. ``wall_clock`` returns Unix seconds."""
        self._read_statuses, self._wall_clock = read_statuses, wall_clock
        self._secret_of = {route.route_id: route.secret for route in configuration.routes}

    def advise(self) -> list[Advice]:
        """Return what there is to say; nothing where the record cannot be read, which the database's probe tells."""
        now_ms = int(self._wall_clock() * 1000)
        try:
            troubles = fetch_troubles(since_ms=now_ms - WINDOW_MINUTES * 60_000)
            refused_day = fetch_refused_day(now_ms=now_ms)
        except Error:
            return []
        refused = {trouble.last.route_id for trouble in troubles if trouble.is_authentication}
        statuses = self._read_statuses({self._secret_of[name] for name in refused if name in self._secret_of})
        of_routes = [
            Advice(each.last.route_id, f"{_count(each)}: {self._explain(each, statuses)}") for each in troubles
        ]
        return of_routes if refused_day is None else [*of_routes, Advice(None, _tell_sign_ins(refused_day))]

    def _explain(self, trouble: Trouble, statuses: Mapping[Secret, SecretStatus]) -> str:
        secret = self._secret_of.get(trouble.last.route_id)
        status = statuses.get(secret) if secret is not None and trouble.is_authentication else None
        if secret is None or status is None or status.resolves:
            return trouble.describe() or ""
        return describe_unresolved(secret, status.reason)


def _count(trouble: Trouble) -> str:
    last = trouble.last
    moment = datetime.fromtimestamp((last.last_at_ms or last.at_ms) / 1000, UTC)
    return (
        f"Route {last.route_id} answered {trouble.calls} call{'s' * (trouble.calls > 1)} of the last {WINDOW_MINUTES} "
        f"minutes with {last.status}, the latest at {moment:%H:%M:%S} UTC from {last.client}"
    )


def _tell_sign_ins(day: RefusedDay) -> str:
    moment = datetime.fromtimestamp(day.last_at_ms / 1000, UTC)
    return (
        f"Sign-ins to the admin refused within the last day: {day.count}, the latest at {moment:%H:%M:%S} UTC from "
        f"{day.last_address}. Perhaps passwords are being guessed. Accounts can still sign in from addresses that "
        "they used before. Offer the admin to fewer networks, if you can."
    )


class LatestAdvice:
    """Asks an adviser in a thread of its own, at most every five seconds, and never keeps a poll waiting for long."""

    def __init__(
        self,
        fetch: Callable[[], Sequence[Advice]],
        *,
        clock: Callable[[], float] = time.monotonic,
        begin: Begin = begin_in_thread,
    ) -> None:
        """Ask nobody yet."""
        self._fetch, self._clock, self._begin = fetch, clock, begin
        self._lock = threading.Lock()
        self._asking: threading.Event | None = None
        self._found: Sequence[Advice] = ()
        self._fresh_until = float("-inf")

    def read(self) -> Sequence[Advice]:
        """Return the latest advice; waits half a second at most for newer one."""
        with self._lock:
            is_due = self._asking is None and self._clock() >= self._fresh_until
            if is_due:
                self._asking = threading.Event()
            asking = self._asking
        if asking is not None:
            if is_due:
                self._begin("advice", partial(self._ask, asking))
            asking.wait(PATIENCE_SECONDS)
        return self._found

    def _ask(self, asking: threading.Event) -> None:
        try:
            self._found = self._fetch()
        finally:
            with self._lock:
                self._fresh_until, self._asking = self._clock() + FRESH_SECONDS, None
            asking.set()
