"""What to do about a call that was not answered with a 2xx: one table for log, health page, admin and commands. Pure.

Written for whoever runs the server, who can tell the caller; the caller is told by the answer and docs/actions.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from openclaw_webhooks.calls.record import Step

CONFLICT_CODE: Final = "revision_conflict"
_LOOK: Final = "/readyz and `manage.py webhooks_check --all` say whether it is the database, the limits or the Gateway."
_SHARED: Final = "An address that many callers share is a proxy's: name it in gateway.trustedProxies."
_OF_CODES: Final[Mapping[str, str]] = {
    CONFLICT_CODE: "revision_conflict, somebody changed the flow since this caller read it. The caller has to look at "
    "result.current, decide again and send its revision; `manage.py webhooks_flows history {route} {flow}` names the "
    "writers.",
    "persist_failed": f"nothing was stored, and the caller may try again. {_LOOK}",
    "engine_unavailable": f"nothing could be read, and the caller may try again. {_LOOK}",
    "outcome_unknown": f"the change may have happened: the caller has to read the flow before it tries again. {_LOOK}",
    "limits_unavailable": f"requests could not be counted. {_LOOK}",
    "client_gone": "the caller went away before its body was complete. Look at its timeout and its network.",
}
_OF_STATUSES: Final[Mapping[tuple[Step, int], str]] = {
    (Step.BODY, 408): "the body did not come within 15 seconds. Look at the caller's network and its Content-Length.",
    (Step.BODY, 413): "the body is over 262,144 bytes. The caller should keep large things elsewhere and send where.",
}
_OF_STEPS: Final[Mapping[Step, str]] = {
    Step.METHOD: "no POST. A redirect may have made a GET of it.",
    Step.MEDIA_TYPE: "not declared as JSON. The caller has to send Content-Type: application/json.",
    Step.RATE_LIMIT: "more requests than the window allows. Let the caller wait for Retry-After, or raise LIMITS of "
    f"the route. {_SHARED}",
    Step.IN_FLIGHT_LIMIT: "more requests at once than are allowed. Let the caller wait for its answers, or raise "
    f"LIMITS of the route. {_SHARED}",
    Step.AUTHENTICATION: "a wrong secret, or none. Give the caller the route's, without quotes or a line break; "
    "`manage.py webhooks_check {route}` says whether the route's own resolves.",
    Step.JSON: "the body is no JSON in UTF-8. Look at what the caller builds it of.",
    Step.SCHEMA: "the body is no action. The answer's error names the field; docs/actions.md has them all.",
}
_DEFECT: Final = "a fault of this app. The log has a traceback; please report it."


def advise(
    *, route_id: str, status: int, refused_by: Step | None = None, code: str | None = None, flow_id: str | None = None
) -> str | None:
    """Say what happened to a call and what to do; ``None`` where there is nothing to be done."""
    text = _OF_CODES.get(code or "")
    if text is None and refused_by is not None:
        text = _OF_STATUSES.get((refused_by, status)) or _OF_STEPS.get(refused_by)
    if text is None and status >= 500:
        text = _DEFECT
    return text and text.replace("{route}", route_id).replace("{flow}", flow_id or "FLOW")
