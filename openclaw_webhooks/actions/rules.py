"""What one value of a body may be: a check function per kind of field, and the words for what is wrong.

Each rule is written here once. The DRF fields and the compiled schemas call the same functions, so neither can accept
what the other refuses. A check returns the value as the rest of the app sees it or raises ``InvalidField``. Knows
neither Django nor HTTP.

Source: contract.md section 4. Texts follow the Gateway's wire texts, so that a caller who reads them sees no change.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from decimal import Decimal
from enum import StrEnum
from typing import Final, TypeAlias, TypeVar

from openclaw_webhooks.values import WHITE_SPACE, JsonValue

T = TypeVar("T")
Check: TypeAlias = Callable[[object], T]

MAX_WHOLE_NUMBER: Final = 2**53 - 1
"""The largest revision or time: beyond it JavaScript callers cannot count."""

_DOUBLE_BITS: Final = 53


class InvalidField(ValueError):
    """A value is not what its field asks for.

    Attributes:
        message: What is wrong, without the field's name and without the value.
    """

    def __init__(self, message: str) -> None:
        """Keep ``message`` for the answer."""
        super().__init__(message)
        self.message = message


def describe_type(value: object) -> str:
    """Return JSON's name for the type of ``value``."""
    if value is None:
        return "null"
    for kinds, name in _TYPE_NAMES:
        if isinstance(value, kinds):
            return name
    return "undefined"


_TYPE_NAMES: Final[tuple[tuple[type | tuple[type, ...], str], ...]] = (
    (bool, "boolean"),
    ((int, float), "number"),
    (str, "string"),
    ((list, tuple), "array"),
    (dict, "object"),
)


def describe_mismatch(expected: str, received: str) -> str:
    """Say that a value of one JSON type stands where another is expected."""
    return f"Invalid input: expected {expected}, received {received}"


def describe_options(options: Iterable[str]) -> str:
    """Say which values a closed set has."""
    return "Invalid option: expected one of " + "|".join(f'"{option}"' for option in options)


def describe_unknown_keys(keys: Iterable[str]) -> str:
    """Name every key that an action does not have, in the order in which they were sent."""
    names = [f'"{key}"' for key in keys]
    return f"Unrecognized key{'s' if len(names) > 1 else ''}: {', '.join(names)}"


def check_text(value: object) -> str:
    """Return text, trimmed of ``WHITE_SPACE``: at least one character, no NUL and no lone surrogate.

    NUL and surrogates are refused where the Gateway takes them, because neither PostgreSQL nor UTF-8 can hold them.
    """
    if not isinstance(value, str):
        raise InvalidField(describe_mismatch("string", describe_type(value)))
    text = value.strip(WHITE_SPACE)
    if not text:
        raise InvalidField("Too small: expected string to have >=1 characters")
    if "\0" in text:
        raise InvalidField("Invalid input: expected string without NUL characters")
    if not text.isascii() and not _is_encodable(text):
        raise InvalidField("Invalid input: expected string without lone surrogates")
    return text


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_whole_number(value: object) -> int:
    """Return a whole number from 0 to ``MAX_WHOLE_NUMBER``; ``1.0`` counts as 1, ``True`` does not."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidField(describe_mismatch("number", describe_type(value)))
    if not isinstance(value, int):
        value = _to_whole(value)
    if 0 <= value <= MAX_WHOLE_NUMBER:
        return value
    if value > MAX_WHOLE_NUMBER:
        raise InvalidField(f"Too big: expected int to be <={MAX_WHOLE_NUMBER}")
    if value < -MAX_WHOLE_NUMBER:
        raise InvalidField(f"Too small: expected int to be >=-{MAX_WHOLE_NUMBER}")
    raise InvalidField("Too small: expected number to be >=0")


def _to_whole(value: float) -> int:
    if not math.isfinite(value):
        raise InvalidField(describe_mismatch("number", "number"))
    if not value.is_integer():
        raise InvalidField(describe_mismatch("int", "number"))
    return int(value)


def check_flag(value: object) -> bool:
    """Return a boolean; neither 0 nor ``"yes"`` is one."""
    if not isinstance(value, bool):
        raise InvalidField(describe_mismatch("boolean", describe_type(value)))
    return value


def check_json(value: object) -> JsonValue:
    """Return any JSON value whose numbers are all finite.

    ``value`` has to come from a JSON parser, or be built of the same types.
    """
    if _has_number(value, float, _is_infinite):
        raise InvalidField("Invalid input")
    return value  # type: ignore[return-value]


def check_exact_as_double(value: JsonValue) -> None:
    """Refuse a JSON value that an engine of JavaScript would hand back with another whole number in it.

    Raises:
        InvalidField: Some whole number, written as JavaScript writes the double nearest to it, is another number.
    """
    if _has_number(value, int, _is_altered_by_double):
        raise InvalidField(f"Invalid input: expected whole numbers within {2**_DOUBLE_BITS}, which this engine keeps")


def make_option_check(options: Iterable[StrEnum]) -> Check[StrEnum]:
    """Return the check of a closed set of texts; it returns the enum's member."""
    members = {option.value: option for option in options}
    message = describe_options(members)

    def check_option(value: object) -> StrEnum:
        member = members.get(value) if isinstance(value, str) else None
        if member is None:
            raise InvalidField(message)
        return member

    return check_option


def make_nullable(check: Check[T]) -> Check[T | None]:
    """Return ``check`` widened by null."""

    def check_or_null(value: object) -> T | None:
        return None if value is None else check(value)

    return check_or_null


def to_shortest_whole(value: float) -> int:
    """Return a whole double as the integer that JavaScript writes for it: the shortest digits, then zeros."""
    return int(value) if abs(value) <= MAX_WHOLE_NUMBER else int(Decimal(repr(value)))


def _is_infinite(value: float) -> bool:
    return not math.isfinite(value)


def _is_altered_by_double(value: int) -> bool:
    try:
        return value.bit_length() > _DOUBLE_BITS and to_shortest_whole(float(value)) != value
    except OverflowError:
        return True


def _has_number(value: object, kind: type[T], is_faulty: Callable[[T], bool]) -> bool:
    """Search a JSON value for a faulty number; a flat one of 100,000 items costs two passes in C, no recursion."""
    pending = [value]
    while pending:
        item = pending.pop()
        if type(item) is kind:
            if is_faulty(item):
                return True
        elif isinstance(item, dict | list):
            children = list(item.values()) if isinstance(item, dict) else item
            if not _LEAVES_OF[kind].issuperset(map(type, children)):
                pending.extend(children)
    return False


_LEAVES_OF: Final[dict[type, frozenset[type]]] = {
    float: frozenset({str, int, bool, type(None)}),
    int: frozenset({str, float, bool, type(None)}),
}
"""Types that a search for numbers of the key's type may pass over."""
