"""What the pages of flows and of tasks have alike: statuses as badges, filters by word, times, where else flows are."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.module_loading import import_string
from django.utils.safestring import SafeString

from openclaw_webhooks.admin.formatting import format_badge, format_time
from openclaw_webhooks.admin.reading import ReadingAdmin
from openclaw_webhooks.conf.settings import get_settings
from openclaw_webhooks.engines.embedded import EmbeddedEngine
from openclaw_webhooks.engines.records import FlowStatus, TaskStatus
from openclaw_webhooks.models import Flow, Task

ACT_PERMISSION = "openclaw_webhooks.act_on_flow"
_LEFT_OVER = (
    "The engine in use keeps its flows and tasks elsewhere: see TaskFlows. "
    "Listed here is what the embedded engine kept before, to read only."
)
_KINDS = {
    FlowStatus.SUCCEEDED.value: "good",
    FlowStatus.FAILED.value: "bad",
    FlowStatus.LOST.value: "bad",
    TaskStatus.TIMED_OUT.value: "bad",
    FlowStatus.WAITING.value: "warn",
    FlowStatus.BLOCKED.value: "warn",
}


def format_status(status: str) -> SafeString:
    """Return the status of a flow or a task as a badge."""
    return format_badge(status, _KINDS.get(status, "quiet"))


def is_elsewhere() -> bool:
    """Tell whether another engine than the embedded one is in use, so that rows here are only left over."""
    engine = import_string(get_settings().engine)
    return not (isinstance(engine, type) and issubclass(engine, EmbeddedEngine))


class WordFilter(admin.SimpleListFilter):
    """Keeps the rows that have one word of a closed set in one column."""

    words: tuple[str, ...]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the set, without asking the table."""
        return [(word, word.replace("_", " ")) for word in self.words]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the rows that have the word asked for."""
        value = self.value()
        return queryset if value is None else queryset.filter(**{str(self.parameter_name): value})


class EmbeddedRowsAdmin(ReadingAdmin):
    """What flows and tasks have alike: their times, and that another engine keeps them elsewhere."""

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """List, and say where else flows are: an empty list would look like a loss."""
        if is_elsewhere():
            messages.info(request, _LEFT_OVER)
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
        return format_status(row.status)

    def may_act(self, request: HttpRequest) -> bool:
        """Tell whether the user may do something about flows and tasks that are kept here."""
        return request.user.has_perm(ACT_PERMISSION) and not is_elsewhere()
