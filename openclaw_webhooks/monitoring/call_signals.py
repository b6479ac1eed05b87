"""Sends ``call_finished`` and ``call_refused``: an observer of records, in the thread of its caller."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import connections

from openclaw_webhooks.calls.record import CallRecord, Step
from openclaw_webhooks.signals import call_finished, call_refused


def send_signals(calls: Sequence[CallRecord]) -> None:
    """Announce each call to whoever listens; Django logs a receiver that raises."""
    if not calls or not (call_finished.receivers or call_refused.receivers):
        return
    # The thread lives as long as the process, and no request begins or ends in it: receivers may use the database.
    _close_old_connections()
    for call in calls:
        refused = call.refused_by is not None and call.refused_by is not Step.ENGINE
        signal = call_refused if refused else call_finished
        signal.send_robust(CallRecord, call=call)
    _close_old_connections()


def _close_old_connections() -> None:
    """Do as Django does between requests, but leave a test's connection its transaction."""
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()
