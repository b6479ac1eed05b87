from __future__ import annotations

import json
import logging

from hypothesis import given
from hypothesis import strategies as st

from project.log_lines import KeyValueFormatter, quote


def format_record(message: str, *arguments: object, error: Exception | None = None) -> str:
    information = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord("a.logger", logging.WARNING, __file__, 1, message, arguments, information)
    record.created = 1_700_000_000.25
    return KeyValueFormatter().format(record)


def test_a_record_is_one_line_of_pairs() -> None:
    line = format_record("route %s is up", "zapier")
    assert line.startswith("time=2023-11-14T22:13:20.250Z level=warning logger=a.logger process=")
    assert line.endswith('message="route zapier is up"')


def test_a_traceback_stays_in_its_line() -> None:
    try:
        raise ValueError("over\nlines")
    except ValueError as error:
        line = format_record("failed", error=error)
    assert "\n" not in line
    assert "ValueError" in line.partition("exception=")[2]


@given(st.text())
def test_no_value_breaks_out_of_its_line(text: str) -> None:
    quoted = quote(text)
    assert len(quoted.splitlines()) <= 1
    assert quoted == text if not quoted.startswith('"') else json.loads(quoted) == text
