"""Each kind of field: what it takes, what it makes of it, and how it says no."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw_webhooks.actions.names import to_wire_name
from openclaw_webhooks.actions.rules import (
    WHITE_SPACE,
    InvalidField,
    check_exact_as_double,
    check_flag,
    check_json,
    check_text,
    check_whole_number,
    describe_type,
    make_nullable,
    make_option_check,
)
from openclaw_webhooks.engines.records import TaskRuntime

TRIMMED = [0x9, 0xA, 0xB, 0xC, 0xD, 0x20, 0xA0, 0x1680, *range(0x2000, 0x200B)]
TRIMMED += [0x2028, 0x2029, 0x202F, 0x205F, 0x3000, 0xFEFF]


def message_of(check: Any, value: Any) -> str:
    with pytest.raises(InvalidField) as caught:
        check(value)
    return caught.value.message


def test_the_white_space_of_text_is_exactly_the_contracts() -> None:
    kept = "".join(chr(point) for point in range(1, 0x110000) if not 0xD800 <= point < 0xE000)
    blank = [ord(character) for character in kept if not character.strip(WHITE_SPACE)]
    assert blank == TRIMMED
    assert check_text(WHITE_SPACE + "x y" + WHITE_SPACE) == "x y"


@pytest.mark.parametrize("text", ["", " ", "\ufeff\u2029", "\t\n\v\f\r"])
def test_blank_text_is_too_small(text: str) -> None:
    assert message_of(check_text, text) == "Too small: expected string to have >=1 characters"


@pytest.mark.parametrize("text", ["\0", "a\0b", "a\ud800b", "\udfff", " \ud83e "])
def test_text_that_no_database_can_hold_is_refused(text: str) -> None:
    assert message_of(check_text, text).startswith("Invalid input: expected string without ")


@given(st.text())
def test_text_is_trimmed_or_refused(text: str) -> None:
    try:
        trimmed = check_text(text)
    except InvalidField:
        return
    assert trimmed in text
    assert check_text(trimmed) == trimmed
    trimmed.encode()


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (None, "null"),
        (True, "boolean"),
        (1, "number"),
        (1.5, "number"),
        ([], "array"),
        ({}, "object"),
        ("", "string"),
        (object(), "undefined"),
    ],
)
def test_types_have_the_names_of_json(value: Any, name: str) -> None:
    assert describe_type(value) == name
    if name != "string":
        assert message_of(check_text, value) == f"Invalid input: expected string, received {name}"
    if name != "boolean":
        assert message_of(check_flag, value) == f"Invalid input: expected boolean, received {name}"
    if name != "number":
        assert message_of(check_whole_number, value) == f"Invalid input: expected number, received {name}"


@pytest.mark.parametrize(("value", "number"), [(0, 0), (1.0, 1), (-0.0, 0), (2**53 - 1, 2**53 - 1)])
def test_whole_numbers_are_taken(value: Any, number: int) -> None:
    result = check_whole_number(value)
    assert result == number
    assert type(result) is int


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (-1, "Too small: expected number to be >=0"),
        (-(2**53), "Too small: expected int to be >=-9007199254740991"),
        (2**53, "Too big: expected int to be <=9007199254740991"),
        (1e21, "Too big: expected int to be <=9007199254740991"),
        (0.5, "Invalid input: expected int, received number"),
        (math.inf, "Invalid input: expected number, received number"),
        (math.nan, "Invalid input: expected number, received number"),
    ],
)
def test_other_numbers_are_refused(value: Any, message: str) -> None:
    assert message_of(check_whole_number, value) == message


@pytest.mark.parametrize("value", [True, False])
def test_flags_are_booleans(value: bool) -> None:
    assert check_flag(value) is value


@pytest.mark.parametrize("frame", [lambda v: v, lambda v: [v], lambda v: {"a": [1, {"b": [v, "x"]}]}])
@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan])
def test_a_number_that_is_not_finite_is_found_wherever_it_lies(frame: Any, number: float) -> None:
    assert message_of(check_json, frame(number)) == "Invalid input"


@pytest.mark.parametrize("value", [None, 1.5, [1, "a", True], {"a": {"b": []}}, "a\0\ud800", 2**70, []])
def test_json_is_anything_else_untouched(value: Any) -> None:
    assert check_json(value) is value


@pytest.mark.parametrize("number", [2**53 + 1, -(2**53) - 1, 2**60, 12345678901234567890, 10**400])
def test_whole_numbers_that_a_double_alters_are_found(number: int) -> None:
    message = message_of(check_exact_as_double, {"a": [1.5, "x", number]})
    assert "9007199254740992" in message


@pytest.mark.parametrize("number", [0, 2**53, -(2**53), 10**20, 1152921504606847000, 1e300, True])
def test_whole_numbers_that_a_double_keeps_pass(number: Any) -> None:
    check_exact_as_double([{"a": number}])


def test_options_become_members_and_nothing_else_passes() -> None:
    check = make_option_check([TaskRuntime.SUBAGENT, TaskRuntime.ACP])
    assert check("acp") is TaskRuntime.ACP
    for value in ("cli", "ACP", " acp", None, 1, [], {}):
        assert message_of(check, value) == 'Invalid option: expected one of "subagent"|"acp"'


def test_null_passes_only_where_it_may() -> None:
    assert make_nullable(check_text)(None) is None
    assert make_nullable(check_text)(" a ") == "a"


@pytest.mark.parametrize(
    ("name", "wire_name"),
    [("goal", "goal"), ("flow_id", "flowId"), ("last_event_at", "lastEventAt"), ("created_at_ms", "createdAt")],
)
def test_names_cross_to_the_wire(name: str, wire_name: str) -> None:
    assert to_wire_name(name) == wire_name
