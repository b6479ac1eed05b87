"""Flows and tasks of the embedded engine, to read. Session keys are shown here and on the page of routes only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from openclaw_webhooks.admin.calls import link_to_calls_on_flow
from openclaw_webhooks.admin.formatting import format_badge, format_json, format_time
from openclaw_webhooks.admin.reading import ReadingAdmin
from openclaw_webhooks.conf.settings import BRIDGE_ENGINE, get_settings
from openclaw_webhooks.engines.records import FlowStatus, TaskRuntime, TaskStatus
from openclaw_webhooks.models import Flow, Task

_TASKS_SHOWN = 500
_ELSEWHERE = (
    "This app works on a Gateway's flows: `openclaw tasks flow list` shows them. "
    "Listed here is what the embedded engine kept before."
)
_KINDS = {
    FlowStatus.SUCCEEDED.value: "good",
    FlowStatus.FAILED.value: "bad",
    FlowStatus.LOST.value: "bad",
    TaskStatus.TIMED_OUT.value: "bad",
    FlowStatus.WAITING.value: "warn",
    FlowStatus.BLOCKED.value: "warn",
}


def _format_status(status: str) -> SafeString:
    return format_badge(status, _KINDS.get(status, "quiet"))


class _WordFilter(admin.SimpleListFilter):
    """Keeps the rows that have one word of a closed set in one column."""

    words: tuple[str, ...]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the set, without asking the table."""
        return [(word, word.replace("_", " ")) for word in self.words]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the rows that have the word asked for."""
        value = self.value()
        return queryset if value is None else queryset.filter(**{str(self.parameter_name): value})


class FlowStatusFilter(_WordFilter):
    """Flows by status."""

    title, parameter_name, words = "status", "status", tuple(FlowStatus)


class TaskStatusFilter(_WordFilter):
    """Tasks by status."""

    title, parameter_name, words = "status", "status", tuple(TaskStatus)


class TaskRuntimeFilter(_WordFilter):
    """Tasks by runtime."""

    title, parameter_name, words = "runtime", "runtime", tuple(TaskRuntime)


class _EmbeddedRowsAdmin(ReadingAdmin):
    """What flows and tasks have alike: their times, and that with the bridge they are kept elsewhere."""

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """List, and say where else flows are: an empty list would look like a loss."""
        if get_settings().engine == BRIDGE_ENGINE:
            messages.info(request, _ELSEWHERE)
        return super().changelist_view(request, extra_context)

    @admin.display(description="created")
    def created(self, row: Flow | Task) -> str:
        """Return when it was created."""
        return format_time(row.created_at_ms)

    @admin.display(description="ended")
    def ended(self, row: Flow | Task) -> str:
        """Return when it ended."""
        return format_time(row.ended_at_ms)

    @admin.display(description="status")
    def state(self, row: Flow | Task) -> SafeString:
        """Return the status."""
        return _format_status(row.status)


@admin.register(Flow)
class FlowAdmin(_EmbeddedRowsAdmin):
    """Flows, newest first. The address of one takes its flow id, so that calls can link to it unread."""

    list_display = ("short_id", "state", "short_goal", "session_key", "updated")
    list_filter = (FlowStatusFilter,)
    search_fields = ("=flow_id",)
    search_help_text = "A whole flow id."
    ordering = ("-id",)
    fieldsets = (
        (None, {"fields": ("flow_id", "state", "goal", "current_step", "blocked_task_id", "blocked_summary")}),
        ("Tasks and calls", {"fields": ("tasks", "calls")}),
        ("State", {"fields": ("state_text", "wait_text")}),
        ("Owner", {"fields": ("session_key", "controller_id", "sync_mode", "notify_policy")}),
        ("Times", {"fields": ("revision", "created", "updated", "cancel_requested", "ended")}),
    )

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Flow | None:
        """Find a flow by its flow id, or by the key that the admin's own links carry."""
        if object_id.isascii() and object_id.isdigit():
            return super().get_object(request, object_id, from_field)
        return Flow.objects.filter(flow_id=object_id).first()

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Flow], search_term: str
    ) -> tuple[QuerySet[Flow], bool]:
        """Find one flow by its whole id, through its index."""
        term = search_term.strip()
        return (queryset.filter(flow_id=term) if term else queryset), False

    @admin.display(description="flow")
    def short_id(self, flow: Flow) -> str:
        """Return the start of the id; the whole one is on the flow's page."""
        return flow.flow_id[:8]

    @admin.display(description="goal")
    def short_goal(self, flow: Flow) -> str:
        """Return the goal, cut."""
        return Truncator(flow.goal).chars(80)

    @admin.display(description="updated")
    def updated(self, flow: Flow) -> str:
        """Return when it last changed."""
        return format_time(flow.updated_at_ms)

    @admin.display(description="cancel requested")
    def cancel_requested(self, flow: Flow) -> str:
        """Return when cancellation was asked for."""
        return format_time(flow.cancel_requested_at_ms)

    @admin.display(description="state")
    def state_text(self, flow: Flow) -> str:
        """Return the flow's state, indented."""
        return format_json(flow.state_json)

    @admin.display(description="waits for")
    def wait_text(self, flow: Flow) -> str:
        """Return what the flow waits for, indented."""
        return format_json(flow.wait_json)

    @admin.display(description="calls")
    def calls(self, flow: Flow) -> str:
        """Link to the calls on this flow."""
        return link_to_calls_on_flow(flow.flow_id, self.admin_site.name)

    @admin.display(description="tasks")
    def tasks(self, flow: Flow) -> str:
        """Show the tasks as a tree."""
        tasks = list(flow.tasks.order_by("id")[: _TASKS_SHOWN + 1])
        context = {"tree": build_tree(tasks[:_TASKS_SHOWN]), "is_cut": len(tasks) > _TASKS_SHOWN, "shown": _TASKS_SHOWN}
        return render_to_string("admin/openclaw_webhooks/flow/tasks.html", context)


