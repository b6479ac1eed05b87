"""What callers run into just now, from the record of calls: wrong secrets, limits and conflicting writers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from openclaw_webhooks.calls.advice import CONFLICT_CODE, advise
from openclaw_webhooks.calls.record import Step
from openclaw_webhooks.models import Call

_MOST_ROWS: Final = 200
"""Read per kind, the latest first: one look into an index each, however many there are."""
_KINDS: Final[tuple[Mapping[str, Any], ...]] = (
    {"refused_by": Step.AUTHENTICATION.value},
    {"refused_by": Step.RATE_LIMIT.value, "status": 429},
    {"refused_by": Step.IN_FLIGHT_LIMIT.value, "status": 429},
    {"code": CONFLICT_CODE},
)


@dataclass(slots=True, kw_only=True)
class Trouble:
    """Calls of one route that were refused for one reason.

    Attributes:
        last: The latest of them.
        calls: How many there are among the latest ``_MOST_ROWS`` rows of this kind.
    """

    last: Call
    calls: int = 0

    @property
    def is_authentication(self) -> bool:
        """Tell whether they were refused for their secret."""
        return self.last.refused_by == Step.AUTHENTICATION

    def describe(self) -> str | None:
        """Say what is wrong and what to do."""
        last = self.last
        step = Step(last.refused_by) if last.refused_by else None
        return advise(route_id=last.route_id, status=last.status, refused_by=step, code=last.code, flow_id=last.flow_id)


def fetch_troubles(*, since_ms: int) -> list[Trouble]:
    """Return what calls since a moment (Unix milliseconds) ran into: four queries, a millisecond in all."""
    return [trouble for kind in _KINDS for trouble in _gather(kind, since_ms)]


def _gather(kind: Mapping[str, Any], since_ms: int) -> Iterator[Trouble]:
    """Yield a trouble for each route."""
    found: dict[str, Trouble] = {}
    for call in Call.objects.filter(**kind, at_ms__gte=since_ms).order_by("-at_ms")[:_MOST_ROWS]:
        found.setdefault(call.route_id, Trouble(last=call)).calls += call.count
    yield from found.values()
