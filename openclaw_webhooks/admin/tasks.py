"""The list of tasks, and the page of one task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from openclaw_webhooks.admin.acting import act_on_task, find_row, list_task_acts
from openclaw_webhooks.admin.acts import TASK_ACTS
from openclaw_webhooks.admin.engine_rows import EmbeddedRowsAdmin, WordFilter
from openclaw_webhooks.admin.formatting import format_time
from openclaw_webhooks.admin.reading import SEE_FLOWS
from openclaw_webhooks.engines.records import TaskRuntime, TaskStatus
from openclaw_webhooks.models import Task


class TaskStatusFilter(WordFilter):
    """Tasks by status."""

    title, parameter_name, words = "status", "status", tuple(TaskStatus)


class TaskRuntimeFilter(WordFilter):
    """Tasks by runtime."""

    title, parameter_name, words = "runtime", "runtime", tuple(TaskRuntime)


@admin.register(Task)
class TaskAdmin(EmbeddedRowsAdmin):
    """Tasks of all flows, newest first."""

    list_display = ("short_id", "state", "runtime", "short_task", "short_flow", "created")
    list_filter = (TaskStatusFilter, TaskRuntimeFilter)
    list_select_related = ("parent_flow",)
    search_fields = ("=task_id",)
    search_help_text = "A whole task id."
    left_out_when_empty: ClassVar[Mapping[str, str]] = {
        **{name: name for name in ("parent_task_id", "label", "agent_id", "run_id", "source_id", "child_session_key")},
        **{name: name for name in ("progress_summary", "terminal_outcome", "terminal_summary", "error")},
        **{name: f"{name}_at_ms" for name in ("started", "last_event", "ended")},
        "cleanup_after": "cleanup_after_ms",
    }
    leads_elsewhere: ClassVar[Mapping[str, tuple[str, str]]] = {
        "flow": (SEE_FLOWS, "flow_id"),
        "short_flow": (SEE_FLOWS, "flow_start"),
    }
    change_form_template = "admin/openclaw_webhooks/acting/change_form.html"
    ordering = ("-id",)
    fieldsets = (
        (None, {"fields": ("task_id", "flow", "parent_task_id", "state", "task", "label", "runtime")}),
        ("Outcome", {"fields": ("progress_summary", "terminal_outcome", "terminal_summary", "error")}),
        ("Run", {"fields": ("agent_id", "run_id", "source_id", "child_session_key", "notify_policy")}),
        ("Times", {"fields": ("created", "started", "last_event", "ended", "cleanup_after")}),
    )

    def get_urls(self) -> list[URLPattern]:
        """Add the pages that ask before something is done."""
        name = "openclaw_webhooks_task_act"
        own = [path("<int:pk>/act/<str:act>/", self.admin_site.admin_view(self.act_view), name=name)]
        return [*own, *super().get_urls()]

    def act_view(self, request: HttpRequest, pk: int, act: str) -> HttpResponse:
        """End a task, after a question."""
        task: Task = find_row(self, request, Task, pk)
        if act not in TASK_ACTS:
            raise Http404
        return act_on_task(self, request, task, TASK_ACTS[act])

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the task, and what can be done about it."""
        task = self.get_object(request, object_id)
        acts = list_task_acts(task, self.admin_site.name) if task is not None and self.may_act(request) else []
        return super().change_view(request, object_id, form_url, {"acts": acts, **(extra_context or {})})

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

    @admin.display(description="flow")
    def flow_id(self, task: Task) -> str:
        """Return the flow's id alone."""
        return task.parent_flow.flow_id

    @admin.display(description="flow")
    def flow_start(self, task: Task) -> str:
        """Return the start of it."""
        return task.parent_flow.flow_id[:8]

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
