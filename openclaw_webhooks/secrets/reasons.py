"""Logs why references do not resolve: once per change of reason, and at most once a minute per reference."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from openclaw_webhooks.secrets.refs import Secret, SecretRef
from openclaw_webhooks.secrets.remedies import remedy_of

QUIET_SECONDS: Final = 60.0

_logger = logging.getLogger("openclaw_webhooks.secrets")


@dataclass(slots=True)
class _Last:
    reason: str | None
    logged: str | None
    logged_at: float


class ReasonLog:
    """Remembers the last reason per reference; there are as many as configured references."""

    def __init__(self, *, clock: Callable[[], float]) -> None:
        """``clock`` is monotonic, in seconds."""
        self._clock = clock
        self._last: dict[SecretRef, _Last] = {}

    def find(self, secret: Secret) -> str | None:
        """Return why a secret did not resolve when it was last needed; ``None`` where it did, or nobody needed it."""
        last = self._last.get(secret) if isinstance(secret, SecretRef) else None
        return None if last is None else last.reason

    def note(self, ref: SecretRef, reason: str | None) -> None:
        """Log a reason if it is news; ``None``, that it resolves, makes the next failure news again.

        A race of two threads costs a second line, nothing else.
        """
        last = self._last.get(ref)
        if last is not None:
            last.reason = reason
        if reason is None:
            if last is not None:
                last.logged = None
            return
        now = self._clock()
        if last is not None and (last.logged == reason or now - last.logged_at < QUIET_SECONDS):
            return
        self._last[ref] = _Last(reason, reason, now)
        _logger.warning("Secret %s does not resolve, its routes answer 401: %s. %s", ref, reason, remedy_of(ref))
