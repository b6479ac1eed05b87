"""The tables of the app: flows and tasks of the embedded engine, and the record of calls."""

from __future__ import annotations

from openclaw_webhooks.models.calls import Call, CallHour, CallMinute, Outcome, Route
from openclaw_webhooks.models.flows import Flow, FlowRevision, Task

__all__ = ["Call", "CallHour", "CallMinute", "Flow", "FlowRevision", "Outcome", "Route", "Task"]
