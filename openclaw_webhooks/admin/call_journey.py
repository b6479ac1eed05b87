"""A call's way through the pipeline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from openclaw_webhooks.admin.formatting import NOTHING
from openclaw_webhooks.calls.journey import parse_journey
from openclaw_webhooks.models import Call

_WIDTH: Final = 100


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
