"""The numbers that the pages show."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection

from openclaw_webhooks.calls.batch import DAY_MS, HOUR_MS, Batch
from openclaw_webhooks.calls.statistics import RouteNumbers, Span, fetch_route_numbers
from openclaw_webhooks.calls.writer import write_batch
from tests.calls.builders import NOON_MS, build_record, build_refusal
from tests.calls.test_writer import write

pytestmark = pytest.mark.django_db


def test_hour_and_day_by_outcome() -> None:
    write(
        build_record(),
        build_record(started_at_ms=NOON_MS - HOUR_MS),
        build_record(started_at_ms=NOON_MS - HOUR_MS - 60_000, status=503),
        build_record(started_at_ms=NOON_MS - DAY_MS, status=0),
        build_record(started_at_ms=NOON_MS - DAY_MS - 60_000),
        build_refusal(),
        build_refusal(route_id="ci", started_at_ms=NOON_MS - 3 * DAY_MS),
    )
    lost = Batch()
    lost.add(build_record(started_at_ms=NOON_MS + 9), room=0)
    write_batch(connection, lost)
    numbers = fetch_route_numbers(now_ms=NOON_MS + 10)
    zapier, ci = numbers["zapier"], numbers["ci"]
    hour, day = zapier.hour, zapier.day
    assert (hour.calls, hour.accepted, hour.refused, hour.failed, hour.gone, hour.lost) == (4, 2, 1, 0, 0, 1)
    assert (day.calls, day.accepted, day.refused, day.failed, day.gone, day.lost) == (6, 2, 1, 1, 1, 1)
    assert zapier.last_at_ms == NOON_MS + 9
    assert ci == RouteNumbers(Span(), Span(), NOON_MS - 3 * DAY_MS)
    assert len(zapier.minutes) == 60
    assert (zapier.minutes[-1].calls, zapier.minutes[0].calls) == (3, 0)
    assert [span.calls for span in zapier.hours] == [0] * 22 + [2, 3]


def test_the_number_of_queries_grows_with_nothing(django_assert_num_queries: Any) -> None:
    write(*(build_record(route_id=f"route-{number}") for number in range(40)))
    with django_assert_num_queries(4):
        assert len(fetch_route_numbers(now_ms=NOON_MS)) == 40


def test_without_calls_there_are_no_numbers() -> None:
    assert fetch_route_numbers(now_ms=NOON_MS) == {}


def test_a_day_counts_the_minutes_before_its_first_whole_hour() -> None:
    now_ms = NOON_MS + 20 * 60_000
    write(
        build_record(started_at_ms=now_ms - DAY_MS),
        build_record(started_at_ms=now_ms - DAY_MS - 60_000),
        build_record(started_at_ms=now_ms - 12 * HOUR_MS),
    )
    assert fetch_route_numbers(now_ms=now_ms)["zapier"].day.calls == 2
