"""A call's way through the pipeline, and its neighbours on the same flow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import SafeString

from openclaw_webhooks.admin.formatting import NOTHING, format_badge, format_time, kind_of_status
from openclaw_webhooks.calls.journey import parse_journey
from openclaw_webhooks.calls.statistics import search_ids
from openclaw_webhooks.models import Call

_WIDTH: Final = 100
_NEIGHBOURS: Final = 5
_MOST_CALLS: Final = 2000


@dataclass(frozen=True, slots=True)
class LegBar:
    """One phase: its name, how long it took in microseconds, and where its bar begins and ends, in per cent."""

    name: str
    duration_us: int
    start: float
    width: float
    is_end: bool


def render_journey(call: Call) -> SafeString | str:
    """Return the phases as bars on one axis of time."""
    legs = parse_journey(call.journey)
    if not legs:
        return NOTHING
    total, at_us, bars = max(1, sum(leg.duration_us for leg in legs)), 0, []
    for number, leg in enumerate(legs, 1):
        width = max(0.5, leg.duration_us * _WIDTH / total)
        start = min(at_us * _WIDTH / total, _WIDTH - width)
        is_end = number == len(legs) and bool(call.refused_by)
        bars.append(LegBar(leg.phase.value.replace("_", " "), leg.duration_us, start, width, is_end))
        at_us += leg.duration_us
    context = {"bars": bars, "refused_by": (call.refused_by or "").replace("_", " ")}
    return render_to_string("admin/openclaw_webhooks/call/journey.html", context)


def render_neighbours(call: Call, site_name: str) -> SafeString | str:
    """Return the calls on the same flow just before and after this one, newest first."""
    if not call.flow_id:
        return NOTHING
    on_flow = Call.objects.filter(pk__in=search_ids(call.flow_id, at_most=_MOST_CALLS), flow_id=call.flow_id)
    found = sorted(on_flow, key=lambda each: (each.at_ms, each.pk), reverse=True)
    here = next((number for number, each in enumerate(found) if each.pk == call.pk), 0)
    shown = found[max(0, here - _NEIGHBOURS) : here + _NEIGHBOURS + 1]
    rows = [
        (
            each,
            format_time(each.at_ms),
            format_badge(each.status or "no answer", kind_of_status(each.status)),
            reverse("admin:openclaw_webhooks_call_change", args=[each.pk], current_app=site_name),
            each.pk == call.pk,
        )
        for each in shown
    ]
    return render_to_string("admin/openclaw_webhooks/call/neighbours.html", {"rows": rows})
