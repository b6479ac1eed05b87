"""The list of calls and the page of one call."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, ClassVar
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.admin.utils import quote
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import URLPattern, URLResolver, get_resolver, get_script_prefix, get_urlconf, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from openclaw_webhooks.admin.call_export import FORMATS, build_export
from openclaw_webhooks.admin.call_filters import (
    ActionFilter,
    CallerFilter,
    CodeFilter,
    RefusedByFilter,
    RouteFilter,
    StatusFilter,
    TimeFilter,
)
from openclaw_webhooks.admin.call_journey import render_journey
from openclaw_webhooks.admin.formatting import (
    NOTHING,
    escape_text,
    format_badge,
    format_duration,
    format_time,
    kind_of_status,
)
from openclaw_webhooks.admin.moments import CallList, MomentFilter
from openclaw_webhooks.admin.narrowing import LISTED_AT_MOST
from openclaw_webhooks.admin.neighbours import render_neighbours
from openclaw_webhooks.admin.reading import SEE_FLOWS, ReadingAdmin
from openclaw_webhooks.calls.lookups import search_ids
from openclaw_webhooks.conf.configuration import get_configuration
from openclaw_webhooks.models import Call


@admin.register(Call)
class CallAdmin(ReadingAdmin):
    """Calls, newest first. Knows how to find one by its request id and all of a flow by the flow's id."""

    list_display = ("time", "route_id", "action_name", "outcome", "caller", "took", "short_flow")
    list_filter = (
        TimeFilter,
        RouteFilter,
        StatusFilter,
        RefusedByFilter,
        ActionFilter,
        CodeFilter,
        CallerFilter,
        MomentFilter,
    )
    search_fields = ("request_id",)  # shows the box; what it does is in get_search_results
    search_help_text = "A whole request id, a whole flow id, or a caller's address."
    change_form_template = "admin/openclaw_webhooks/call/change_form.html"
    left_out_when_empty: ClassVar[Mapping[str, str]] = {
        "refused": "refused_by",
        "request_id": "request_id",
        "flow": "flow_id",
        "flow_id": "flow_id",
        "neighbours": "flow_id",
        "calls_on_flow": "flow_id",
        "journey_bars": "journey",
        "calls": "last_at_ms",
        "last_time": "last_at_ms",
    }
    leads_elsewhere: ClassVar[Mapping[str, tuple[str, str]]] = {
        "flow": (SEE_FLOWS, "flow_id"),
        "short_flow": (SEE_FLOWS, "flow_start"),
    }
    change_list_template = "admin/openclaw_webhooks/call/change_list.html"
    fieldsets = (
        (None, {"fields": ("time", "route_id", "action_name", "client", "request_id", "flow")}),
        ("Answer", {"fields": ("answer", "refused")}),
        ("Journey", {"fields": ("took", "journey_bars", "body_bytes")}),
        ("Neighbours", {"fields": ("neighbours", "calls_on_flow")}),
        ("Folded", {"fields": ("calls", "last_time")}),
    )

    def get_urls(self) -> list[URLPattern]:
        """Add the files."""
        name = "openclaw_webhooks_call_export"
        own = [path("export/<str:format_name>/", self.admin_site.admin_view(self.export_view), name=name)]
        return [*own, *super().get_urls()]

    def export_view(self, request: HttpRequest, format_name: str) -> HttpResponseBase:
        """Answer with a file of what the list with the same query shows, without its limit."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if format_name not in FORMATS:
            raise Http404
        return build_export(request, self.get_changelist_instance(request).get_queryset(request), format_name)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return the list with its hierarchy of moments."""
        return CallList

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """List, with links to the list as a file. A search for an address becomes the filter by caller."""
        if is_address(term := request.GET.get("q", "").strip()):
            asked = request.GET.copy()
            del asked["q"]
            asked["caller"] = term
            return HttpResponseRedirect(f"{request.path}?{asked.urlencode()}")
        name, query = "admin:openclaw_webhooks_call_export", request.GET.urlencode()
        urls = {each: reverse(name, args=[each], current_app=self.admin_site.name) for each in FORMATS}
        exports = [(each.upper(), f"{url}?{query}" if query else url) for each, url in urls.items()]
        context = {"exports": exports, "curl_urls": _list_route_urls(request), **(extra_context or {})}
        return super().changelist_view(request, context)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Call], search_term: str
    ) -> tuple[QuerySet[Call], bool]:
        """Find calls by a whole id. An address never gets here: see ``changelist_view``."""
        term = search_term.strip()
        if not term:
            return queryset, False
        return queryset.filter(pk__in=search_ids(term, at_most=LISTED_AT_MOST)), False

    @admin.display(description="time")
    def time(self, call: Call) -> str:
        """Return when it began."""
        return format_time(call.at_ms)

    @admin.display(description="last of them")
    def last_time(self, call: Call) -> str:
        """Return when the last call of a folded row began."""
        return format_time(call.last_at_ms)

    @admin.display(description="action")
    def action_name(self, call: Call) -> str:
        """Return the action, where the call got as far as naming one."""
        return call.action or NOTHING

    @admin.display(description="answer")
    def answer(self, call: Call) -> SafeString:
        """Return status and code."""
        badge = format_badge(call.status or "no answer", kind_of_status(call.status))
        return format_html("{} {}", badge, call.code) if call.code else badge

    @admin.display(description="answer")
    def outcome(self, call: Call) -> SafeString:
        """Return status, the code or else the step that refused, and how many calls the row stands for."""
        badge = format_badge(call.status or "no answer", kind_of_status(call.status))
        why = escape_text((call.code or call.refused_by or "").replace("_", " "))
        return mark_safe(f"{badge} {why} {f'({call.count} calls)' if call.count > 1 else ''}")  # noqa: S308 - escaped

    @admin.display(description="refused by")
    def refused(self, call: Call) -> str:
        """Return the step that refused, in words."""
        return (call.refused_by or NOTHING).replace("_", " ")

    @admin.display(description="client")
    def caller(self, call: Call) -> SafeString:
        """Return the client's address, which may be a long one."""
        return mark_safe(f'<span class="ow-id">{escape_text(call.client)}</span>')  # noqa: S308 - escaped

    @admin.display(description="took")
    def took(self, call: Call) -> str:
        """Return how long it took, the mean for a folded row."""
        mean = format_duration(call.duration_us // call.count)
        return mean if call.count == 1 else f"{mean} each"

    @admin.display(description="way through the pipeline")
    def journey_bars(self, call: Call) -> SafeString | str:
        """Show how long each phase took, and which refused."""
        return render_journey(call)

    @admin.display(description="calls")
    def calls(self, call: Call) -> str:
        """Return how many equal refusals the row stands for."""
        return str(call.count)

    @admin.display(description="flow")
    def flow(self, call: Call) -> SafeString | str:
        """Link to the flow; whether it is (still) in this database shows there."""
        return self._link_to_flow(call.flow_id or "", call.flow_id or NOTHING)

    @admin.display(description="flow")
    def short_flow(self, call: Call) -> SafeString | str:
        """Link to the flow by the start of its id, for the list."""
        return self._link_to_flow(call.flow_id or "", (call.flow_id or NOTHING)[:8])

    @admin.display(description="flow")
    def flow_start(self, call: Call) -> str:
        """Return the start of the flow's id alone."""
        return (call.flow_id or NOTHING)[:8]

    def _link_to_flow(self, flow_id: str, text: str) -> SafeString | str:
        if not flow_id or flow_id.isdigit():  # a caller may send anything; digits would be a key of ours
            return text
        flows = _find_flows(get_resolver(get_urlconf()), get_script_prefix(), self.admin_site.name)
        url, title = escape_text(f"{flows}{quote(flow_id)}/change/"), escape_text(flow_id)
        return mark_safe(f'<a href="{url}" class="ow-id" title="{title}">{escape_text(text)}</a>')  # noqa: S308 - escaped

    @admin.display(description="before and after")
    def neighbours(self, call: Call) -> SafeString | str:
        """Show the calls around this one on the same flow."""
        return render_neighbours(call, self.admin_site.name)

    @admin.display(description="all")
    def calls_on_flow(self, call: Call) -> SafeString | str:
        """Link to all calls on the same flow."""
        return link_to_calls_on_flow(call.flow_id, self.admin_site.name)


@lru_cache(maxsize=16)
def _find_flows(urls: URLResolver, prefix: str, site_name: str) -> str:  # noqa: ARG001 - what the answer hangs on
    """Return the address of the list of flows, which a list of calls needs for each of its rows.

    Args:
        urls: The project's, in which it is looked up.
        prefix: Below which the project is served.
        site_name: Of the admin site.
    """
    return reverse("admin:openclaw_webhooks_flow_changelist", current_app=site_name)


def _list_route_urls(request: HttpRequest) -> list[str]:
    """Return where the first routes answer, for who has no call to look at yet."""
    return [request.build_absolute_uri(route.path) for route in get_configuration().routes[:3]]


def is_address(term: str) -> bool:
    """Tell whether somebody looks for an address."""
    try:
        ip_address(term)
    except ValueError:
        return False
    return True


def link_to_calls_on_flow(flow_id: str | None, site_name: str) -> SafeString | str:
    """Return a link to the list of calls on one flow."""
    if not flow_id:
        return NOTHING
    url = reverse("admin:openclaw_webhooks_call_changelist", current_app=site_name)
    return format_html('<a class="ow-more" href="{}?{}">All calls on this flow</a>', url, urlencode({"q": flow_id}))
