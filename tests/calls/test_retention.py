"""Old calls go, in batches; nothing else does."""

from __future__ import annotations

from typing import Any

import pytest

from openclaw_webhooks.calls.retention import prune_calls
from openclaw_webhooks.models import Call, CallHour, CallMinute
from tests.calls.builders import NOON_MS, build_record
from tests.calls.test_writer import write

pytestmark = pytest.mark.django_db


def write_one_a_second(count: int) -> None:
    write(*(build_record(started_at_ms=NOON_MS + number * 1000) for number in range(count)))


def test_calls_before_the_moment_go_with_their_minutes() -> None:
    write_one_a_second(150)
    assert prune_calls(older_than_ms=NOON_MS + 70_000, batch_size=7) == 70
    assert Call.objects.order_by("at_ms").first() == Call.objects.get(at_ms=NOON_MS + 70_000)
    assert list(CallMinute.objects.order_by("minute_ms").values_list("minute_ms", "count")) == [
        (NOON_MS + 60_000, 60),
        (NOON_MS + 120_000, 30),
    ]
    assert prune_calls(older_than_ms=NOON_MS + 70_000) == 0


def test_hours_go_once_all_of_them_is_past() -> None:
    start_ms = NOON_MS - NOON_MS % 3_600_000
    write(*(build_record(started_at_ms=NOON_MS + number * 3_600_000) for number in range(3)))
    hours = CallHour.objects.order_by("hour_ms").values_list("hour_ms", "count")
    assert list(hours) == [(start_ms + number * 3_600_000, 1) for number in range(3)]
    prune_calls(older_than_ms=start_ms + 2 * 3_600_000 - 1)
    assert [hour_ms for hour_ms, _ in hours.all()] == [start_ms + 3_600_000, start_ms + 7_200_000]


def test_a_dry_run_only_counts() -> None:
    write_one_a_second(10)
    assert prune_calls(older_than_ms=NOON_MS + 4000, dry_run=True) == 4
    assert Call.objects.count() == 10


def test_a_batch_is_one_statement(django_assert_num_queries: Any) -> None:
    write_one_a_second(10)
    with django_assert_num_queries(1 + 1 + 3):
        prune_calls(older_than_ms=NOON_MS + 10_000, batch_size=5)
