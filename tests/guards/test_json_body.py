"""``parse_json``: any bytes become a JSON value or ``BodyNotJson``, and numbers come out as JavaScript writes them."""

from __future__ import annotations

import contextlib
import json
import math
import time
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from openclaw_webhooks.exceptions import BodyNotJson
from openclaw_webhooks.guards.json_body import MAX_DEPTH, parse_json

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=10,
)
JSON_LIKE = st.text(alphabet='[]{}":,.eE+-0123456789 \t\n\r\\utrfalsn\ufeff\x00é', max_size=40)


@given(st.binary(max_size=60) | JSON_LIKE.map(str.encode))
@example(b"")
@example(b"\xef\xbb\xbf")
@example(b"[" * 100_000)
@example(b'{"a":' * 50_000)
@example(b"9" * 5000)
@example(b"-" + b"9" * 5000)
@example(b"[" * 150 + b"9" * 5000 + b"]" * 150)
@example(b"1e" + b"9" * 5000)
@example(b'"\\ud800"')
def test_any_bytes_are_a_value_or_body_not_json(body: bytes) -> None:
    try:
        value = parse_json(body)
    except BodyNotJson:
        return
    json.dumps(value)


@given(JSON_VALUES)
def test_every_json_value_is_read_as_what_was_written(value: Any) -> None:
    written = json.dumps(value)
    read = parse_json(written.encode())
    assert as_doubles(json.dumps(read)) == as_doubles(written)


def as_doubles(text: str) -> Any:
    """Read JSON as JavaScript does, to whom 1 and 1.0 are the same."""
    return json.loads(text, parse_int=float)


@given(JSON_VALUES)
def test_what_was_read_is_written_and_read_the_same(value: Any) -> None:
    read = parse_json(json.dumps(value).encode())
    assert parse_json(json.dumps(read).encode()) == read


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"   ",
        b"{",
        b"{'a':1}",
        b'{"a":1,}',
        b"[1,]",
        b"01",
        b"+1",
        b".5",
        b"1.",
        b"-",
        b"0x1",
        b"NaN",
        b"Infinity",
        b"-Infinity",
        b'{"a":NaN}',
        b"[-Infinity]",
        b'"a\x01b"',
        b'"a\nb"',
        b"[]x",
        b"[] []",
        b"[]\x00",
        b"\x0b[]",
        b"\xc2\xa0[]",
        b'"\xff"',
        b'"\xed\xa0\x80"',
        b'"\xc0\x80"',
        b"\xff\xfe[\x00]\x00",
        b"\xef\xbb\xbf\xef\xbb\xbf[]",
        b"true false",
        b"nul",
    ],
)
def test_what_is_not_json_is_refused(body: bytes) -> None:
    with pytest.raises(BodyNotJson):
        parse_json(body)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"\xef\xbb\xbf[]", []),
        (b"\xef\xbb\xbf \n[] \t\r\n", []),
        (b'{"a":1,"a":2}', {"a": 2}),
        (b'"\xf0\x9f\xa6\x80"', "\U0001f980"),
        (b'"\\ud83e\\udd80"', "\U0001f980"),
        (b'"\\ud800"', "\ud800"),
        (b'"\\u0000"', "\0"),
        (b'"\x7f"', "\x7f"),
        (b" null ", None),
    ],
)
def test_what_is_json_is_read(body: bytes, value: Any) -> None:
    assert parse_json(body) == value


@pytest.mark.parametrize(
    ("literal", "written"),
    [
        ("1.0", "1"),
        ("-0.0", "0"),
        ("-0", "0"),
        ("1E5", "100000"),
        ("1e20", "100000000000000000000"),
        ("1e21", "1e+21"),
        ("0.5", "0.5"),
        ("1e-400", "0"),
        ("9007199254740993", "9007199254740993"),
        ("9007199254740993.0", "9007199254740992"),
        ("1.152921504606846976e18", "1152921504606847000"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("9" * 308, "9" * 308),
        ("1" + "0" * 308, "1" + "0" * 308),
    ],
)
@pytest.mark.parametrize("frame", ["%s", "[%s]", '{"a":%s}'])
def test_numbers_are_exact_and_written_as_javascript_does(frame: str, literal: str, written: str) -> None:
    value = parse_json((frame % literal).encode())
    assert json.dumps(value, separators=(",", ":")) == frame % written


@pytest.mark.parametrize("literal", ["1e400", "9" * 309, "9" * 400, "9" * 5000, "-" + "9" * 10_000, "-1e400"])
def test_a_number_beyond_the_doubles_is_infinite(literal: str) -> None:
    value = parse_json(f"[{literal}]".encode())
    assert isinstance(value, list)
    assert value[0] == math.copysign(math.inf, -1 if literal.startswith("-") else 1)


def test_long_digits_in_text_do_not_change_the_numbers_beside_them() -> None:
    text = "1" * 400
    assert parse_json(json.dumps({"a": text, "b": 7}).encode()) == {"a": text, "b": 7}


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_nesting_ends_at_its_limit(opening: str) -> None:
    closing = "]" if opening == "[" else "}"
    at_limit = opening * (MAX_DEPTH - 1) + "[]" + closing * (MAX_DEPTH - 1)
    parse_json(at_limit.encode())
    with pytest.raises(BodyNotJson):
        parse_json((opening + at_limit + closing).encode())


def test_many_brackets_side_by_side_or_in_text_are_no_depth() -> None:
    assert len(parse_json(b"[" + b"[]," * 1000 + b"[]]") or []) == 1001  # type: ignore[arg-type]
    assert parse_json(b'"' + b"[" * 1000 + b'"') == "[" * 1000


@pytest.mark.parametrize(
    "body",
    [
        b" " * 262_144,
        b"[" * 262_144,
        b"[" + b"9" * 262_000 + b"]",
        b"[" + (b"9" * 308 + b",") * 840 + b"9]",
        b"[" + (b"9" * 309 + b",") * 840 + b"9]",
        b"[" + b"[]," * 80_000 + b"1]",
        b"[" + b"1.0," * 60_000 + b"1]",
        b"0." + b"1" * 262_000,
    ],
    ids=["spaces", "depth", "digits", "long", "too-long", "pairs", "floats", "fraction"],
)
def test_the_worst_body_of_the_largest_size_takes_no_noticeable_time(body: bytes) -> None:
    started = time.perf_counter()
    with contextlib.suppress(BodyNotJson):
        parse_json(body)
    assert time.perf_counter() - started < 2


def test_a_refusal_does_not_quote_the_body() -> None:
    with pytest.raises(BodyNotJson) as caught:
        parse_json(b'{"password":"canary-4711"')
    assert "canary" not in str(caught.value)
    assert caught.value.__suppress_context__
