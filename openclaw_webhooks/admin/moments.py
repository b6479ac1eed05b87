"""Years, months, days and hours to go down into, over calls whose times are Unix milliseconds.

Django's own hierarchy needs a column of dates and reads all of it; this one looks into the index of times, once for
each choice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from openclaw_webhooks.admin.call_narrowing import NarrowedCalls
from openclaw_webhooks.admin.narrowing import SpanFilter
from openclaw_webhooks.calls.lookups import fetch_bounds, fetch_busy
from openclaw_webhooks.models import Call

PARAMETER: Final = "at"
_FORMATS: Final = ("%Y", "%Y-%m", "%Y-%m-%d", "%Y-%m-%dT%H")
_TITLES: Final = ("%Y", "%B %Y", "%d %B", "%H:00")
_PATTERNS: Final = tuple(r"(19|20)\d\d" + rest for rest in ("", r"-\d\d", r"-\d\d-\d\d", r"-\d\d-\d\dT\d\d"))


@dataclass(frozen=True, slots=True)
class Moment:
    """A year (level 0), a month, a day or an hour (level 3) of the project's zone, by its start."""

    level: int
    start: datetime

    @property
    def end(self) -> datetime:
        """Return where the next one starts."""
        if self.level == 3:
            return self.start + timedelta(hours=1)
        # Longer than any such moment and shorter than two: the start of what that day lies in is the next one's.
        beyond = self.start.replace(tzinfo=None) + timedelta(days=(366, 31, 1)[self.level])
        return _local(datetime.strptime(beyond.strftime(_FORMATS[self.level]), _FORMATS[self.level]))

    @property
    def span_ms(self) -> tuple[int, int]:
        """Return start and end in Unix milliseconds."""
        return int(self.start.timestamp() * 1000), int(self.end.timestamp() * 1000)

    @property
    def value(self) -> str:
        """Return it as the address has it."""
        return self.start.strftime(_FORMATS[self.level])

    @property
    def title(self) -> str:
        """Return it as it is read."""
        return self.start.strftime(_TITLES[self.level])

    def at_level(self, level: int) -> Moment:
        """Return what it lies in, or the first one within it."""
        start = self.start.replace(tzinfo=None)
        return Moment(level, _local(datetime.strptime(start.strftime(_FORMATS[level]), _FORMATS[level])))


def parse_moment(text: str | None) -> Moment | None:
    """Return what an address asks for; ``None`` for what is no moment."""
    for level, (pattern, form) in enumerate(zip(_PATTERNS, _FORMATS, strict=True)):
        if text is not None and re.fullmatch(pattern, text, re.ASCII):
            try:
                return Moment(level, _local(datetime.strptime(text, form)))
            except (ValueError, OverflowError):
                return None
    return None


class MomentFilter(SpanFilter):
    """By a year, a month, a day or an hour. Shown above the list instead of beside it."""

    title, parameter_name = "moment", PARAMETER
    template = "admin/openclaw_webhooks/call/no_filter.html"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return something, or Django leaves the filter out; the choices are ``build_hierarchy``'s."""
        return [("", "")]

    def keep(self, rows: QuerySet[Call]) -> QuerySet[Call]:
        """Keep what began within the moment."""
        moment = parse_moment(self.value())
        if moment is None:
            return rows
        start_ms, end_ms = moment.span_ms
        return rows.filter(at_ms__gte=start_ms, at_ms__lt=end_ms)


class CallList(NarrowedCalls):
    """The list of calls, with its hierarchy of moments."""

    def hierarchy(self) -> dict[str, Any] | None:
        """Return ways up and down as Django's template for date hierarchies takes them; ``None`` without calls."""
        bounds = fetch_bounds()
        if bounds is None:
            return None
        chosen = parse_moment(self.params.get(PARAMETER))
        first, last = (Moment(3, timezone.localtime(_utc(at_ms))) for at_ms in bounds)
        choices = [each for each, busy in _look(list(_list_choices(chosen, first, last))) if busy]
        return {"back": self._build_back(chosen), "choices": [self._build_choice(each) for each in choices]} | (
            {"chosen": chosen.title} if chosen else {}
        )

    def _build_back(self, chosen: Moment | None) -> dict[str, str] | None:
        if chosen is None:
            return None
        if chosen.level == 0:
            return {"link": self.get_query_string(remove=[PARAMETER]), "title": "All times"}
        return self._build_choice(chosen.at_level(chosen.level - 1))

    def _build_choice(self, moment: Moment) -> dict[str, str]:
        return {"link": self.get_query_string({PARAMETER: moment.value}), "title": moment.title}


def _list_choices(chosen: Moment | None, first: Moment, last: Moment) -> Iterator[Moment]:
    """Yield the moments below the chosen one between the first call and the last; at the top, the first that differ."""
    if chosen is not None:
        if chosen.level == 3:
            return
        level, limit = chosen.level + 1, chosen.end
        current = max(chosen.at_level(level), first.at_level(level), key=lambda each: each.start)
    else:
        level = next((each for each in range(2) if first.at_level(each) != last.at_level(each)), 2)
        current, limit = first.at_level(level), last.end
    while current.start < limit and current.start <= last.start:
        yield current
        current = Moment(level, current.end)


def _look(moments: list[Moment]) -> Iterator[tuple[Moment, bool]]:
    # A year is asked for as a whole; there may be many only where the clock once was wrong by centuries.
    shown = moments[-100:]
    return zip(shown, fetch_busy([each.span_ms for each in shown]), strict=True)


def _local(naive: datetime) -> datetime:
    return timezone.make_aware(naive)


def _utc(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, tz=timezone.get_default_timezone())
