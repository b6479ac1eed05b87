"""How values look."""

from __future__ import annotations

import pytest
from django.test import override_settings

from openclaw_webhooks.admin.formatting import format_count, format_duration, format_time, kind_of_status


@pytest.mark.parametrize(
    ("duration_us", "text"), [(None, "-"), (0, "0 µs"), (999, "999 µs"), (1500, "1.5 ms"), (2_345_678, "2.35 s")]
)
def test_durations_have_the_unit_that_fits(duration_us: int | None, text: str) -> None:
    assert format_duration(duration_us).replace("\N{NO-BREAK SPACE}", " ") == text


@override_settings(TIME_ZONE="Europe/Vienna", USE_TZ=True)
def test_times_are_shown_in_the_zone_of_the_project() -> None:
    shown = '<time datetime="2023-11-14T22:13:20.007+00:00">2023-11-14 23:13:20.007</time>'
    assert format_time(1_700_000_000_007) == shown
    assert format_time(None) == "-"


@pytest.mark.parametrize(("status", "kind"), [(0, "quiet"), (200, "good"), (404, "warn"), (503, "bad")])
def test_a_status_has_a_colour(status: int, kind: str) -> None:
    assert kind_of_status(status) == kind


@pytest.mark.parametrize(("separates", "text"), [(False, "12345"), (True, "12,345")])
def test_a_count_is_written_as_the_project_writes_numbers(separates: bool, text: str) -> None:
    with override_settings(USE_THOUSAND_SEPARATOR=separates):
        assert [format_count(number) for number in (0, 999, 12_345)] == ["0", "999", text]
