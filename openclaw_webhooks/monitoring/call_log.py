"""One line per call in the log ``openclaw_webhooks.calls``: an observer of records. Nothing secret is in a record."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, Final

from openclaw_webhooks.calls.advice import advise
from openclaw_webhooks.calls.record import CallRecord, Step
from openclaw_webhooks.calls.writer import outcome_of
from openclaw_webhooks.conf.monitoring import CallLog
from openclaw_webhooks.models import Outcome

logger = logging.getLogger("openclaw_webhooks.calls")

_LEVELS: Final = {
    Outcome.ACCEPTED: logging.INFO,
    Outcome.REFUSED: logging.INFO,
    Outcome.GONE: logging.INFO,
    Outcome.FAILED: logging.ERROR,
}
"""A wrong secret is somebody else's mistake; what this server could not do is an error."""


class CallLogger:
    """Writes the lines. Each record of ``logging`` has the fields as ``record.call`` too, for formatters."""

    def __init__(self, which: CallLog, *, explain_secret: Callable[[str], str | None] = lambda _: None) -> None:
        """Log all calls or the refused and failed ones.

        Args:
            which: Which calls.
            explain_secret: Says why the secret of a route does not resolve, ``None`` where it does: a caller with the
                right one is refused like one with a wrong one.
        """
        self._all, self._explain_secret = which is CallLog.ALL, explain_secret

    def __call__(self, calls: Sequence[CallRecord]) -> None:
        """Log these calls."""
        for call in calls:
            # Also an accepted call that the engine refused, as a conflict: somebody has to do something about it.
            if self._all or not 200 <= call.status < 300:
                self._log(_LEVELS[outcome_of(call.status, call.refused_by)], self._describe(call))

    def _describe(self, call: CallRecord) -> dict[str, Any]:
        fields = describe_call(call)
        if call.refused_by is Step.AUTHENTICATION:
            fields["hint"] = self._explain_secret(call.route_id) or fields["hint"]
        return fields

    def _log(self, level: int, fields: dict[str, Any]) -> None:
        if logger.isEnabledFor(level):
            text = " ".join(f"{name}={value}" for name, value in fields.items() if value is not None)
            logger.log(level, "%s", text, extra={"call": fields})


def describe_call(call: CallRecord) -> dict[str, Any]:
    """Return what a line says of a call; times in milliseconds, ``None`` for what it does not have."""
    return {
        "request_id": call.request_id,
        "route": call.route_id,
        "action": call.action,
        "status": int(call.status),
        "code": call.code,
        "refused_by": call.refused_by.value if call.refused_by is not None else None,
        "client": call.client,
        "flow_id": call.flow_id,
        "duration_ms": call.duration_us / 1000,
        "engine_ms": None if call.engine_us is None else call.engine_us / 1000,
        "hint": advise(
            route_id=call.route_id,
            status=call.status,
            refused_by=call.refused_by,
            code=call.code,
            flow_id=call.flow_id,
        ),
    }
