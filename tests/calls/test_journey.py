"""What a call's marks say, and the line of numbers that is kept of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw_webhooks.calls.journey import PHASES, SKIPPED_MARK, Leg, Phase, format_journey, measure, parse_journey
from openclaw_webhooks.models import Call
from tests.calls.builders import build_record, running_recorder

STARTED_NS = 1_000_000


def marks(*ends_us: int) -> list[int]:
    return [STARTED_NS + end_us * 1000 for end_us in ends_us]


def test_a_phase_lasts_from_the_mark_before_it_and_the_last_one_to_the_end() -> None:
    assert measure(marks(3, 15), started_ns=STARTED_NS, duration_us=40) == [3, 12, 25]


def test_a_call_without_marks_spent_its_time_in_the_first_phase() -> None:
    assert measure([], started_ns=STARTED_NS, duration_us=7) == [7]


def test_a_skipped_phase_took_no_time_from_the_next() -> None:
    skipping = [*marks(3), SKIPPED_MARK, *marks(15)]
    assert measure(skipping, started_ns=STARTED_NS, duration_us=15) == [3, None, 12, 0]


def test_the_phases_of_a_line_are_told_by_their_places() -> None:
    assert format_journey([3, None, 12]) == "3 - 12"
    assert parse_journey("3 - 12") == [Leg(Phase.HEAD, 3), Leg(Phase.IN_FLIGHT_LIMIT, 12)]


@pytest.mark.parametrize("text", [None, ""])
def test_nothing_is_read_from_a_call_without_a_journey(text: str | None) -> None:
    assert parse_journey(text) == []


@given(st.lists(st.none() | st.integers(0, 10**12), max_size=len(PHASES)))
def test_what_is_written_is_read_again_and_fits_its_column(durations: list[int | None]) -> None:
    text = format_journey(durations)
    assert parse_journey(text) == [
        Leg(phase, duration) for phase, duration in zip(PHASES, durations, strict=False) if duration is not None
    ]
    assert len(text) <= (Call._meta.get_field("journey").max_length or 0)


@pytest.mark.django_db(transaction=True)
def test_the_row_of_a_call_keeps_its_journey() -> None:
    with running_recorder() as recorder:
        recorder.add(build_record(started_ns=STARTED_NS, marks=marks(3), duration_us=10))
        assert recorder.flush()
    assert Call.objects.get().journey == "3 7"
