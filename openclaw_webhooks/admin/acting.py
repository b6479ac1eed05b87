"""What a person does about a flow or a task: asked first, done by the engine, at the revision that the person saw."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from openclaw_webhooks.admin.acts import FLOW_ACTS, TASK_ACTS, FlowAct, TaskAct
from openclaw_webhooks.engines.records import ACTIVE_TASK_STATUSES, FlowRecord, FlowStatus, TaskStatus
from openclaw_webhooks.models import Flow, Task

CANCEL_PENDING: Final = "cancel_pending"

if TYPE_CHECKING:
    from openclaw_webhooks.admin.engine_rows import EmbeddedRowsAdmin
    from openclaw_webhooks.taskflows import TaskFlows


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A flow that somebody acts on, of whichever engine.

    Attributes:
        row: What the log of a person's actions names; not in the database where the flow lives elsewhere.
        back: The flow's page.
    """

    session_key: str
    flow_id: str
    goal: str
    status: str
    revision: int
    row: Flow
    back: str


def list_flow_acts(status: str, revision: int, address_of: Callable[[str], str]) -> list[tuple[str, str]]:
    """Return verb and address of what can be done about a flow; the address carries the revision that is shown.

    Args:
        status: The flow's.
        revision: The flow's.
        address_of: Makes the address of an act from its name.
    """
    return [
        (act.verb, f"{address_of(act.name)}?revision={revision}")
        for act in FLOW_ACTS.values()
        if FlowStatus(status) in act.statuses
    ]


def list_task_acts(task: Task, site_name: str) -> list[tuple[str, str]]:
    """Return verb and address of what can be done about a task."""
    if TaskStatus(task.status) not in ACTIVE_TASK_STATUSES:
        return []
    return [
        (act.verb, reverse("admin:openclaw_webhooks_task_act", args=[task.pk, act.name], current_app=site_name))
        for act in TASK_ACTS.values()
    ]


def act_on_flow(page: EmbeddedRowsAdmin, request: HttpRequest, subject: Subject, act: FlowAct) -> HttpResponse:
    """Ask, and on a POST do it. Whether the person may, the caller has judged."""
    form = act.form(request.POST or None, initial={"revision": request.GET.get("revision", subject.revision)})
    if not form.is_valid():
        context = {"subject": subject.goal, "status": subject.status, "revision": subject.revision}
        return _ask(page, request, act, form, subject.back, context)

    def apply(flows: TaskFlows) -> str:
        record = flows.get_flow(subject.flow_id)
        if record is None:
            raise Http404
        changed = act.apply(flows, replace(record, revision=form.cleaned_data["revision"]), form.cleaned_data)
        return f"{act.verb}: the flow is {changed.status.value} now, at revision {changed.revision}."

    return _perform(page, request, subject.row, subject.session_key, apply, subject.back)


def act_on_task(page: EmbeddedRowsAdmin, request: HttpRequest, task: Task, act: TaskAct) -> HttpResponse:
    """Ask, and on a POST do it. Whether the person may, the caller has judged."""
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


def find_row(page: EmbeddedRowsAdmin, request: HttpRequest, model: Any, pk: int) -> Any:
    """Return the row of a flow or a task that is kept here, for a person who may act on it."""
    if not page.may_act(request) or not page.has_view_permission(request):
        raise PermissionDenied
    row = model.objects.filter(pk=pk).first()
    if row is None:
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
        told = f"{refused} ({refused.code})"
        if refused.code == CANCEL_PENDING:  # refused, and yet the request for it is recorded
            page.log_change(request, row, told)
        messages.warning(request, told)
    except taskflows.InvalidAction as invalid:
        messages.error(request, f"Nothing was changed. {invalid}")
    except taskflows.OutcomeUnknown:
        told = "The answer was lost: it may or may not have happened. Look before you try again."
        page.log_change(request, row, told)
        messages.error(request, told)
    except taskflows.EngineError as error:
        messages.error(request, f"Nothing was changed: the engine does not answer ({error}).")
    else:
        page.log_change(request, row, told)
        messages.success(request, told)
    return HttpResponseRedirect(back)


def _describe_conflict(flows: TaskFlows, current: FlowRecord | None) -> str:
    """Say who was faster."""
    if current is None:
        return "Nothing was changed: somebody else changed this flow."
    who = _find_last_actor(flows, current.flow_id) or "somebody"
    return (
        f"Nothing was changed: {who} changed this flow after you opened it. It is {current.status.value} now, at "
        f"revision {current.revision}. Look at its history and decide anew."
    )


def _find_last_actor(flows: TaskFlows, flow_id: str) -> str:
    """Return who changed a flow last; empty where the engine does not know."""
    from openclaw_webhooks.taskflows import EngineError  # noqa: PLC0415 - see ``_perform``

    try:
        latest = next(iter(flows.list_revisions(flow_id)), None)
    except EngineError:
        return ""
    return latest.actor if latest is not None else ""
