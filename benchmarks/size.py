"""Cost over size: stores of growing size asked turn about, each in a process of its own, without server or socket."""
# ruff: noqa: S603 - starts only this package's own child

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.inprocess import ACTIONS, PAGES
from benchmarks.loadgen import LoadFailed
from benchmarks.report import log
from benchmarks.seeds import ROUTE_NAMES
from tests.live import ROOT, SECRET, write_config

KINDS: Final = (*ACTIONS, *PAGES)
_ROUTES: Final = {name: {"sessionKey": "agent:main:live", "secret": SECRET} for name in ROUTE_NAMES}
"""The same in every store: a page draws each route, called or not."""
_PAGE_SHARE: Final = 10
"""A page costs some twenty times what a request costs, and is asked that much less often."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """What a store holds: flows of one session, and recorded calls."""

    flows: int
    calls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeFigures:
    """The cost of each kind of request in one store: median over the rounds of each round's median, and p99 of all.

    Attributes:
        ratios: To the first store's, made within each round; the median of those.
    """

    size: Size
    medians_us: Mapping[str, float]
    p99_us: Mapping[str, float]
    ratios: Mapping[str, float]


class Store:
    """The child that holds one store."""

    def __init__(self, size: Size, process: subprocess.Popen[str]) -> None:
        """Take a child that was just started."""
        self.size = size
        self._process = process
        self._read()

    def measure(self, kind: str, count: int) -> list[float]:
        """Ask the child; return microseconds."""
        assert self._process.stdin is not None  # noqa: S101 - a pipe
        self._process.stdin.write(f"{kind} {count}\n")
        self._process.stdin.flush()
        found: list[float] = json.loads(self._read())
        return found

    def _read(self) -> str:
        assert self._process.stdout is not None  # noqa: S101 - a pipe
        line = self._process.stdout.readline()
        if not line:
            raise LoadFailed(f"the store of {self.size} ended with {self._process.wait()}")
        return line


def measure_sizes(
    folder: Path, sizes: Sequence[Size], *, rounds: int, repeat: int, environ: Mapping[str, str] | None = None
) -> list[SizeFigures]:
    """Measure every kind of request in stores of all sizes, turn about."""
    found: dict[Size, dict[str, list[list[float]]]] = {size: {kind: [] for kind in KINDS} for size in sizes}
    with ExitStack() as stack:
        stores = []
        for number, size in enumerate(sizes):
            stores.append(stack.enter_context(open_store(folder / str(number), size, environ or {})))
            log(f"a store of {size.flows} flows and {size.calls} calls is ready")
        for round_number in range(rounds):
            for kind in KINDS:
                for store in stores if round_number % 2 == 0 else reversed(stores):
                    count = repeat if kind in ACTIONS else max(2, repeat // _PAGE_SHARE)
                    found[store.size][kind].append(store.measure(kind, count))
    return [_sum_up(size, found[size], found[sizes[0]]) for size in sizes]


@contextmanager
def open_store(folder: Path, size: Size, environ: Mapping[str, str]) -> Iterator[Store]:
    """Fill a store in a child process until the block ends; ``environ`` adds or overrides variables."""
    (folder / "data").mkdir(mode=0o700, parents=True)
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.inprocess", str(size.flows), str(size.calls)],
        cwd=ROOT,
        env=inherited
        | {
            "DJANGO_SETTINGS_MODULE": "project.settings",
            "OPENCLAW_CONFIG_PATH": str(write_config(folder, _ROUTES)),
            "OPENCLAW_WEBHOOKS_DATA_DIR": str(folder / "data"),
            "BENCH_SECRET": SECRET,
            **environ,
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:  # leaving closes the child's input, which ends it
        yield Store(size, process)


def _sum_up(
    size: Size, found: Mapping[str, list[list[float]]], smallest: Mapping[str, list[list[float]]]
) -> SizeFigures:
    medians = {kind: [statistics.median(one) for one in rounds] for kind, rounds in found.items()}
    base = {kind: [statistics.median(one) for one in rounds] for kind, rounds in smallest.items()}
    return SizeFigures(
        size=size,
        medians_us={kind: statistics.median(one) for kind, one in medians.items()},
        p99_us={kind: _p99([us for one in rounds for us in one]) for kind, rounds in found.items()},
        ratios={
            kind: statistics.median(mine / other for mine, other in zip(one, base[kind], strict=True))
            for kind, one in medians.items()
        },
    )


def _p99(values: Sequence[float]) -> float:
    return sorted(values)[int(0.99 * (len(values) - 1))]
