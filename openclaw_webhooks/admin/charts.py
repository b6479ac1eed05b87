"""Calls over time as SVG, drawn by the server: no script, no inline style, and every bar says its numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, tzinfo
from functools import lru_cache
from typing import Final

from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe

from openclaw_webhooks.calls.statistics import Span, add_up
from openclaw_webhooks.models import Outcome

_BAR_WIDTH: Final = 4
_LEAST: Final = 10
"""How high a layer is at least: one call among a million is still to be seen."""
_LAYERS: Final = (Outcome.ACCEPTED, Outcome.REFUSED, Outcome.FAILED)
"""From bottom to top. Who went away before an answer, and what was not recorded, is told and not drawn."""
_WORDS: Final = [outcome.label for outcome in Outcome]


def draw_bars(spans: Sequence[Span], *, title: str, since_ms: int, step_ms: int, height: int = 280) -> SafeString:
    """Return a bar per step, scaled to the largest: a path per layer, and over each bar a place that says its numbers.

    Args:
        spans: The calls of each step.
        title: What the picture is of, for those who do not see it.
        since_ms: When the first step begins.
        step_ms: How long a step is.
        height: Of the picture, in its own units.
    """
    heights = [span.accepted + span.refused + span.failed for span in spans]
    opened = _open_places(len(spans), since_ms, step_ms, height, timezone.get_current_timezone())
    places = [
        f"{opening}{_describe(span)}</title></rect>"
        for opening, span, drawn in zip(opened, spans, heights, strict=True)
        if drawn
    ]
    context = {
        # Numbers and words of our own; a template would take ten times as long for the bars of a week.
        "bars": mark_safe("".join([*_draw_layers(spans, max(heights, default=0), height), *places])),  # noqa: S308
        "width": len(spans) * _BAR_WIDTH,
        "height": height,
        "title": f"{title}: {_describe(add_up(spans))}",
    }
    return render_to_string("admin/openclaw_webhooks/route/bars.html", context)


def _draw_layers(spans: Sequence[Span], largest: int, height: int) -> Iterator[str]:
    """Yield a path for each layer, each bar's on top of the layers before."""
    room, tops = height - _LEAST * len(_LAYERS), [height] * len(spans)
    for place, layer in enumerate(_LAYERS):
        path = []
        for number, span in enumerate(spans):
            if calls := span[place]:
                size = max(_LEAST, room * calls // largest)
                tops[number] -= size
                path.append(f"M{number * _BAR_WIDTH} {tops[number]}h{_BAR_WIDTH - 1}v{size}h{1 - _BAR_WIDTH}z")
        if path:
            yield f'<path class="ow-{layer.value}" d="{"".join(path)}"></path>'


@lru_cache(maxsize=1024)
def _describe(span: Span) -> str:
    """Say the numbers. Most bars of a quiet route are alike."""
    return ", ".join([f"{count} {word}" for word, count in zip(_WORDS, span, strict=True) if count]) or "none"


@lru_cache(maxsize=8)
def _open_places(steps: int, since_ms: int, step_ms: int, height: int, zone: tzinfo) -> list[str]:
    """Return what stands before each bar's numbers, for all routes of a page: its place, and when it is."""
    shape = f'width="{_BAR_WIDTH}" height="{height}"'
    return [
        f'<rect x="{number * _BAR_WIDTH}" {shape}><title>{_name_moment(since_ms + number * step_ms, step_ms, zone)}: '
        for number in range(steps)
    ]


def name_moment(at_ms: int, step_ms: int) -> str:
    """Return a step's start in the project's zone: the time of day, or the day where steps are days."""
    return _name_moment(at_ms, step_ms, timezone.get_current_timezone())


def _name_moment(at_ms: int, step_ms: int, zone: tzinfo) -> str:
    local = datetime.fromtimestamp(at_ms / 1000, zone)
    return f"{local:%Y-%m-%d}" if step_ms >= 86_400_000 else f"{local:%d %b %H:%M}"
