"""The calls on one flow: all of the latest, or those around one of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import SafeString

from openclaw_webhooks.admin.formatting import NOTHING, format_badge, format_time, kind_of_status
from openclaw_webhooks.calls.lookups import search_ids
from openclaw_webhooks.models import Call

_NEIGHBOURS: Final = 5
_SHOWN: Final = 20
_MOST_CALLS: Final = 2000


def render_neighbours(call: Call, site_name: str) -> SafeString | str:
    """Return the calls on the same flow just before and after this one, newest first."""
    if not call.flow_id:
        return NOTHING
    found = _fetch_calls(call.flow_id)
    here = next((number for number, each in enumerate(found) if each.pk == call.pk), 0)
    return _render(found[max(0, here - _NEIGHBOURS) : here + _NEIGHBOURS + 1], site_name, this=call)


def render_calls_on_flow(flow_id: str, site_name: str) -> SafeString | str:
    """Return the latest calls on a flow, newest first."""
    found = _fetch_calls(flow_id)
    return _render(found[:_SHOWN], site_name) if found else NOTHING


def _fetch_calls(flow_id: str) -> list[Call]:
    on_flow = Call.objects.filter(pk__in=search_ids(flow_id, at_most=_MOST_CALLS), flow_id=flow_id)
    return sorted(on_flow, key=lambda each: (each.at_ms, each.pk), reverse=True)


def _render(calls: Sequence[Call], site_name: str, *, this: Call | None = None) -> SafeString:
    rows = [
        (
            each,
            format_time(each.at_ms),
            format_badge(each.status or "no answer", kind_of_status(each.status)),
            reverse("admin:openclaw_webhooks_call_change", args=[each.pk], current_app=site_name),
            this is not None and each.pk == this.pk,
        )
        for each in calls
    ]
    return render_to_string("admin/openclaw_webhooks/call/neighbours.html", {"rows": rows})
