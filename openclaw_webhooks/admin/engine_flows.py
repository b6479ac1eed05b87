"""Flows that another engine than the embedded one keeps: listed, shown and acted on through it, as far as it can tell.

The engine hands out one session at a time, so the pages ask for the sessions of the configured routes. What it cannot
tell (single tasks, earlier revisions) is shown from what the app itself knows: the calls on the flow, and what people
did here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from django.contrib.admin.models import LogEntry
from django.contrib.admin.utils import quote
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from openclaw_webhooks.admin.acting import Subject, act_on_flow, list_flow_acts
from openclaw_webhooks.admin.acts import FLOW_ACTS
from openclaw_webhooks.admin.engine_listing import Listing, build_listing
from openclaw_webhooks.admin.engine_rows import ACT_PERMISSION, format_status
from openclaw_webhooks.admin.flow_history import render_history
from openclaw_webhooks.admin.formatting import NOTHING, format_json_value, format_time
from openclaw_webhooks.admin.neighbours import render_calls_on_flow
from openclaw_webhooks.admin.reading import SEE_CALLS
from openclaw_webhooks.admin.task_tree import build_tree
from openclaw_webhooks.engines.base import BoundSession, Engine
from openclaw_webhooks.engines.records import FlowRecord
from openclaw_webhooks.exceptions import EngineError
from openclaw_webhooks.models import Flow

if TYPE_CHECKING:
    from openclaw_webhooks.admin.flows import FlowAdmin

_URL: Final = "admin:openclaw_webhooks_flow"
_DEEDS_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class Found:
    """A flow and the session that owns it."""

    session_key: str
    session: BoundSession
    flow: FlowRecord


def show_flows(page: FlowAdmin, request: HttpRequest) -> HttpResponse:
    """List the flows of all sessions, or what filters and search leave of them."""
    _check_may_view(page, request)
    engine, sessions = _fetch_sessions()
    wanted = {key: of for key, of in sessions.items() if request.GET.get("session") in (None, "", key)}
    pairs, trouble = _fetch_flows(engine, wanted, request.GET.get("q", "").strip())
    listing: Listing = build_listing(pairs, request.GET)
    site_name = page.admin_site.name
    rows = [
        {
            "flow": flow,
            "session_key": key,
            "badge": format_status(flow.status),
            "url": _address(flow.flow_id, site_name),
            "created": format_time(flow.created_at_ms),
            "updated": format_time(flow.updated_at_ms),
        }
        for key, flow in listing.page
    ]
    context = {
        "title": "TaskFlows",
        "rows": rows,
        "listing": listing,
        "sessions": sessions,
        "trouble": trouble,
        "left_over": reverse(f"{_URL}_left_over", current_app=site_name) if Flow.objects.exists() else "",
    }
    return _respond(page, request, "flow_list", context)


def show_flow(page: FlowAdmin, request: HttpRequest, flow_id: str) -> HttpResponse:
    """Show one flow, and what can be done about it."""
    _check_may_view(page, request)
    engine, sessions = _fetch_sessions()
    try:
        found = _find_flow(engine, sessions, flow_id)
    except EngineError as error:
        return _respond(page, request, "flow", {"title": "TaskFlow", "trouble": str(error)})
    flow, site_name = found.flow, page.admin_site.name

    def address_of(act: str) -> str:
        return reverse(f"{_URL}_engine_act", args=[flow_id, act], current_app=site_name)

    may_act, sees_calls = request.user.has_perm(ACT_PERMISSION), request.user.has_perm(SEE_CALLS)
    context = {
        "title": "TaskFlow",
        "flow": flow,
        "session_key": found.session_key,
        "routes": sessions[found.session_key],
        "badge": format_status(flow.status),
        "acts": list_flow_acts(flow.status, flow.revision, address_of) if may_act else [],
        "documents": [("State", format_json_value(flow.state_json)), ("Waits for", format_json_value(flow.wait_json))],
        "times": _list_times(flow),
        "calls": render_calls_on_flow(flow_id, site_name) if sees_calls else "",
        "deeds": _list_deeds(flow_id),
        **_fetch_more(engine, found, site_name if sees_calls else None),
    }
    return _respond(page, request, "flow", context)


def act_on_engine_flow(page: FlowAdmin, request: HttpRequest, flow_id: str, act: str) -> HttpResponse:
    """Ask, and on a POST let the engine do it."""
    _check_may_view(page, request)
    if not request.user.has_perm(ACT_PERMISSION):
        raise PermissionDenied
    if act not in FLOW_ACTS:
        raise Http404
    engine, sessions = _fetch_sessions()
    back = _address(flow_id, page.admin_site.name)
    try:
        found = _find_flow(engine, sessions, flow_id)
    except EngineError as error:
        return _respond(page, request, "flow", {"title": "TaskFlow", "trouble": str(error)})
    flow = found.flow
    subject = Subject(
        session_key=found.session_key,
        flow_id=flow_id,
        goal=flow.goal,
        status=flow.status,
        revision=flow.revision,
        row=_name_row(flow),
        back=back,
    )
    return act_on_flow(page, request, subject, FLOW_ACTS[act])


def _check_may_view(page: FlowAdmin, request: HttpRequest) -> None:
    if not page.has_view_permission(request):
        raise PermissionDenied


def _fetch_sessions() -> tuple[Engine, Mapping[str, Sequence[str]]]:
    """Return the engine, and the sessions that routes are bound to with the ids of those routes."""
    from openclaw_webhooks.runtime import get_runtime  # noqa: PLC0415 - every command imports the admin, none needs it

    runtime = get_runtime()
    sessions: dict[str, list[str]] = {}
    for route in runtime.configuration.routes:
        sessions.setdefault(route.session_key, []).append(route.route_id)
    return runtime.engine, sessions


def _fetch_flows(
    engine: Engine, sessions: Mapping[str, Sequence[str]], flow_id: str
) -> tuple[list[tuple[str, FlowRecord]], str]:
    """Return flows with their sessions, and what the engine said where it would not answer."""
    found: list[tuple[str, FlowRecord]] = []
    try:
        for key in sessions:
            session = engine.bind_session(key)
            flows = [session.get_flow(flow_id)] if flow_id else session.list_flows()
            found += [(key, flow) for flow in flows if flow is not None]
    except EngineError as error:
        return found, str(error)
    return found, ""


def _find_flow(engine: Engine, sessions: Mapping[str, Sequence[str]], flow_id: str) -> Found:
    for key in sessions:
        session = engine.bind_session(key)
        flow = session.get_flow(flow_id)
        if flow is not None:
            return Found(key, session, flow)
    raise Http404("No session of a configured route has such a flow.")


def _fetch_more(engine: Engine, found: Found, site_of_calls: str | None) -> dict[str, Any]:
    """Return tasks and history, as far as the engine's capabilities go, with links to calls where a site has them."""
    more: dict[str, Any] = {}
    flow_id, session = found.flow.flow_id, found.session
    try:
        if engine.capabilities.reports_tasks:
            more["tree"] = build_tree(list(reversed(session.list_tasks(flow_id))))
        elif (summary := session.get_task_summary(flow_id)) is not None:
            more["counts"] = [(format_status(status), count) for status, count in summary.by_status.items() if count]
            more["no_counts"] = not more["counts"]
        if engine.capabilities.keeps_history:
            more["history"] = render_history(session.list_revisions(flow_id), site_of_calls)
    except EngineError as error:
        more["trouble"] = str(error)
    return more


