"""How commands print: aligned tables for people, JSON for scripts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

NOTHING = "-"


def format_table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Align columns with two spaces between them; ``None`` and empty text are a dash, control characters escaped."""
    lines = [list(headers), *([_show(cell) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headers))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def format_moment(unix_ms: int | None) -> str | None:
    """Write Unix milliseconds as UTC to the second, as RFC 3339 does."""
    if unix_ms is None:
        return None
    return datetime.fromtimestamp(unix_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _show(cell: object) -> str:
    if cell is None or cell == "":
        return NOTHING
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in str(cell))
