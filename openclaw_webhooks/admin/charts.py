"""Calls over time as SVG, drawn by the server: no script, no inline style, and every bar says its numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, tzinfo
from functools import lru_cache
from typing import Final

from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe

from openclaw_webhooks.calls.statistics import Span
from openclaw_webhooks.models import Outcome

_BAR_WIDTH: Final = 4
_LAYERS: Final = (Outcome.ACCEPTED, Outcome.REFUSED, Outcome.FAILED)
"""From bottom to top. Who went away before an answer, and what was not recorded, is told and not drawn."""


def draw_bars(spans: Sequence[Span], *, title: str, since_ms: int, step_ms: int, height: int = 28) -> SafeString:
    """Return a bar per step, scaled to the largest.

    Args:
        spans: The calls of each step.
        title: What the picture is of, for those who do not see it.
        since_ms: When the first step begins.
        step_ms: How long a step is.
        height: Of the picture, in its own units.
    """
    drawn = [[span.numbers.get(layer, 0) for layer in _LAYERS] for span in spans]
    largest, zone = max(map(sum, drawn), default=0), timezone.get_current_timezone()
    bars = [
        f"<g><title>{_name_moment(since_ms + number * step_ms, step_ms, zone)}: {_describe(spans[number])}</title>"
        f"{_draw_bar(counts, number * _BAR_WIDTH, largest, height)}</g>"
        for number, counts in enumerate(drawn)
        if any(counts)
    ]
    context = {
        # Numbers and words of our own; a template would take ten times as long for the bars of a week.
        "bars": mark_safe("".join(bars)),  # noqa: S308
        "width": len(spans) * _BAR_WIDTH,
        "height": height,
        "title": f"{title}: {_sum_up(spans)}",
    }
    return render_to_string("admin/openclaw_webhooks/route/bars.html", context)


def add_up(series: Sequence[Sequence[Span]], steps: int) -> list[Span]:
    """Return the sum of several series of the same steps."""
    sums: list[Counter[Outcome]] = [Counter() for _ in range(steps)]
    for of_route in series:
        for total, span in zip(sums, of_route, strict=True):
            total.update(span.numbers)
    return [Span(total) for total in sums]


def _draw_bar(counts: Sequence[int], x: int, largest: int, height: int) -> str:
    parts, top = [], float(height)
    for layer, count in zip(_LAYERS, counts, strict=True):
        if count:
            # One call among a million is still to be seen.
            size = max(1.0, round(count / largest * (height - len(_LAYERS)), 1))
            top -= size
            place = f'x="{x}" y="{top:.1f}" width="{_BAR_WIDTH - 1}" height="{size:.1f}"'
            parts.append(f'<rect class="ow-{layer.value}" {place}></rect>')
    return "".join(parts)


def _describe(span: Span) -> str:
    numbers = span.numbers
    told = [f"{numbers[kind]} {kind.value}" for kind in (*_LAYERS, Outcome.GONE) if numbers.get(kind)]
    return ", ".join([*told, f"{span.lost} not recorded"] if span.lost else told) or "none"


def _sum_up(spans: Sequence[Span]) -> str:
    return _describe(add_up([[span] for span in spans], 1)[0])


def name_moment(at_ms: int, step_ms: int) -> str:
    """Return a step's start in the project's zone: the time of day, or the day where steps are days."""
    return _name_moment(at_ms, step_ms, timezone.get_current_timezone())


@lru_cache(maxsize=1024)
def _name_moment(at_ms: int, step_ms: int, zone: tzinfo) -> str:
    """Name what a page names for every route: converting a time takes half of drawing its bar."""
    local = datetime.fromtimestamp(at_ms / 1000, zone)
    return f"{local:%Y-%m-%d}" if step_ms >= 86_400_000 else f"{local:%d %b %H:%M}"
