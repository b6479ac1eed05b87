"""What watching costs: the same store with records, metrics and log off and on, asked turn about, without a server.

A request's time is what its caller waits for, measured in many short turns: whatever else the machine does then falls
on all alike. CPU time is that of the thread that serves, which is what stands in the request's own way, and the whole
process's, with what background threads do about a request afterwards; in fewer and longer turns, because they do some
of it by the half second.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.inprocess import CPU_PREFIX
from benchmarks.report import log
from benchmarks.size import Size, Store, open_store

WATCHES: Final = ("nothing", "records", "records and metrics", "records, metrics and a line each")
"""What is watched, by the names of ``watched.py``; the first is what the others are compared with."""
KINDS: Final = ("get", "create")
BOUND: Final = 1.05
"""How much records and metrics may add to a request's time."""
_BOUNDED: Final = "records and metrics"
_CPU_EVERY: Final = 10
"""CPU time is measured in every tenth round, over ten times the requests."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Microseconds of a request, a number per round, by what is watched and the kind of request."""

    time_us: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    thread_us: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    cpu_us: dict[str, dict[str, list[float]]] = field(default_factory=dict)

    @property
    def is_within_bound(self) -> bool:
        """Tell whether records and metrics add no more to a request's time than they may."""
        return all(statistics.median(find_ratios(self.time_us, _BOUNDED, kind)) <= BOUND for kind in KINDS)


def find_ratios(found: Mapping[str, Mapping[str, Sequence[float]]], watch: str, kind: str) -> list[float]:
    """Return how many times a request's cost without any watching, round by round."""
    return [mine / other for mine, other in zip(found[watch][kind], found[WATCHES[0]][kind], strict=True)]


def measure_overhead(folder: Path, *, rounds: int, repeat: int) -> Figures:
    """Measure every kind of request under every way of watching, turn about."""
    figures = Figures(*({watch: {kind: [] for kind in KINDS} for watch in WATCHES} for _ in range(3)))
    with ExitStack() as stack:
        stores = {watch: stack.enter_context(_open(folder, watch)) for watch in WATCHES}
        for store in stores.values():
            store.measure("get", repeat)  # to warm up
        for number in range(rounds):
            turns = WATCHES if number % 2 == 0 else tuple(reversed(WATCHES))
            for kind, watch in itertools.product(KINDS, turns):
                figures.time_us[watch][kind].append(statistics.median(stores[watch].measure(kind, repeat)))
            if number % _CPU_EVERY == 0:
                for kind, watch in itertools.product(KINDS, turns):
                    thread_us, cpu_us = stores[watch].measure(f"{CPU_PREFIX}{kind}", repeat * _CPU_EVERY)
                    figures.thread_us[watch][kind].append(thread_us)
                    figures.cpu_us[watch][kind].append(cpu_us)
                log(f"round {number + 1} of {rounds}")
    return figures


def _open(folder: Path, watch: str) -> AbstractContextManager[Store]:
    place = folder / str(WATCHES.index(watch))
    return open_store(
        place,
        Size(flows=0, calls=0),
        {
            "DJANGO_SETTINGS_MODULE": "benchmarks.watched",
            "BENCH_WATCH": watch,
            "BENCH_LOG": str(folder / f"{WATCHES.index(watch)}.log"),
            # A metrics folder and a table of limits of its own for each: both go by the key.
            "SECRET_KEY": f"a key of the benchmark of {watch}",
        },
    )
