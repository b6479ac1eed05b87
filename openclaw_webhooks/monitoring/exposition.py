"""Writes metrics as Prometheus reads them. Pure.

Source: Prometheus, "Exposition formats", text format 0.0.4.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from openclaw_webhooks.monitoring.catalogue import BUCKETS_US, METRICS, Kind, Metric
from openclaw_webhooks.monitoring.totals import Series, Totals

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_BOUNDS: Final = (*(f"{bound_us / 1_000_000:g}" for bound_us in BUCKETS_US), "+Inf")
_ESCAPES: Final = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


def build_exposition(totals: Totals, gauges: Mapping[Series, int]) -> bytes:
    """Write every metric of the catalogue, those without a series too: what is not there yet can be told from a typo.

    Args:
        totals: Counters and histograms.
        gauges: Numbers of this moment, and counters that somebody else keeps.
    """
    series = {key: list(numbers) for key, numbers in totals} | {key: [number] for key, number in gauges.items()}
    by_name: dict[str, list[tuple[tuple[str, ...], list[int]]]] = {}
    for (name, labels), numbers in sorted(series.items()):
        by_name.setdefault(name, []).append((labels, numbers))
    lines = [line for metric in METRICS for line in _write_metric(metric, by_name.get(metric.name, ()))]
    return ("\n".join(lines) + "\n").encode()


def _write_metric(metric: Metric, series: Iterable[tuple[tuple[str, ...], list[int]]]) -> Iterator[str]:
    yield f"# HELP {metric.name} {metric.help}"
    yield f"# TYPE {metric.name} {metric.kind}"
    for labels, numbers in series:
        pairs = list(zip(metric.labels, labels, strict=True))
        if metric.kind is Kind.HISTOGRAM:
            yield from _write_histogram(metric.name, pairs, numbers)
        else:
            yield f"{metric.name}{_write_labels(pairs)} {numbers[0]}"


def _write_histogram(name: str, pairs: list[tuple[str, str]], numbers: list[int]) -> Iterator[str]:
    count = 0
    for bound, number in zip(_BOUNDS, numbers, strict=False):
        count += number
        yield f"{name}_bucket{_write_labels([*pairs, ('le', bound)])} {count}"
    yield f"{name}_sum{_write_labels(pairs)} {numbers[-1] / 1_000_000}"
    yield f"{name}_count{_write_labels(pairs)} {count}"


def _write_labels(pairs: list[tuple[str, str]]) -> str:
    if not pairs:
        return ""
    return "{" + ",".join(f'{label}="{value.translate(_ESCAPES)}"' for label, value in pairs) + "}"
