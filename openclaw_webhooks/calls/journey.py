"""How long each phase of a call took: measured by marks, kept as a line of numbers. Pure; knows no database.

The pipeline notes when a phase ended and computes nothing. Whoever reads the record later takes the differences. A
call that ends before its last phase spends the time since its last mark in the phase that ended it.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NamedTuple


class Phase(StrEnum):
    """What a call spends its time on, in order; coarser than ``Step`` where two steps are judged in one breath."""

    HEAD = "head"
    """The method and the media type."""
    RATE_LIMIT = "rate_limit"
    IN_FLIGHT_LIMIT = "in_flight_limit"
    AUTHENTICATION = "authentication"
    """The secret, its resolution included."""
    BODY = "body"
    """Receiving the body and reading it as JSON."""
    SCHEMA = "schema"
    QUEUE = "queue"
    """Waiting for a thread that asks the engine."""
    ENGINE = "engine"
    ANSWER = "answer"
    """Building the answer, giving the slot back, and under ASGI the way back to the event loop."""


PHASES: Final = tuple(Phase)
SKIPPED_MARK: Final = 0
_SKIPPED: Final = "-"


class Leg(NamedTuple):
    """One phase of a call and how long it took, in microseconds."""

    phase: Phase
    duration_us: int


def measure(marks: Sequence[int], *, started_ns: int, duration_us: int) -> list[int | None]:
    """Return how long each of ``PHASES`` took in microseconds, up to the one in which the call ended.

    Args:
        marks: When phases ended, by the clock of ``started_ns``; ``SKIPPED_MARK`` for one that was skipped.
        started_ns: When the call began.
        duration_us: How long all of it took, microseconds.

    Returns:
        At most as many numbers as there are phases, ``None`` for one that was skipped.
    """
    durations: list[int | None] = []
    previous_ns = started_ns
    for ended_ns in marks:
        durations.append((ended_ns - previous_ns) // 1000 if ended_ns else None)
        previous_ns = ended_ns or previous_ns
    durations.append(max(0, duration_us - (previous_ns - started_ns) // 1000))
    return durations


def format_journey(durations: Sequence[int | None]) -> str:
    """Write what ``measure`` returned as numbers, ``-`` for a phase that was skipped: ``"3 - 12 41"``."""
    return " ".join([_SKIPPED if duration is None else str(duration) for duration in durations])


def parse_journey(text: str | None) -> list[Leg]:
    """Read what ``format_journey`` wrote; nothing of a call that has none, as one recorded by an earlier version."""
    numbers = (text or "").split(" ")
    return [
        Leg(phase, int(number)) for phase, number in zip(PHASES, numbers, strict=False) if number not in ("", _SKIPPED)
    ]
