"""What can go wrong while a request is served: one small tree.

Configuration problems are not here: they are values (``conf.problems``), because they are reported together and must
never stop a healthy route. No message of this tree carries a secret or a session key.
"""

from __future__ import annotations

__all__ = [
    "EngineError",
    "EngineRefused",
    "EngineUnavailable",
    "LimitStoreUnavailable",
    "OutcomeUnknown",
    "PersistFailed",
    "WebhooksError",
]


class WebhooksError(Exception):
    """Root of every error that this app raises at run time."""


class EngineError(WebhooksError):
    """The engine could not do what it was asked; each subclass says what is known about the outcome."""


class EngineUnavailable(EngineError):
    """The engine cannot be reached and nothing was changed. Raised by reads; a mutation raises ``PersistFailed``."""


class PersistFailed(EngineError):
    """A mutation certainly did not happen: nothing was stored."""


class EngineRefused(EngineError):
    """The engine answered and refused, naming no reason that this app knows; nothing was changed."""


class OutcomeUnknown(EngineError):
    """A mutation was sent and its answer lost: it may or may not have happened, and is never retried blindly.

    Attributes:
        flow_id: The flow concerned, where one is known.
    """

    def __init__(self, message: str, *, flow_id: str | None = None) -> None:
        """Keep ``flow_id`` for the answer (``result: {flowId?}``)."""
        super().__init__(message)
        self.flow_id = flow_id


class LimitStoreUnavailable(WebhooksError):
    """The store of the request limits cannot tell whether a request may pass."""


class SecretUnresolved(WebhooksError):
    """A SecretRef gave no secret. The message is the reason for the operator and never carries a value."""


class BodyError(WebhooksError):
    """The body could not be received whole."""


class BodyTooLarge(BodyError):
    """More bytes were declared or sent than the limit allows."""


class BodyTimeout(BodyError):
    """The body was not complete at its deadline."""


class BodyNotJson(BodyError):
    """The body arrived whole, and is not one JSON value."""


class BrokenCoding(Exception):
    """The transfer coding of a body is broken, or ends too early: what a server's connection raises while it reads."""


class ClientGone(BodyError):
    """The caller closed the connection before its body was complete; nobody is left to answer."""
