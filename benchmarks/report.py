"""What was measured, as text, JSON and a plot. Draws and formats; measures nothing."""
# ruff: noqa: T201 - this is a program's output

from __future__ import annotations

import dataclasses
import json
import os
import platform
import statistics
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from benchmarks.compare import Comparison
    from benchmarks.hostile import Disturbance
    from benchmarks.overhead import Figures as OverheadFigures
    from benchmarks.pages import PageFigures
    from benchmarks.size import SizeFigures

_COLORS: Final = ("#0b7285", "#3bc9db", "#868e96", "#e8590c", "#ffa94d")
_OTHER_FIGURES: Final = (
    ("p50_us", "p50 in milliseconds", 1e3),
    ("p99_us", "p99 in milliseconds", 1e3),
    ("cpu_us", "CPU milliseconds of the server per request", 1e3),
    ("resident_bytes", "Resident megabytes of the largest process", 1 << 20),
)
_BAR, _GAP, _LEFT, _WIDTH = 14, 10, 110, 560


def log(text: str) -> None:
    """Tell whoever waits what is being done."""
    print(text, file=sys.stderr, flush=True)


def describe_machine() -> dict[str, Any]:
    """Return what a reader has to know of where and when this was measured."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "load": os.getloadavg(),
        "python": platform.python_version(),
        "interpreter": os.path.realpath(sys.executable),
        "system": platform.platform(),
    }


def format_table(rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; the first row is its head, all but the first column are numbers."""
    table = [list(row) for row in rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    lines = [_format_row(row, widths) for row in table]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join([lines[0], _format_row(rule, widths), *lines[1:]]) + "\n"


def _format_row(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
    return f"| {' | '.join(cells)} |"


def format_comparison(comparison: Comparison) -> str:
    """Return the tables of a comparison: rates with their spread, ratios, latencies and CPU time."""
    parts = ["Requests per second: median (lowest to highest round)\n", format_table(_rate_rows(comparison))]
    for gateway in (name for name in comparison.figures if name.startswith("gateway")):
        parts += [f"\nTimes the rate of {gateway}: median (lowest to highest round)\n"]
        parts += [format_table(_ratio_rows(comparison, gateway))]
    for name, title, unit in _OTHER_FIGURES:
        parts += [f"\n{title}: median of the rounds\n", format_table(_other_rows(comparison, name, unit))]
    return "\n".join(parts)


def _rate_rows(comparison: Comparison) -> Iterable[list[str]]:
    yield ["", *comparison.plan.modes]
    for system, by_mode in comparison.figures.items():
        yield [system, *(_spread([one.rps for one in by_mode.get(mode, [])]) for mode in comparison.plan.modes)]


def _ratio_rows(comparison: Comparison, gateway: str) -> Iterable[list[str]]:
    yield ["", *comparison.plan.modes]
    for system in comparison.figures:
        if system.startswith("app"):
            ratios = (comparison.ratios(system, mode, against=gateway) for mode in comparison.plan.modes)
            yield [system, *(_spread(one, digits=2) for one in ratios)]


def _other_rows(comparison: Comparison, name: str, unit: float) -> Iterable[list[str]]:
    yield ["", *comparison.plan.modes]
    for system in comparison.figures:
        medians = (comparison.median(system, mode, name) for mode in comparison.plan.modes)
        yield [system, *("" if one is None else f"{one / unit:.2f}" for one in medians)]


def _spread(values: Sequence[float], *, digits: int = 0) -> str:
    if not values:
        return ""
    median, low, high = (f"{one:.{digits}f}" for one in (statistics.median(values), min(values), max(values)))
    return f"{median} ({low} to {high})"


def format_disturbances(found: Sequence[Disturbance]) -> str:
    """Return one client's latencies in milliseconds, alone and disturbed."""
    rows = [["", "p50 alone", "p50", "p90", "p99 alone", "p99", "max", "largest worker"]]
    for one in found:
        alone, disturbed = one.alone, one.disturbed
        numbers = (alone.p50_ms, disturbed.p50_ms, disturbed.p90_ms, alone.p99_ms, disturbed.p99_ms, disturbed.max_ms)
        rows.append([one.kind, *(f"{number:.1f}" for number in numbers), f"{one.resident_bytes >> 20} MB"])
    return format_table(rows)


def format_sizes(figures: Sequence[SizeFigures]) -> str:
    """Return microseconds per size of store: the median round, and its ratio to the smallest store's."""
    rows = [["", *figures[0].medians_us]]
    for one in figures:
        cells = (f"{us:.0f} ({one.ratios[name]:.2f})" for name, us in one.medians_us.items())
        rows.append([f"{one.size.flows:,} flows, {one.size.calls:,} calls", *cells])
    return format_table(rows)


def format_overhead(figures: OverheadFigures) -> str:
    """Return microseconds per way of watching: the median round, and the times of watching nothing."""
    from benchmarks.overhead import KINDS, WATCHES, find_ratios  # noqa: PLC0415 - that module imports this one

    rows = [["watched", *(f"{kind}, {what}" for what in ("time", "CPU of its thread", "CPU of all") for kind in KINDS)]]
    for watch in WATCHES:
        cells = [
            f"{statistics.median(found[watch][kind]):.0f} ({_quartiles(find_ratios(found, watch, kind))})"
            for found in (figures.time_us, figures.thread_us, figures.cpu_us)
            for kind in KINDS
        ]
        rows.append([watch, *cells])
    return format_table(rows)


def _quartiles(ratios: Sequence[float]) -> str:
    """Return the median, and between what a half of the rounds lies."""
    low, _, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
    return f"{statistics.median(ratios):.3f}, {low:.2f} to {high:.2f}"


def format_pages(figures: Sequence[PageFigures]) -> str:
    """Return milliseconds for each page, over a full store and an empty one; the ratio is that of CPU time."""
    rows = [["", "full", "empty", "full, CPU", "empty, CPU", "ratio"]]
    for one in figures:
        numbers = (one.full_ms, one.empty_ms, one.full_cpu_ms, one.empty_cpu_ms)
        rows.append([f"`{one.page}`", *(f"{number:.1f}" for number in numbers), f"{one.ratio:.2f}"])
    return format_table(rows)


def write_json(path: Path, measured: Any) -> None:
    """Write what was measured beside what it was measured on."""
    content = {"machine": describe_machine(), "measured": measured}
    path.write_text(json.dumps(content, indent=1, default=dataclasses.asdict) + "\n", encoding="utf-8")


def draw_comparison(comparison: Comparison) -> str:
    """Return an SVG: for each mode a bar per system, as a share of the fastest."""
    parts: list[str] = []
    top = 30
    for mode in comparison.plan.modes:
        medians = {name: comparison.median(name, mode) for name in comparison.figures}
        known = {name: one for name, one in medians.items() if one is not None}
        parts.append(_text(4, top + len(known) * _BAR / 2 + 4, mode))
        for place, (name, rate) in enumerate(known.items()):
            share = rate / max(known.values())
            parts += _draw_bar(top + place * _BAR, share, f"{rate:.0f}/s", _color(comparison, name))
        top += len(known) * _BAR + _GAP
    legend = [_draw_key(place, name, _color(comparison, name)) for place, name in enumerate(comparison.figures)]
    size = f'width="{_LEFT + _WIDTH + 90}" height="{top + 10}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">'
    white = '<rect width="100%" height="100%" fill="#ffffff"/>'
    return "\n".join([head, white, *legend, *parts, "</svg>"]) + "\n"


def _color(comparison: Comparison, system: str) -> str:
    return _COLORS[list(comparison.figures).index(system) % len(_COLORS)]


def _draw_bar(top: float, share: float, label: str, color: str) -> list[str]:
    width = max(1.0, share * _WIDTH)
    bar = f'<rect x="{_LEFT}" y="{top}" width="{width:.1f}" height="{_BAR - 3}" fill="{color}"/>'
    return [bar, _text(_LEFT + width + 5, top + _BAR - 4, label, size=10)]


def _draw_key(place: int, name: str, color: str) -> str:
    left = _LEFT + place * 130
    return f'<rect x="{left}" y="8" width="10" height="10" fill="{color}"/>' + _text(left + 14, 17, name, size=11)


def _text(left: float, top: float, text: str, *, size: int = 12) -> str:
    return f'<text x="{left:.0f}" y="{top:.0f}" font-size="{size}" fill="#212529">{escape(text)}</text>'
