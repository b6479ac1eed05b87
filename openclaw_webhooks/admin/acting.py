"""What a person can do about a flow or a task: asked first, done by the engine, at the revision that the person saw."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from openclaw_webhooks.engines.records import (
    ACTIVE_TASK_STATUSES,
    TERMINAL_FLOW_STATUSES,
    FlowRecord,
    FlowStatus,
    TaskStatus,
)
from openclaw_webhooks.models import Flow, Task
from openclaw_webhooks.values import UNSET, Unset

if TYPE_CHECKING:
    from openclaw_webhooks.admin.engine_rows import EmbeddedRowsAdmin
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
    from openclaw_webhooks.taskflows import RevisionConflict  # noqa: PLC0415 - see ``_bind``

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


def list_flow_acts(flow: Flow, site_name: str) -> list[tuple[str, str]]:
    """Return verb and address of what can be done about a flow; the address carries the revision that is shown."""
    return [
        (
            act.verb,
            reverse("admin:openclaw_webhooks_flow_act", args=[flow.pk, act.name], current_app=site_name)
            + f"?revision={flow.revision}",
        )
        for act in FLOW_ACTS.values()
        if FlowStatus(flow.status) in act.statuses
    ]


def list_task_acts(task: Task, site_name: str) -> list[tuple[str, str]]:
    """Return verb and address of what can be done about a task."""
    if TaskStatus(task.status) not in ACTIVE_TASK_STATUSES:
        return []
    return [
        (act.verb, reverse("admin:openclaw_webhooks_task_act", args=[task.pk, act.name], current_app=site_name))
        for act in TASK_ACTS.values()
    ]


def act_on_flow(page: EmbeddedRowsAdmin, request: HttpRequest, pk: int, act: FlowAct | None) -> HttpResponse:
    """Ask, and on a POST do it."""
    flow = _find(page, request, Flow, pk, act)
    assert act is not None  # noqa: S101 - _find has judged it
    back = reverse("admin:openclaw_webhooks_flow_change", args=[flow.pk], current_app=page.admin_site.name)
    form = act.form(request.POST or None, initial={"revision": request.GET.get("revision", flow.revision)})
    if not form.is_valid():
        context = {"subject": flow.goal, "status": flow.status, "revision": flow.revision}
        return _ask(page, request, act, form, back, context)

    def apply(flows: TaskFlows) -> str:
        record = flows.get_flow(flow.flow_id)
        if record is None:
            raise Http404
        changed = act.apply(flows, replace(record, revision=form.cleaned_data["revision"]), form.cleaned_data)
        return f"{act.verb}: the flow is {changed.status.value} now, at revision {changed.revision}."

    return _perform(page, request, flow, flow.session_key, apply, back)


def act_on_task(page: EmbeddedRowsAdmin, request: HttpRequest, pk: int, act: TaskAct | None) -> HttpResponse:
    """Ask, and on a POST do it."""
    task = _find(page, request, Task, pk, act)
    assert act is not None  # noqa: S101 - _find has judged it
    back = reverse("admin:openclaw_webhooks_task_change", args=[task.pk], current_app=page.admin_site.name)
    form = act.form(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        return _ask(page, request, act, form, back, {"subject": task.task, "status": task.status})

    def apply(flows: TaskFlows) -> str:
        given = {name: value or None for name, value in form.cleaned_data.items()}
        ended = flows.end_task(task.task_id, act.status, **given)
        if ended.status is not act.status:
            return f"Nothing was changed: the task had already ended as {ended.status.value}."
        return f"{act.verb}: the task has {ended.status.value} now."

    return _perform(page, request, task, task.parent_flow.session_key, apply, back)


def _find(page: EmbeddedRowsAdmin, request: HttpRequest, model: Any, pk: int, act: object) -> Any:
    if not page.may_act(request) or not page.has_view_permission(request):
        raise PermissionDenied
    row = model.objects.filter(pk=pk).first()
    if row is None or act is None:
        raise Http404
    return row


def _ask(
    page: EmbeddedRowsAdmin,
    request: HttpRequest,
    act: FlowAct | TaskAct,
    form: forms.Form,
    back: str,
    context: dict[str, Any],
) -> HttpResponse:
    shown = {
        **page.admin_site.each_context(request),
        "title": act.verb,
        "opts": page.opts,
        "media": page.media,
        "act": act,
        "form": form,
        "back": back,
        **context,
    }
    return TemplateResponse(request, "admin/openclaw_webhooks/acting/ask.html", shown)


def _perform(
    page: EmbeddedRowsAdmin,
    request: HttpRequest,
    row: Flow | Task,
    session_key: str,
    apply: Callable[[TaskFlows], str],
    back: str,
) -> HttpResponse:
    """Do it as the person, say what came of it, and lead back."""
    from openclaw_webhooks import taskflows  # noqa: PLC0415 - every command imports the admin, none needs an engine

    flows = taskflows.bind_session(session_key, actor=f"user {request.user.get_username()}")
    try:
        told = apply(flows)
    except taskflows.RevisionConflict as conflict:
        messages.error(request, _describe_conflict(flows, conflict.current))
    except taskflows.ActionRefused as refused:
        messages.warning(request, f"{refused} ({refused.code})")
    except taskflows.InvalidAction as invalid:
        messages.error(request, f"Nothing was changed. {invalid}")
    except taskflows.OutcomeUnknown:
        messages.error(request, "The answer was lost: it may or may not have happened. Look before you try again.")
    except taskflows.EngineError as error:
        messages.error(request, f"Nothing was changed: the engine does not answer ({error}).")
    else:
        row.refresh_from_db()
        page.log_change(request, row, told)
        messages.success(request, told)
    return HttpResponseRedirect(back)


def _describe_conflict(flows: TaskFlows, current: FlowRecord | None) -> str:
    """Say who was faster."""
    if current is None:
        return "Nothing was changed: somebody else changed this flow."
    latest = next(iter(flows.list_revisions(current.flow_id)), None)
    who = latest.actor if latest is not None and latest.actor else "somebody"
    return (
        f"Nothing was changed: {who} changed this flow after you opened it. It is {current.status.value} now, at "
        f"revision {current.revision}. Look at its history and decide anew."
    )
