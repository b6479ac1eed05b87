"""What a batch leaves in the database."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openclaw_webhooks.calls.batch import OWN_ROWS, Batch
from openclaw_webhooks.calls.record import CallRecord, Step
from openclaw_webhooks.calls.writer import outcome_of, write_batch
from openclaw_webhooks.models import Call, CallHour, CallMinute, Outcome
from tests.calls.builders import NOON_MS, build_record, build_refusal, count_minutes, count_rows


def write(*records: CallRecord, room: int = 100_000) -> None:
    batch = Batch()
    for record in records:
        batch.add(record, room=room)
    write_batch(connection, batch)


@pytest.mark.django_db
def test_a_row_holds_what_was_recorded() -> None:
    write(build_record(status=409, code="revision_conflict", flow_id="flow-1"))
    values = Call.objects.values().get()
    del values["id"]
    assert values == {
        "at_ms": NOON_MS,
        "at_hour": NOON_MS // 3_600_000,
        "last_at_ms": None,
        "count": 1,
        "route_id": "zapier",
        "action": "create_flow",
        "status": 409,
        "status_class": 4,
        "code": "revision_conflict",
        "refused_by": None,
        "client": "127.0.0.1",
        "request_id": "request-1",
        "flow_id": "flow-1",
        "duration_us": 300,
        "engine_us": 200,
        "body_bytes": 120,
        "journey": "300",
        "fold_key": None,
        "fold_slot": None,
    }


@pytest.mark.django_db
def test_more_than_ten_equal_refusals_of_a_minute_are_one_row_with_count_first_and_last() -> None:
    times = [NOON_MS + number for number in range(25)]
    write(*(build_refusal(started_at_ms=at, request_id=f"r{at}") for at in times[:4]))
    write(*(build_refusal(started_at_ms=at, request_id=f"r{at}") for at in times[4:20]))
    write(*(build_refusal(started_at_ms=at, request_id=f"r{at}", body_bytes=9) for at in times[20:]))
    own, (rest,) = Call.objects.filter(fold_slot__lte=OWN_ROWS), Call.objects.filter(fold_slot__gt=OWN_ROWS)
    assert sorted(own.values_list("request_id", flat=True)) == [f"r{at}" for at in times[:10]]
    assert (rest.count, rest.at_ms, rest.last_at_ms, rest.request_id) == (15, times[10], times[24], None)
    assert (rest.duration_us, rest.body_bytes, rest.status, rest.refused_by) == (15 * 300, 45, 401, "authentication")


@pytest.mark.django_db
def test_two_writers_share_the_ten_rows() -> None:
    for _ in range(3):
        write(*(build_refusal() for _ in range(4)))
    assert Call.objects.count() == 11
    assert count_rows() == count_minutes("refused") == 12


@pytest.mark.django_db
def test_the_minutes_count_every_call_by_its_outcome() -> None:
    write(
        *(build_record(status=status) for status in (200, 202, 404, 409, 503)),
        build_record(status=0),
        build_refusal(),
        build_refusal(refused_by=Step.RATE_LIMIT, status=503, started_at_ms=NOON_MS + 61_000),
    )
    batch = Batch()
    batch.add(build_record(started_at_ms=NOON_MS + 3), room=0)
    write_batch(connection, batch)
    rows = CallMinute.objects.order_by("minute_ms", "outcome").values_list(
        "minute_ms", "outcome", "count", "last_at_ms"
    )
    assert list(rows) == [
        (NOON_MS, "accepted", 4, NOON_MS),
        (NOON_MS, "failed", 1, NOON_MS),
        (NOON_MS, "gone", 1, NOON_MS),
        (NOON_MS, "lost", 1, NOON_MS + 3),
        (NOON_MS, "refused", 1, NOON_MS),
        (NOON_MS + 60_000, "failed", 1, NOON_MS + 61_000),
    ]
    hours = CallHour.objects.order_by("outcome").values_list("hour_ms", "outcome", "count")
    assert list(hours) == [
        (NOON_MS - NOON_MS % 3_600_000, outcome, count)
        for outcome, count in (("accepted", 4), ("failed", 2), ("gone", 1), ("lost", 1), ("refused", 1))
    ]


@pytest.mark.django_db
def test_many_rows_are_few_statements(django_assert_max_num_queries: Any) -> None:
    with django_assert_max_num_queries(8):
        write(*(build_record() for _ in range(256 * 2 + 64)))
    assert Call.objects.count() == 576


def test_an_outcome_for_every_answer() -> None:
    assert outcome_of(200, None) is Outcome.ACCEPTED
    assert outcome_of(409, Step.ENGINE) is Outcome.ACCEPTED
    assert outcome_of(429, Step.RATE_LIMIT) is Outcome.REFUSED
    assert outcome_of(503, Step.RATE_LIMIT) is Outcome.FAILED
    assert outcome_of(0, Step.BODY) is Outcome.GONE


_text = st.text(alphabet=st.characters(codec=None, categories=None), max_size=300)


@pytest.mark.django_db
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(route_id=_text, client=_text, request_id=_text, flow_id=_text, code=_text, refused=st.booleans())
def test_any_text_can_be_written(*, refused: bool, **texts: str) -> None:
    before = count_rows()
    record = build_refusal(**texts) if refused else build_record(**texts)
    write(record, *([record] * 12))
    assert count_rows() == before + 13 == count_minutes()


@pytest.mark.django_db
def test_route_ids_that_are_cut_to_the_same_name_share_a_minute() -> None:
    write(build_record(route_id="r" * 200 + "1"), build_record(route_id="r" * 200 + "2"))
    assert CallMinute.objects.get().count == 2
