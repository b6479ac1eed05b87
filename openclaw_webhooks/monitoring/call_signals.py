"""Sends ``call_finished`` and ``call_refused``: an observer of records, in the thread of ``calls.observation``."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import close_old_connections

from openclaw_webhooks.calls.record import CallRecord, Step
from openclaw_webhooks.signals import call_finished, call_refused


def send_signals(calls: Sequence[CallRecord]) -> None:
    """Announce each call to whoever listens; Django logs a receiver that raises."""
    if not calls or not (call_finished.receivers or call_refused.receivers):
        return
    # The thread lives as long as the process, and no request begins or ends in it: receivers may use the database.
    close_old_connections()
    for call in calls:
        refused = call.refused_by is not None and call.refused_by is not Step.ENGINE
        signal = call_refused if refused else call_finished
        signal.send_robust(CallRecord, call=call)
    close_old_connections()
