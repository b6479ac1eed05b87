"""Builds ``loadgen.c`` once for its text, and runs it: one run is one figure.

Owns the loopback addresses: every run sends from addresses that no run before it used, so no limit is ever met.
"""
# ruff: noqa: S603 - starts only what this package built

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks.processes import list_tree, read_cpu_seconds, read_usage

SOURCE: Final = Path(__file__).with_name("loadgen.c")
_TIMEOUT_SECONDS: Final = 600
_REQUESTS_PER_ADDRESS: Final = 100


class LoadFailed(Exception):
    """The load generator could not measure, or an answer was not the expected one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A server under load: where it listens, and the process whose CPU time is counted with its children's."""

    name: str
    port: int
    path: str
    secret: str = field(repr=False)
    pid: int
    log_path: Path | None = None


@dataclass(frozen=True, slots=True)
class Load:
    """What is sent: ``mode`` is one of ``loadgen.c``'s; ``body`` and ``expected_text`` only with mode ``body``."""

    mode: str
    requests: int = 5000
    connections: int = 8
    warm_up: int = 200
    body: str = ""
    expected_text: str = ""
    expected_status: int = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One run: rate, latencies, the server's CPU time per request, and its largest process afterwards."""

    rps: float
    p50_us: float
    p90_us: float
    p99_us: float
    max_us: float
    cpu_us: float
    resident_bytes: int
    by_status: Mapping[str, int]


class LoadGenerator:
    """The built program, and the address that the next run starts at."""

    def __init__(self, folder: Path | None = None) -> None:
        """Build into ``folder`` (the machine's temporary one), unless this very source was built there before.

        Raises:
            LoadFailed: There is no C compiler, or it refused.
        """
        self._program = _build(folder or Path(tempfile.gettempdir()))
        self._next_address = os.getpid() % 1000 * 1000

    def run(self, target: Target, load: Load) -> Figure:
        """Drive ``target`` once.

        Raises:
            LoadFailed: An answer was wrong or missing, or the server could not be reached.
        """
        pids = list_tree(target.pid)
        before_seconds = read_cpu_seconds(pids)
        numbers = self._measure(target, load)
        cpu_seconds = read_cpu_seconds(pids) - before_seconds
        return Figure(
            **{name: float(numbers[name]) for name in ("rps", "p50_us", "p90_us", "p99_us", "max_us")},
            cpu_us=cpu_seconds * 1e6 / (load.requests + load.warm_up),
            resident_bytes=max(read_usage(pid).resident_bytes for pid in pids),
            by_status=numbers["status"],
        )

    def _measure(self, target: Target, load: Load) -> dict[str, Any]:
        options: dict[str, Any] = {
            "-c": load.connections,
            "-n": load.requests,
            "-w": load.warm_up,
            "-k": _REQUESTS_PER_ADDRESS,
            "-o": self._take_addresses(load),
            "-s": load.expected_status,
        }
        options |= {"-b": load.body, "-e": load.expected_text} if load.mode == "body" else {"-m": load.mode}
        words = [word for name, value in options.items() for word in (name, str(value))]
        ended = subprocess.run(
            [str(self._program), *words, "127.0.0.1", str(target.port), target.path],
            env={"LOADGEN_SECRET": target.secret},
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
        if ended.returncode:
            raise LoadFailed(f"{target.name}, {load.mode}: {ended.stderr.strip()}")
        numbers: dict[str, Any] = json.loads(ended.stdout)
        if numbers["wrong"] or numbers["broken"]:
            raise LoadFailed(
                f"{target.name}, {load.mode}: {numbers['wrong']} wrong, {numbers['broken']} broken answers"
                f" (by status: {numbers['status']}). {ended.stderr.strip()}"
            )
        return numbers

    def _take_addresses(self, load: Load) -> int:
        first = self._next_address
        self._next_address += load.connections + 2 + (load.requests + load.warm_up) // _REQUESTS_PER_ADDRESS
        return first


def _build(folder: Path) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise LoadFailed("the load generator needs a C compiler: cc, gcc or clang")
    digest = hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:12]
    program = folder / f"openclaw-webhooks-loadgen-{os.getuid()}-{digest}"
    if not program.exists():
        made = program.with_suffix(f".{os.getpid()}")
        built = subprocess.run(
            [compiler, "-O2", "-std=gnu11", "-o", str(made), str(SOURCE)], capture_output=True, text=True, check=False
        )
        if built.returncode:
            raise LoadFailed(f"{compiler} refused loadgen.c:\n{built.stderr}")
        made.rename(program)
    return program
