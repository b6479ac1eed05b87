"""From what an engine says to what a caller reads: ``table`` (status, code, text), ``views`` and ``envelope``."""

from openclaw_webhooks.outcomes.envelope import INVALID_REQUEST, envelope, fault_envelope
from openclaw_webhooks.outcomes.table import (
    EngineResult,
    FlowRead,
    FlowsRead,
    FlowsWritten,
    Outcome,
    ReadResult,
    SummaryRead,
    build_error_outcome,
    build_outcome,
)
from openclaw_webhooks.outcomes.views import build_flow_view, build_summary_view, build_task_view

__all__ = [
    "INVALID_REQUEST",
    "EngineResult",
    "FlowRead",
    "FlowsRead",
    "FlowsWritten",
    "Outcome",
    "ReadResult",
    "SummaryRead",
    "build_error_outcome",
    "build_flow_view",
    "build_outcome",
    "build_summary_view",
    "build_task_view",
    "envelope",
    "fault_envelope",
]
