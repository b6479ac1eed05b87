"""What the kernel tells of a server's processes: CPU time, memory, descriptors and threads.

CPU time per request is the figure to trust on a machine that others use too; requests per second are not.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")
_PROC: Final = Path("/proc")


@dataclass(frozen=True, slots=True)
class Usage:
    """One process at one moment."""

    pid: int
    resident_bytes: int
    descriptors: int
    threads: int


def list_tree(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    return list(_walk(pid))


def read_cpu_seconds(pids: list[int]) -> float:
    """Return the CPU time that these processes have used so far, in user and kernel mode."""
    return sum(_read_cpu_ticks(pid) for pid in pids) / _TICKS_PER_SECOND


def read_usage(pid: int) -> Usage:
    """Return what a process holds.

    Raises:
        OSError: It has ended.
    """
    fields = dict(line.split(":", 1) for line in (_PROC / str(pid) / "status").read_text().splitlines())
    if "VmRSS" not in fields:  # of one that has ended and was not waited for yet
        raise ProcessLookupError(pid)
    return Usage(
        pid=pid,
        resident_bytes=int(fields["VmRSS"].split()[0]) * 1024,
        descriptors=len(os.listdir(_PROC / str(pid) / "fd")),  # noqa: PTH208 - names are all that is counted
        threads=int(fields["Threads"]),
    )


def _walk(pid: int) -> Iterator[int]:
    yield pid
    with suppress(OSError):
        for child in (_PROC / str(pid) / "task" / str(pid) / "children").read_text().split():
            yield from _walk(int(child))


def _read_cpu_ticks(pid: int) -> int:
    try:
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return int(fields[11]) + int(fields[12])