def _list_times(flow: FlowRecord) -> Iterator[tuple[str, str]]:
    yield "created", format_time(flow.created_at_ms)
    yield "updated", format_time(flow.updated_at_ms)
    if flow.cancel_requested_at_ms:
        yield "cancellation requested", format_time(flow.cancel_requested_at_ms)
    if flow.ended_at_ms:
        yield "ended", format_time(flow.ended_at_ms)


def _list_deeds(flow_id: str) -> Sequence[LogEntry]:
    """Return what people did about the flow from here, latest first."""
    content_type = ContentType.objects.get_for_model(Flow)
    deeds = LogEntry.objects.filter(content_type=content_type, object_id=flow_id)
    return list(deeds.select_related("user")[:_DEEDS_SHOWN])


def _name_row(flow: FlowRecord) -> Flow:
    """Return what the log of a person's actions takes: no row of the database, but its id leads to the flow's page."""
    row = Flow(flow_id=flow.flow_id, status=flow.status)
    row.pk = flow.flow_id
    return row


def _address(flow_id: str, site_name: str) -> str:
    return reverse(f"{_URL}_change", args=[quote(flow_id)], current_app=site_name)


def _respond(page: FlowAdmin, request: HttpRequest, template: str, context: Mapping[str, Any]) -> HttpResponse:
    shown = {
        **page.admin_site.each_context(request),
        "opts": page.opts,
        "media": page.media,
        "nothing": NOTHING,
        **context,
    }
    return TemplateResponse(request, f"admin/openclaw_webhooks/engine/{template}.html", shown)
