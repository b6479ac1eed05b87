"""The list of flows and the page of one flow. Session keys are shown here and on the page of routes only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString, mark_safe

from openclaw_webhooks.admin.acting import Subject, act_on_flow, find_row, list_flow_acts
from openclaw_webhooks.admin.acts import FLOW_ACTS
from openclaw_webhooks.admin.calls import link_to_calls_on_flow
from openclaw_webhooks.admin.engine_flows import act_on_engine_flow, show_flow, show_flows
from openclaw_webhooks.admin.engine_rows import EmbeddedRowsAdmin, is_elsewhere
from openclaw_webhooks.admin.flow_filters import AgeFilter, ControllerFilter, FlowStatusFilter, SessionFilter
from openclaw_webhooks.admin.flow_history import render_history
from openclaw_webhooks.admin.flow_narrowing import FlowList
from openclaw_webhooks.admin.formatting import NOTHING, escape_text, format_json, format_time, shorten
from openclaw_webhooks.admin.reading import SEE_CALLS, SEE_TASKS
from openclaw_webhooks.admin.task_tree import build_tree
from openclaw_webhooks.engines.embedded import EmbeddedEngine
from openclaw_webhooks.models import Flow

_TASKS_SHOWN = 500
_URL = "admin:openclaw_webhooks_flow"


@admin.register(Flow)
class FlowAdmin(EmbeddedRowsAdmin):
    """Flows, newest first. The address of one takes its flow id, so that calls can link to it unread."""

    list_display = ("short_id", "state", "short_goal", "owner", "updated")
    list_filter = (FlowStatusFilter, AgeFilter, SessionFilter, ControllerFilter)
    search_fields = ("=flow_id",)
    search_help_text = "A whole flow id."
    ordering = ("-id",)
    left_out_when_empty: ClassVar[Mapping[str, str]] = {
        "current_step": "current_step",
        "blocked_task_id": "blocked_task_id",
        "blocked_summary": "blocked_summary",
        "cancel_requested": "cancel_requested_at_ms",
        "ended": "ended_at_ms",
    }
    leads_elsewhere: ClassVar[Mapping[str, tuple[str, str]]] = {
        "calls": (SEE_CALLS, ""),
        "history": (SEE_CALLS, "plain_history"),
        "tasks": (SEE_TASKS, "plain_tasks"),
    }
    change_form_template = "admin/openclaw_webhooks/acting/change_form.html"
    fieldsets = (
        (None, {"fields": ("flow_id", "state", "goal", "current_step", "blocked_task_id", "blocked_summary")}),
        ("Tasks and calls", {"fields": ("tasks", "calls")}),
        ("State", {"fields": ("state_text", "wait_text")}),
        ("History", {"fields": ("history",)}),
        ("Owner", {"fields": ("session_key", "controller_id", "sync_mode", "notify_policy")}),
        ("Times", {"fields": ("revision", "created", "updated", "cancel_requested", "ended")}),
    )

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return the list that finds flows by their filters."""
        return FlowList

    def get_urls(self) -> list[URLPattern]:
        """Add the pages that ask before something is done, and that of what the embedded engine kept before."""
        wrap, name = self.admin_site.admin_view, "openclaw_webhooks_flow"
        own = [
            path("<int:pk>/act/<str:act>/", wrap(self.act_view), name=f"{name}_act"),
            path("of-engine/<str:flow_id>/act/<str:act>/", wrap(self.engine_act_view), name=f"{name}_engine_act"),
            path("left-over/", wrap(self.left_over_view), name=f"{name}_left_over"),
        ]
        return [*own, *super().get_urls()]

    def act_view(self, request: HttpRequest, pk: int, act: str) -> HttpResponse:
        """Change a flow, after a question."""
        flow: Flow = find_row(self, request, Flow, pk)
        if act not in FLOW_ACTS:
            raise Http404
        subject = Subject(
            session_key=flow.session_key,
            flow_id=flow.flow_id,
            goal=flow.goal,
            status=flow.status,
            revision=flow.revision,
            row=flow,
            back=reverse(f"{_URL}_change", args=[flow.pk], current_app=self.admin_site.name),
        )
        return act_on_flow(self, request, subject, FLOW_ACTS[act])

    def engine_act_view(self, request: HttpRequest, flow_id: str, act: str) -> HttpResponse:
        """Change a flow that another engine keeps, after a question."""
        return act_on_engine_flow(self, request, flow_id, act)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """List the flows of the engine in use."""
        return show_flows(self, request) if is_elsewhere() else super().changelist_view(request, extra_context)

    def left_over_view(self, request: HttpRequest) -> HttpResponse:
        """List what the embedded engine kept before another came into use."""
        return super().changelist_view(request)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the flow, and what can be done about it."""
        if is_elsewhere() and not object_id.isdigit():
            return show_flow(self, request, unquote(object_id))
        flow = self.get_object(request, object_id)
        acts = self._list_acts(flow) if flow is not None and self.may_act(request) else []
        return super().change_view(request, object_id, form_url, {"acts": acts, **(extra_context or {})})

    def _list_acts(self, flow: Flow) -> list[tuple[str, str]]:
        def address_of(act: str) -> str:
            return reverse(f"{_URL}_act", args=[flow.pk, act], current_app=self.admin_site.name)

        return list_flow_acts(flow.status, flow.revision, address_of)

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
        return shorten(flow.goal, 80)

    @admin.display(description="owner")
    def owner(self, flow: Flow) -> SafeString:
        """Return the session and the controller, cut: a caller may name a long one."""
        session, controller = escape_text(flow.session_key), escape_text(shorten(flow.controller_id or NOTHING, 40))
        return mark_safe(f'<span>{session}</span> <span class="ow-quiet">{controller}</span>')  # noqa: S308 - escaped

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
        """Show the tasks as a tree, each with a link."""
        return self._render_tasks(flow, has_links=True)

    @admin.display(description="tasks")
    def plain_tasks(self, flow: Flow) -> str:
        """Show the same without links."""
        return self._render_tasks(flow, has_links=False)

    def _render_tasks(self, flow: Flow, *, has_links: bool) -> str:
        tasks = list(flow.tasks.order_by("id")[: _TASKS_SHOWN + 1])
        context = {"tree": build_tree(tasks[:_TASKS_SHOWN]), "is_cut": len(tasks) > _TASKS_SHOWN, "shown": _TASKS_SHOWN}
        context["has_links"] = has_links
        return render_to_string("admin/openclaw_webhooks/flow/tasks.html", context)

    @admin.display(description="revisions")
    def history(self, flow: Flow) -> SafeString | str:
        """Show what the flow was, and who changed it in which call."""
        return self._render_history(flow, self.admin_site.name)

    @admin.display(description="revisions")
    def plain_history(self, flow: Flow) -> SafeString | str:
        """Show the same without links to calls."""
        return self._render_history(flow, None)

    def _render_history(self, flow: Flow, site_of_calls: str | None) -> SafeString:
        revisions = EmbeddedEngine().bind_session(flow.session_key).list_revisions(flow.flow_id)
        return render_history(revisions, site_of_calls)
