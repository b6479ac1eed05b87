"""Every page of the admin and every filter, over a full store and beside it an empty one, turn about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.inprocess import CPU_PREFIX
from benchmarks.report import log
from benchmarks.size import Size, open_store

BOUND_MS: Final = 300.0
RATIO_BOUND: Final = 2.0
_ADMIN: Final = "/admin/openclaw_webhooks"
_CALLS: Final = (
    "",
    "p=40",
    "since=10m",
    "since=1d",
    "since=7d",
    "at=2026",
    "route=live",
    "route=live&p=40",
    "status=2",
    "status=4",
    "status=5",
    "action=get_flow",
    "action=resolve_flow",
    "code=revision_conflict",
    "code=terminal",
    "refused_by=authentication",
    "refused_by=method",
    "caller=192.0.2.7",
    "caller=10.0.3.7",
    "q=192.0.2.7",
    "q=request-500",
    "q=seed-77",
    "q=nothing",
    "route=live&status=5&since=1d",
    "route=live&status=5&since=7d",
    "route=live&action=resolve_flow",
    "route=live&caller=192.0.2.7",
    "status=2&refused_by=authentication",
    "status=5&action=get_flow&code=persist_failed",
    "route=route-3&status=4&refused_by=rate_limit&since=7d",
    "route=nowhere&status=2&action=get_flow",
    "action=create_flow&code=revision_conflict&caller=10.0.3.7",
)
"""The last few meet in few calls or in none, where an index helps one filter only."""
_FLOWS: Final = (
    "",
    "p=40",
    "status=succeeded",
    "status=succeeded&p=40",
    "status=waiting",
    "status=lost",
    "age=1h",
    "age=7d",
    "age=older-7d",
    "session=agent:rare:one",
    "session=agent:other:9",
    "controller=rare",
    "controller=bench/1",
    "q=seed-77",
    "q=nothing",
    "status=lost&controller=bench/1",
    "status=waiting&session=agent:rare:one",
    "status=succeeded&controller=rare&age=7d",
)
PAGES: Final[Mapping[str, str]] = (
    {f"routes ?span={span}": f"{_ADMIN}/route/?span={span}" for span in ("1h", "1d", "7d", "30d")}
    | {f"calls ?{query}": f"{_ADMIN}/call/?{query}" for query in _CALLS}
    | {f"flows ?{query}": f"{_ADMIN}/flow/?{query}" for query in _FLOWS}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageFigures:
    """One page: milliseconds full and empty, the least of all rounds.

    The other work of a machine only ever adds: the least is what the page costs. It adds to the time more than to the
    CPU time, which is of the process that serves and of the database server's for its connection.
    """

    page: str
    full_ms: float
    empty_ms: float
    full_cpu_ms: float
    empty_cpu_ms: float

    @property
    def ratio(self) -> float:
        """Return how many times the CPU time of an empty store the full one takes."""
        return self.full_cpu_ms / self.empty_cpu_ms

    @property
    def is_within_bound(self) -> bool:
        """Tell whether the page is quick enough."""
        return self.full_ms < BOUND_MS and self.ratio < RATIO_BOUND


def measure_pages(
    folder: Path, size: Size, *, rounds: int, only: str = "", database_urls: Sequence[str | None] = (None, None)
) -> list[PageFigures]:
    """Ask both stores for every page whose name holds ``only``, turn about, three times a round.

    Args:
        folder: For what is stored.
        size: Of the full store.
        rounds: How often.
        only: Part of a page's name.
        database_urls: Of the empty and of the full store, where they are not SQLite files.
    """
    chosen = {name: path for name, path in PAGES.items() if only in name}
    found: dict[str, list[list[float]]] = {name: [] for name in chosen}
    environs = [{"DATABASE_URL": url} if url else {} for url in database_urls]
    with ExitStack() as stack:
        empty = stack.enter_context(open_store(folder / "empty", Size(flows=0, calls=0), environs[0]))
        full = stack.enter_context(open_store(folder / "full", size, environs[1]))
        log(f"a store of {size.flows} flows and {size.calls} calls is ready")
        for _ in range(rounds):
            for name, path in chosen.items():
                found[name].append([*full.measure(f"{CPU_PREFIX}{path}", 3), *empty.measure(f"{CPU_PREFIX}{path}", 3)])
    return [_sum_up(name, rounds) for name, rounds in found.items()]


def _sum_up(name: str, rounds: Sequence[Sequence[float]]) -> PageFigures:
    full, full_cpu, empty, empty_cpu = (min(times) / 1000 for times in zip(*rounds, strict=True))
    return PageFigures(page=name, full_ms=full, empty_ms=empty, full_cpu_ms=full_cpu, empty_cpu_ms=empty_cpu)
