"""What ``taskflows`` raises where an action is refused, and which refusal of an engine is which."""

from __future__ import annotations

from typing import Final, NoReturn

from openclaw_webhooks.engines.records import FlowRecord
from openclaw_webhooks.engines.results import NotApplied, NotCancelled, TaskNotCreated
from openclaw_webhooks.exceptions import WebhooksError
from openclaw_webhooks.outcomes import EngineResult, build_outcome


class UnknownRoute(WebhooksError, LookupError):
    """No route of that id is served."""


class InvalidAction(WebhooksError, ValueError):
    """An argument is not what its field asks for; nothing was changed. The message names the field as the wire does."""


class ActionRefused(WebhooksError):
    """The engine refused; nothing was changed, but for ``cancel_flow``, which may have recorded the request.

    Attributes:
        code: The code that a webhook caller would get, such as ``revision_conflict``.
        current: The flow as it is, where that is known.
    """

    def __init__(self, message: str, *, code: str, current: FlowRecord | None = None) -> None:
        """Keep both beside the message."""
        super().__init__(message)
        self.code = code
        self.current = current


class FlowNotFound(ActionRefused, LookupError):
    """The session has no such flow."""


class TaskNotFound(ActionRefused, LookupError):
    """The session has no such task."""


class RevisionConflict(ActionRefused):
    """Somebody changed the flow since it was read: look at ``current`` and decide anew."""


_REFUSALS: Final[dict[str, type[ActionRefused]]] = {"not_found": FlowNotFound, "revision_conflict": RevisionConflict}


def refuse(result: EngineResult) -> NoReturn:
    """Raise what an engine's refusal means, in the words that a caller over HTTP reads."""
    outcome = build_outcome(result)
    code = outcome.code or "refused"
    current = result.current if isinstance(result, NotApplied) else None
    if isinstance(result, NotCancelled | TaskNotCreated):
        current = result.flow
    message = outcome.error or outcome.result.get("reason") or code
    raise _REFUSALS.get(code, ActionRefused)(str(message), code=code, current=current)
