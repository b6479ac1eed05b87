"""A long run of mixed load, and whether what it added comes back: memory, descriptors, threads, rows, and no 5xx."""
# ruff: noqa: S603 - runs this project's own command

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.loadgen import Load, LoadGenerator, Target
from benchmarks.processes import Usage, list_tree, read_usage
from benchmarks.report import log
from benchmarks.systems import run_app
from tests.live import ROOT, Door

MAX_WORKER_BYTES: Final = 120 * 1024 * 1024
GROWTH_BYTES: Final = 16 * 1024 * 1024
"""What a worker may have gained once it rests: Python's allocator keeps arenas that the peak has touched."""
_ENGINE_THREADS: Final = 8
_FILES_PER_THREAD: Final = 3
"""SQLite's database, log and index. A worker's engine threads start one by one, as they are needed."""
_LOADS: Final = (
    Load("lifecycle", requests=2000),
    Load("get", requests=2000),
    Load("body", requests=500, body='{"action":"no_such"}', expected_text="invalid_request", expected_status=400),
    Load("summary", requests=1000),
    Load("latest", requests=1000),
    Load("body", requests=300, body="not json", expected_text="invalid request body", expected_status=400),
    Load("list", requests=4, connections=2, warm_up=0),
)
_COUNTS: Final = {
    "flows": "SELECT count(*) FROM openclaw_webhooks_flow",
    "tasks": "SELECT count(*) FROM openclaw_webhooks_task",
    "calls": "SELECT count(*) FROM openclaw_webhooks_call",
}
_LATE_ROWS: Final = 5000
"""Calls that are still written while the last ones are pruned."""
_PRUNE_EVERY_SECONDS: Final = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The server at one moment of the run."""

    at_seconds: float
    workers: list[Usage]
    rows: dict[str, int]


@dataclass(slots=True)
class Soak:
    """A whole run. ``samples`` begin after warm-up and end at rest, all prunable rows pruned."""

    requests: int = 0
    by_status: dict[str, int] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)

    def find_faults(self) -> Iterator[str]:
        """Say what did not come back, or should not have happened."""
        first, last = self.samples[0], self.samples[-1]
        failed = sum(count for status, count in self.by_status.items() if status.startswith("5"))
        if failed:
            yield f"{failed} answers were 5xx"
        if [one.pid for one in first.workers] != [one.pid for one in last.workers]:
            yield "a worker died"
            return
        for before, after in zip(first.workers, last.workers, strict=True):
            yield from _find_growth(before, after)
        kept = {name: count for name, count in last.rows.items() if count > first.rows[name] + _LATE_ROWS}
        if kept:
            yield f"rows are left after pruning: {kept}, {first.rows} before"


def _find_growth(before: Usage, after: Usage) -> Iterator[str]:
    if after.resident_bytes > MAX_WORKER_BYTES:
        yield f"worker {after.pid} holds {after.resident_bytes >> 20} MB"
    if after.resident_bytes > before.resident_bytes + GROWTH_BYTES:
        yield f"worker {after.pid} grew from {before.resident_bytes >> 20} to {after.resident_bytes >> 20} MB"
    threads, descriptors = before.threads + _ENGINE_THREADS, before.descriptors + _ENGINE_THREADS * _FILES_PER_THREAD
    if after.descriptors > descriptors or after.threads > threads:
        yield f"worker {after.pid} keeps descriptors or threads: {before} before, {after} after"


def soak(
    folder: Path, *, door: Door, duration_seconds: float, sample_every_seconds: float, rest_seconds: float
) -> Soak:
    """Run mixed load for a time, sampling; then rest, prune and sample a last time.

    Raises:
        LoadFailed: An answer was not the expected one.
    """
    result, generator = Soak(), LoadGenerator()
    with run_app(door, folder, environ={"OPENCLAW_WEBHOOKS_THREADS": str(_ENGINE_THREADS)}) as target:
        database = folder / "data" / "openclaw-webhooks.sqlite3"
        for load in _LOADS:
            _run(result, generator, target, load)
        _prune(folder)
        result.samples.append(_sample(target, database, 0.0))
        _load_until(result, generator, target, folder, duration_seconds, sample_every_seconds)
        time.sleep(rest_seconds)
        _prune(folder)
        result.samples.append(_sample(target, database, duration_seconds))
    return result


def _load_until(
    result: Soak, generator: LoadGenerator, target: Target, folder: Path, duration_seconds: float, every_seconds: float
) -> None:
    began = sampled = pruned = now = time.monotonic()
    while now - began < duration_seconds:
        for load in _LOADS:
            _run(result, generator, target, load)
        now = time.monotonic()
        if now - sampled >= every_seconds:
            sampled = now
            result.samples.append(_sample(target, folder / "data" / "openclaw-webhooks.sqlite3", now - began))
        if now - pruned >= _PRUNE_EVERY_SECONDS:
            pruned = now
            _prune(folder)


def _run(result: Soak, generator: LoadGenerator, target: Target, load: Load) -> None:
    figure = generator.run(target, load)
    result.requests += load.requests + load.warm_up
    for status, count in figure.by_status.items():
        result.by_status[status] = result.by_status.get(status, 0) + count


def _sample(target: Target, database: Path, at_seconds: float) -> Sample:
    workers = [read_usage(pid) for pid in list_tree(target.pid)[1:]]
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        rows = {name: connection.execute(sql).fetchone()[0] for name, sql in _COUNTS.items()}
    sample = Sample(at_seconds=at_seconds, workers=workers, rows=rows)
    held = ", ".join(f"{one.resident_bytes >> 20} MB {one.descriptors} fd {one.threads} threads" for one in workers)
    log(f"{at_seconds:7.0f} s  {held}  {rows}")
    return sample


def _prune(folder: Path) -> None:
    """End every task and flow, as workers would; then delete them as the operator's daily command does."""
    with closing(sqlite3.connect(folder / "data" / "openclaw-webhooks.sqlite3", timeout=30)) as connection:
        for table in ("task", "flow"):
            connection.execute(
                f"UPDATE openclaw_webhooks_{table} SET status = 'succeeded', ended_at_ms = created_at_ms"  # noqa: S608
                " WHERE ended_at_ms IS NULL"
            )
            connection.commit()
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "OPENCLAW_CONFIG_PATH": str(folder / "openclaw.json"),
        "OPENCLAW_WEBHOOKS_DATA_DIR": str(folder / "data"),
    }
    command = [sys.executable, "manage.py", "webhooks_prune", "--days", "0", "--call-days", "0"]
    subprocess.run(command, cwd=ROOT, env=environ, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