@admin.register(Task)
class TaskAdmin(_EmbeddedRowsAdmin):
    """Tasks of all flows, newest first."""

    list_display = ("short_id", "state", "runtime", "short_task", "short_flow", "created")
    list_filter = (TaskStatusFilter, TaskRuntimeFilter)
    list_select_related = ("parent_flow",)
    search_fields = ("=task_id",)
    search_help_text = "A whole task id."
    ordering = ("-id",)
    fieldsets = (
        (None, {"fields": ("task_id", "flow", "parent_task_id", "state", "task", "label", "runtime")}),
        ("Outcome", {"fields": ("progress_summary", "terminal_outcome", "terminal_summary", "error")}),
        ("Run", {"fields": ("agent_id", "run_id", "source_id", "child_session_key", "notify_policy")}),
        ("Times", {"fields": ("created", "started", "last_event", "ended", "cleanup_after")}),
    )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Task], search_term: str
    ) -> tuple[QuerySet[Task], bool]:
        """Find one task by its whole id, through its index."""
        term = search_term.strip()
        return (queryset.filter(task_id=term) if term else queryset), False

    @admin.display(description="task")
    def short_id(self, task: Task) -> str:
        """Return the start of the id; the whole one is on the task's page."""
        return task.task_id[:8]

    @admin.display(description="what to do")
    def short_task(self, task: Task) -> str:
        """Return the task's text, cut."""
        return Truncator(task.task).chars(80)

    @admin.display(description="flow")
    def flow(self, task: Task) -> SafeString:
        """Link to the flow."""
        return self._link_to_flow(task, task.parent_flow.flow_id)

    @admin.display(description="flow")
    def short_flow(self, task: Task) -> SafeString:
        """Link to the flow by the start of its id, for the list."""
        return self._link_to_flow(task, task.parent_flow.flow_id[:8])

    def _link_to_flow(self, task: Task, text: str) -> SafeString:
        site_name = self.admin_site.name
        url = reverse("admin:openclaw_webhooks_flow_change", args=[task.parent_flow_id], current_app=site_name)
        return format_html('<a href="{}" class="ow-id">{}</a>', url, text)

    @admin.display(description="started")
    def started(self, task: Task) -> str:
        """Return when it was started."""
        return format_time(task.started_at_ms)

    @admin.display(description="last event")
    def last_event(self, task: Task) -> str:
        """Return when it was last heard of."""
        return format_time(task.last_event_at_ms)

    @admin.display(description="clean up after")
    def cleanup_after(self, task: Task) -> str:
        """Return when it may be cleaned up."""
        return format_time(task.cleanup_after_ms)


@dataclass(slots=True)
class TaskNode:
    """A task and those that name it as their parent."""

    task: Task
    badge: SafeString
    children: list[TaskNode] = field(default_factory=list)


def build_tree(tasks: Sequence[Task]) -> list[TaskNode]:
    """Arrange tasks under their parents, in the order given.

    A parent may be missing, or be named in a circle by a caller: such tasks stand at the top.
    """
    nodes = {task.task_id: TaskNode(task, _format_status(task.status)) for task in tasks}
    parents = {key: node.task.parent_task_id for key, node in nodes.items() if node.task.parent_task_id in nodes}
    top = []
    for key, node in nodes.items():
        if _leads_to_itself(key, parents):
            top.append(node)
        else:
            nodes[parents[key]].children.append(node)
    return top


def _leads_to_itself(key: str, parents: dict[str, str]) -> bool:
    """Tell whether a task has no parent here, or lies on a circle of parents."""
    seen, current = {key}, parents.get(key)
    while current is not None and current not in seen:
        seen.add(current)
        current = parents.get(current)
    return key not in parents or current == key
