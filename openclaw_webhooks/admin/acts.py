"""What can be done about a flow or a task: what it says, what it asks for, and which call of the engine it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from django import forms

from openclaw_webhooks.engines.records import TERMINAL_FLOW_STATUSES, FlowRecord, FlowStatus, TaskStatus
from openclaw_webhooks.values import UNSET, Unset

if TYPE_CHECKING:
    from openclaw_webhooks.taskflows import TaskFlows

Data = Mapping[str, Any]
_ACTIVE: Final = frozenset(FlowStatus) - TERMINAL_FLOW_STATUSES
_IDLE: Final = frozenset(FlowStatus) - {FlowStatus.QUEUED, FlowStatus.RUNNING}


class RevisionForm(forms.Form):
    """The revision that the person saw."""

    revision = forms.IntegerField(widget=forms.HiddenInput)


class WaitForm(RevisionForm):
    """What a flow waits for."""

    current_step = forms.CharField(label="Step", required=False, help_text="Empty: stays as it is.")
    blocked_summary = forms.CharField(
        label="Blocked because", required=False, help_text="Given, the flow is blocked; empty, it waits."
    )


class ResumeForm(RevisionForm):
    """How a flow goes on."""

    status = forms.ChoiceField(choices=[(FlowStatus.QUEUED.value, "queued"), (FlowStatus.RUNNING.value, "running")])
    current_step = forms.CharField(label="Step", required=False, help_text="Empty: stays as it is.")


class FailForm(RevisionForm):
    """Why a flow fails."""

    blocked_summary = forms.CharField(label="Because", required=False, help_text="Kept as what blocked it.")


class SummaryForm(forms.Form):
    """How a task went."""

    summary = forms.CharField(label="Summary", required=False)


class ErrorForm(forms.Form):
    """Why a task failed."""

    error = forms.CharField(label="Error")


@dataclass(frozen=True, slots=True)
class FlowAct:
    """One thing to do about a flow.

    Attributes:
        verb: What the button says.
        means: What will happen, for the question.
        statuses: Flows that it is offered for; the engine takes it for any.
    """

    name: str
    verb: str
    means: str
    statuses: frozenset[FlowStatus]
    form: type[RevisionForm]
    apply: Callable[[TaskFlows, FlowRecord, Data], FlowRecord]


@dataclass(frozen=True, slots=True)
class TaskAct:
    """One thing to do about a task that has not ended."""

    name: str
    verb: str
    means: str
    form: type[forms.Form]
    status: TaskStatus


def _text(data: Data, name: str) -> str | Unset:
    return data[name].strip() or UNSET


def _wait(flows: TaskFlows, flow: FlowRecord, data: Data) -> FlowRecord:
    return flows.set_waiting(
        flow, current_step=_text(data, "current_step"), blocked_summary=_text(data, "blocked_summary")
    )


def _resume(flows: TaskFlows, flow: FlowRecord, data: Data) -> FlowRecord:
    return flows.resume_flow(flow, status=FlowStatus(data["status"]), current_step=_text(data, "current_step"))


def _finish(flows: TaskFlows, flow: FlowRecord, _data: Data) -> FlowRecord:
    return flows.finish_flow(flow)


def _fail(flows: TaskFlows, flow: FlowRecord, data: Data) -> FlowRecord:
    return flows.fail_flow(flow, blocked_summary=_text(data, "blocked_summary"))


def _cancel(flows: TaskFlows, flow: FlowRecord, _data: Data) -> FlowRecord:
    """Cancel at the revision that was seen, though the engine would at any."""
    from openclaw_webhooks.taskflows import RevisionConflict  # noqa: PLC0415 - every command imports the admin, none needs an engine

    current = flows.get_flow(flow.flow_id)
    if current is not None and current.revision != flow.revision:
        raise RevisionConflict("The flow changed.", code="revision_conflict", current=current)
    return flows.cancel_flow(flow.flow_id)


FLOW_ACTS: Final[dict[str, FlowAct]] = {
    act.name: act
    for act in (
        FlowAct("wait", "Let it wait", "marks the flow waiting, or blocked", _ACTIVE, WaitForm, _wait),
        FlowAct("resume", "Resume", "sets the flow queued or running again", _IDLE, ResumeForm, _resume),
        FlowAct("finish", "Finish", "marks the flow succeeded", _ACTIVE, RevisionForm, _finish),
        FlowAct("fail", "Fail", "marks the flow failed", _ACTIVE, FailForm, _fail),
        FlowAct(
            "cancel",
            "Cancel",
            "cancels the flow, or asks for it while child tasks are active",
            _ACTIVE,
            RevisionForm,
            _cancel,
        ),
    )
}
TASK_ACTS: Final[dict[str, TaskAct]] = {
    act.name: act
    for act in (
        TaskAct("finish", "Finish", "ends the task as succeeded", SummaryForm, TaskStatus.SUCCEEDED),
        TaskAct("fail", "Fail", "ends the task as failed", ErrorForm, TaskStatus.FAILED),
    )
}
