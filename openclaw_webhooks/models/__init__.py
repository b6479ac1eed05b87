"""The tables of the app: flows and tasks of the embedded engine, the record of calls, and sign-ins to the admin."""

from __future__ import annotations

from openclaw_webhooks.models.calls import Call, CallHour, CallMinute, Outcome, Route
from openclaw_webhooks.models.flows import Flow, FlowRevision, Task
from openclaw_webhooks.models.sign_ins import KnownAddress, SignInRefusals

__all__ = [
    "Call",
    "CallHour",
    "CallMinute",
    "Flow",
    "FlowRevision",
    "KnownAddress",
    "Outcome",
    "Route",
    "SignInRefusals",
    "Task",
]
