"""Systems side by side: turn about, the order swapped in every round, so that none has the quieter machine.

Each round runs one mode on every system before the next mode. Ratios are made within a round and their median is
told: what disturbs the machine for a minute disturbs both sides of a ratio.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from benchmarks.loadgen import Figure, Load, LoadGenerator, Target
from benchmarks.report import log
from benchmarks.systems import SYSTEMS

MODES: Final = ("create", "lifecycle", "get", "summary", "latest", "list")
LISTED_FLOWS: Final = 10_000
_LIST_SHARE: Final = 250
"""A list of 10,000 flows costs some hundreds of times what a get costs, and needs as many fewer requests."""
_GATEWAY_LATEST_REQUESTS: Final = 40
_SEED_CONNECTIONS: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to compare."""

    systems: Sequence[str]
    modes: Sequence[str] = MODES
    rounds: int = 5
    requests: int = 5000
    connections: int = 8
    listed_flows: int = LISTED_FLOWS


@dataclass(slots=True)
class Comparison:
    """All figures: system, then mode, then one figure per round."""

    plan: Plan
    figures: dict[str, dict[str, list[Figure]]] = field(default_factory=dict)

    def add(self, system: str, mode: str, figure: Figure) -> None:
        """Keep one figure."""
        self.figures.setdefault(system, {}).setdefault(mode, []).append(figure)

    def median(self, system: str, mode: str, name: str = "rps") -> float | None:
        """Return the median over the rounds, ``None`` where it was not measured."""
        figures = self.figures.get(system, {}).get(mode)
        return statistics.median(getattr(figure, name) for figure in figures) if figures else None

    def ratios(self, system: str, mode: str, *, against: str) -> list[float]:
        """Return the ratio of the rates in each round, sorted."""
        mine, theirs = (self.figures.get(name, {}).get(mode, []) for name in (system, against))
        return sorted(one.rps / other.rps for one, other in zip(mine, theirs, strict=False))


def compare(plan: Plan, folder: Path, *, keep: Callable[[Comparison], None]) -> Comparison:
    """Start the systems, fill them, and measure them turn about; after each round ``keep`` gets what there is so far.

    ``latest`` and ``list`` come last, on stores that by then hold at least ``plan.listed_flows`` flows each; so that
    all hold about as many, ``create`` and ``lifecycle`` are measured on other instances.
    """
    comparison, generator = Comparison(plan), LoadGenerator()
    reading = tuple(mode for mode in plan.modes if mode in ("latest", "list"))
    for modes, flows in (
        (tuple(mode for mode in plan.modes if mode not in reading), 0),
        (reading, plan.listed_flows),
    ):
        if modes:
            _compare_modes(plan, modes, flows, folder / f"with-{flows}-flows", comparison, generator, keep)
    return comparison


def _compare_modes(
    plan: Plan,
    modes: Sequence[str],
    flows: int,
    folder: Path,
    comparison: Comparison,
    generator: LoadGenerator,
    keep: Callable[[Comparison], None],
) -> None:
    with ExitStack() as stack:
        targets = {}
        for name in plan.systems:
            if flows and name == "plain-django":
                continue  # It stores nothing.
            own = folder / name
            own.mkdir(parents=True)
            targets[name] = stack.enter_context(SYSTEMS[name](own))
            log(f"{name} is up")
            if flows:
                _seed(targets[name], flows, generator)
        for round_number in range(plan.rounds):
            for mode in modes:
                for name in _order(targets, round_number):
                    figure = generator.run(targets[name], _load(plan, name, mode))
                    comparison.add(name, mode, figure)
                    log(
                        f"round {round_number + 1} {mode:10} {name:18} {figure.rps:9.1f}/s  {figure.cpu_us:7.0f} us CPU"
                    )
            keep(comparison)


def _order(targets: Mapping[str, Target], round_number: int) -> Iterator[str]:
    names = list(targets)
    return iter(names if round_number % 2 == 0 else reversed(names))


def _seed(target: Target, flows: int, generator: LoadGenerator) -> None:
    generator.run(target, Load("create", requests=flows, connections=_SEED_CONNECTIONS, warm_up=0))


def _load(plan: Plan, system: str, mode: str) -> Load:
    load = Load(mode, requests=plan.requests, connections=plan.connections)
    if system == "plain-django":
        return replace(load, mode="body", body='{"action":"get_flow"}', expected_text='"ok":')
    if mode == "list":
        return replace(load, requests=max(8, plan.requests // _LIST_SHARE), connections=2, warm_up=2)
    if mode == "latest" and system.startswith("gateway"):
        return replace(load, requests=min(plan.requests, _GATEWAY_LATEST_REQUESTS), warm_up=8)
    return load
