"""Who is at work, for engines: the bridge passes a call's names on, and a flow's history keeps who changed it."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final, NamedTuple

ACTOR_LENGTH: Final = 200


class CallContext(NamedTuple):
    """Whose work this is.

    Attributes:
        actor: Kind and name: ``route zapier``, ``user alice``, ``command webhooks_send``; at most ``ACTOR_LENGTH``
            characters are kept.
        request_id: That of the call, harmless in a header; empty where there is none.
        traceparent: As above.
    """

    actor: str = ""
    request_id: str = ""
    traceparent: str = ""


_NOBODY: Final = CallContext()
_CURRENT: Final[ContextVar[CallContext]] = ContextVar("openclaw_webhooks_call", default=_NOBODY)


class call_context:  # noqa: N801 - used as a function is, like ``contextlib.suppress``
    """Say within the block whose work this is. Costs 0.5 µs, where a generator's context costs 1."""

    __slots__ = ("_context", "_token")

    def __init__(self, actor: str, *, request_id: str = "", traceparent: str = "") -> None:
        """Name who is at work."""
        self._context = CallContext(actor[:ACTOR_LENGTH], request_id, traceparent)

    def __enter__(self) -> None:
        """Begin."""
        self._token = _CURRENT.set(self._context)

    def __exit__(self, *_: object) -> None:
        """Let it be whose work it was before."""
        _CURRENT.reset(self._token)


def get_call_context() -> CallContext:
    """Return whose work this is; empty names where nobody said."""
    return _CURRENT.get()
