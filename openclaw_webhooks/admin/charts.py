"""Calls over time as SVG, drawn by the server: no script, no inline style, and every bar says its numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe

from openclaw_webhooks.calls.statistics import Span
from openclaw_webhooks.models import Outcome

_BAR_WIDTH: Final = 4
_LAYERS: Final = ("accepted", "refused", "failed")
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
    largest = max((_drawn(span) for span in spans), default=0)
    bars = [
        _draw_bar(span, number * _BAR_WIDTH, largest, height, name_moment(since_ms + number * step_ms, step_ms))
        for number, span in enumerate(spans)
        if _drawn(span)
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


def _drawn(span: Span) -> int:
    return sum(getattr(span, kind) for kind in _LAYERS)


def _draw_bar(span: Span, x: int, largest: int, height: int, moment: str) -> str:
    parts, top = [], float(height)
    for kind in _LAYERS:
        count = getattr(span, kind)
        if count:
            # One call among a million is still to be seen.
            size = max(1.0, round(count / largest * (height - len(_LAYERS)), 1))
            top = round(top - size, 1)
            parts.append(
                f'<rect class="ow-{kind}" x="{x}" y="{top:.1f}" width="{_BAR_WIDTH - 1}" height="{size:.1f}"></rect>'
            )
    return f"<g><title>{moment}: {_describe(span)}</title>{''.join(parts)}</g>"


def _describe(span: Span) -> str:
    told = [f"{getattr(span, kind)} {kind}" for kind in (*_LAYERS, "gone") if getattr(span, kind)]
    return ", ".join([*told, f"{span.lost} not recorded"] if span.lost else told) or "none"


def _sum_up(spans: Sequence[Span]) -> str:
    return _describe(add_up([[span] for span in spans], 1)[0])


def name_moment(at_ms: int, step_ms: int) -> str:
    """Return a step's start in the project's zone: the time of day, or the day where steps are days."""
    local = timezone.localtime(datetime.fromtimestamp(at_ms / 1000, UTC))
    return f"{local:%Y-%m-%d}" if step_ms >= 86_400_000 else f"{local:%d %b %H:%M}"
