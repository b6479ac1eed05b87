"""Folding and bounds, in memory."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from openclaw_webhooks.calls.batch import OWN_ROWS, Batch
from openclaw_webhooks.calls.record import Step
from tests.calls.builders import NOON_MS, build_record, build_refusal

_records = st.builds(
    build_record,
    started_at_ms=st.integers(NOON_MS, NOON_MS + 180_000),
    route_id=st.sampled_from(["zapier", "ci"]),
    client=st.sampled_from(["10.0.0.1", "10.0.0.2"]),
    refused_by=st.sampled_from([None, *Step]),
    status=st.sampled_from([0, 200, 401, 503]),
)


def test_the_eleventh_equal_refusal_needs_no_room() -> None:
    batch = Batch()
    for number in range(OWN_ROWS):
        assert batch.add(build_refusal(started_at_ms=NOON_MS + number), room=1)
    assert batch.add(build_refusal(started_at_ms=NOON_MS + 500, duration_us=7, body_bytes=3), room=0)
    assert batch.add(build_refusal(started_at_ms=NOON_MS + 400, duration_us=5), room=0)
    (fold,) = batch.folds.values()
    assert len(fold.own) == OWN_ROWS
    assert (fold.rest.count, fold.rest.first_at_ms, fold.rest.last_at_ms) == (2, NOON_MS + 400, NOON_MS + 500)
    assert (fold.rest.duration_us, fold.rest.body_bytes) == (12, 3)
    assert batch.size == OWN_ROWS


def test_refusals_that_differ_are_not_folded_together() -> None:
    batch = Batch()
    for changes in (
        {"route_id": "ci"},
        {"refused_by": Step.RATE_LIMIT},
        {"client": "10.0.0.9"},
        {"status": 429},
        {"started_at_ms": NOON_MS + 60_000},
        {},
    ):
        batch.add(build_refusal(**changes), room=10)
    assert len(batch.folds) == 6


def test_an_answer_of_the_engine_always_has_a_row_of_its_own() -> None:
    batch = Batch()
    for _ in range(30):
        batch.add(build_record(refused_by=Step.ENGINE, status=503), room=100)
    assert len(batch.rows) == 30


def test_without_room_a_record_is_counted_as_lost() -> None:
    batch = Batch()
    assert not batch.add(build_record(), room=0)
    assert not batch.add(build_refusal(started_at_ms=NOON_MS + 5), room=0)
    lost = batch.lost["zapier", NOON_MS]
    assert (lost.count, lost.last_at_ms, batch.size, batch.calls) == (2, NOON_MS + 5, 0, 2)


@given(st.lists(_records), st.integers(0, 20), st.booleans())
def test_every_call_is_somewhere_and_memory_is_bounded(records: list, queue_size: int, lose: bool) -> None:
    batch = Batch()
    for record in records:
        batch.add(record, room=queue_size - batch.size)
    assert batch.size <= queue_size
    assert len(batch.rows) + sum(len(fold.own) for fold in batch.folds.values()) == batch.size
    if lose:
        batch.lose_rows()
        assert batch.size == 0
    folded = sum(len(fold.own) + fold.rest.count for fold in batch.folds.values())
    assert len(batch.rows) + folded + sum(lost.count for lost in batch.lost.values()) == len(records) == batch.calls
