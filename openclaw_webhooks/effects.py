"""What the pipeline asks of whoever drives it, and the answer that it ends with.

Each effect is a plain value that names its result and what it raises; how it is done is the door's business.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from openclaw_webhooks.guards.head import RequestHead
from openclaw_webhooks.guards.limits.base import Lease, LimitKey
from openclaw_webhooks.outcomes import Outcome
from openclaw_webhooks.secrets.refs import Secret
from openclaw_webhooks.values import value

BODY_LIMIT_BYTES: Final = 262_144
BODY_TIMEOUT_SECONDS: Final = 15.0


@value()
class Answer:
    """What the caller gets.

    Attributes:
        headers: Pairs in lower case, without ``content-length`` and ``connection``, which are the door's.
        close: The connection must not be used again; the door announces that and lets the caller read the answer
            though it may still be sending.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes = field(repr=False)
    close: bool = False


@value()
class CountRequest:
    """Effect: count the request against its rate. Result: ``Verdict``; raises ``LimitStoreUnavailable``."""

    key: LimitKey


@value()
class TakeSlot:
    """Effect: take an in-flight slot. Result: ``Lease | Verdict``; raises ``LimitStoreUnavailable``."""

    key: LimitKey


@value()
class GiveSlotBack:
    """Effect: release the slot. Result: none; raises nothing. An abandoned call releases its slot by itself."""

    lease: Lease


@value()
class Authenticate:
    """Effect: run ``authentication_steps``. Result: whether the caller knows the secret."""

    head: RequestHead
    secret: Secret


@dataclass(slots=True)
class ReceiveJson:
    """Effect: receive the body and parse it. Result: its JSON value; raises a ``BodyError``.

    Attributes:
        received_bytes: Noted by the door, whether or not the body came to a good end.
    """

    limit_bytes: int = BODY_LIMIT_BYTES
    timeout_seconds: float = BODY_TIMEOUT_SECONDS
    received_bytes: int | None = None


@value()
class RunAction:
    """Effect: make a blocking call, off any event loop. Result: what ``run`` returns.

    Attributes:
        act: Asks the engine; may be made once more where what it did was undone.
        tell: Makes the body that tells the outcome, once that is certain; blocks as well.
        joins: Whether several such calls may be made together (``engines.base.CommitsTogether``).
        is_long: Whether what they make may be long, and take its time after the engine has answered.
    """

    act: Callable[[], Outcome]
    tell: Callable[[Outcome], tuple[Outcome, bytes]]
    joins: bool = False
    is_long: bool = False

    def run(self) -> tuple[Outcome, bytes]:
        """Do both, one after the other."""
        return self.tell(self.act())


Effect: TypeAlias = CountRequest | TakeSlot | GiveSlotBack | Authenticate | ReceiveJson | RunAction
Steps: TypeAlias = Generator[Effect, Any, Answer]
