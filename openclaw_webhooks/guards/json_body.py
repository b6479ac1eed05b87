"""The body as JSON: strict, bounded in depth, and exact in whole numbers.

Owns the way from bytes to a value; what the value must look like is for the actions' schemas. The limits hold for any
bytes at all: nothing but ``BodyNotJson`` gets out.

Source: contract.md section 3, step 7; RFC 8259. Numbers come out as the Gateway's JavaScript would write them again:
``1.0`` as 1, ``-0.0`` as 0. Deliberate differences from the Gateway, which decodes leniently: malformed UTF-8 and
white space other than JSON's are refused, whole numbers keep all their digits, nesting ends at 200.
"""

from __future__ import annotations

import math
import re
from json import JSONDecodeError
from json.decoder import JSONDecoder
from typing import Final, NoReturn

from openclaw_webhooks.actions.rules import to_shortest_whole
from openclaw_webhooks.exceptions import BodyNotJson
from openclaw_webhooks.values import JsonValue

MAX_DEPTH: Final = 200
"""How many arrays and objects may lie inside one another, the outermost included."""

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_LONG_DIGITS: Final = 309
"""A whole number of fewer digits has a finite double."""
_EXPONENT_FORM: Final = 1e21
"""Where JavaScript starts to write whole doubles with an exponent; below, they are whole numbers here."""
_DIGITS_AS_ZERO: Final = bytes(0x30 if 0x30 <= byte <= 0x39 else 0x20 for byte in range(256))


def parse_json(body: bytes) -> JsonValue:
    """Return the one JSON value that ``body`` is.

    A byte order mark is skipped; of duplicate keys the last wins. A number beyond the doubles is an infinite float,
    which the schemas refuse at its field.

    Raises:
        BodyNotJson: Anything else.
    """
    try:
        text = body.removeprefix(_BYTE_ORDER_MARK).decode()
        value = _decode(text, _has_long_digits(body))
    except (UnicodeDecodeError, JSONDecodeError, RecursionError):
        # Nothing of the parser's own report goes on: it quotes the body.
        raise BodyNotJson("the body is not JSON") from None
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH and _is_deeper_than(value, MAX_DEPTH):
        raise BodyNotJson(f"the body nests more than {MAX_DEPTH} deep")
    return value


def _decode(text: str, has_long_digits: bool) -> JsonValue:
    """Decode one value and what JSON calls white space around it."""
    decoder = _EXACT_DECODER if has_long_digits else _DECODER
    value: JsonValue
    value, end = decoder.raw_decode(text, _skip_white_space(text, 0))
    if end != len(text) and _skip_white_space(text, end) != len(text):
        raise JSONDecodeError("Extra data", text, end)
    return value


def _skip_white_space(text: str, start: int) -> int:
    """Return where the white space from ``start`` on ends. Most bodies have none, so look before you match."""
    if text[start : start + 1] not in _WHITE_SPACE:
        return start
    match = _WHITE_SPACE_RUN.match(text, start)
    return start if match is None else match.end()


_WHITE_SPACE: Final = frozenset(" \t\n\r")
_WHITE_SPACE_RUN: Final = re.compile(r"[ \t\n\r]+")


def _has_long_digits(body: bytes) -> bool:
    """Tell whether some whole number may need a closer look; all other bodies are spared a hook per number."""
    return len(body) >= _LONG_DIGITS and b"0" * _LONG_DIGITS in body.translate(_DIGITS_AS_ZERO)


def _refuse_constant(literal: str) -> NoReturn:
    raise JSONDecodeError("Not a number of JSON", literal, 0)


def _parse_float(literal: str) -> int | float:
    value = float(literal)
    if value.is_integer() and abs(value) < _EXPONENT_FORM:
        return to_shortest_whole(value)
    return value


def _parse_long_int(literal: str) -> int | float:
    """Keep a whole number exactly where its double is finite, so that ``int`` never meets its limit of digits."""
    value = float(literal)
    return int(literal) if math.isfinite(value) else value


_DECODER: Final = JSONDecoder(parse_float=_parse_float, parse_constant=_refuse_constant)
_EXACT_DECODER: Final = JSONDecoder(
    parse_float=_parse_float, parse_int=_parse_long_int, parse_constant=_refuse_constant
)


def _is_deeper_than(value: JsonValue, depth: int) -> bool:
    """Descend level by level, never recursing, and keep only what can nest."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(depth):
        level = [child for item in level for child in _children(item) if isinstance(child, dict | list)]
    return bool(level)


def _children(item: list[JsonValue] | dict[str, JsonValue]) -> list[JsonValue]:
    return list(item.values()) if isinstance(item, dict) else item
