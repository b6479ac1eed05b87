"""The fields of action serializers: Django REST framework fields whose whole validation is one function of ``rules``.

Each is a subclass of the framework's field of its kind, so that an OpenAPI generator or a browsable form knows what it
is. Owns no rule of its own: ``checked_by`` is what both ``run_validation`` and the compiled schema call.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any, ClassVar

from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.fields import empty

from openclaw_webhooks.actions.rules import (
    MAX_WHOLE_NUMBER,
    Check,
    InvalidField,
    check_flag,
    check_json,
    check_text,
    check_whole_number,
    describe_mismatch,
    describe_options,
    make_nullable,
    make_option_check,
)


class ActionField(serializers.Field[Any, Any, Any, Any]):
    """What the fields of actions have in common; not for use by itself.

    Attributes:
        checked_by: Check of one value that was sent, null included; raises ``InvalidField``.
        missing: The text for a required field that was not sent.
    """

    checked_by: Check[object]
    missing: str
    required: bool

    def run_validation(self, data: Any = empty) -> Any:
        """Return the checked value of one field.

        Raises:
            ValidationError: It is not what the field asks for, or is missing.
            SkipField: It is missing and may be.
        """
        if data is empty:
            return self._run_without_value()
        try:
            value = self.checked_by(data)
        except InvalidField as problem:
            raise ValidationError(problem.message, code="invalid") from None
        self.run_validators(value)
        return value

    def _run_without_value(self) -> Any:
        """Leave absence to the framework, which knows partial updates and defaults."""
        self.error_messages = {**self.error_messages, "required": self.missing}
        return self.validate_empty_values(empty)[1]

    def _use(self, check: Check[Any], *, missing: str) -> None:
        """Set the rule of this field; called once, after the framework's ``__init__``."""
        self.checked_by = make_nullable(check) if self.allow_null else check
        self.missing = missing


class TextField(ActionField, serializers.CharField):
    """S of the contract: trimmed text of at least one character."""

    def __init__(self, **options: Any) -> None:
        """Take the options of ``CharField``; ``allow_null`` makes it S?n."""
        super().__init__(**options)
        self._use(check_text, missing=describe_mismatch("string", "undefined"))


class WholeNumberField(ActionField, serializers.IntegerField):
    """INT of the contract: a whole number from 0 to 2^53-1."""

    def __init__(self, **options: Any) -> None:
        """Take the options of ``IntegerField``."""
        super().__init__(min_value=0, max_value=MAX_WHOLE_NUMBER, **options)
        self._use(check_whole_number, missing=describe_mismatch("number", "undefined"))


class FlagField(ActionField, serializers.BooleanField):
    """A boolean, and nothing that merely looks like one."""

    def __init__(self, **options: Any) -> None:
        """Take the options of ``BooleanField``."""
        super().__init__(**options)
        self._use(check_flag, missing=describe_mismatch("boolean", "undefined"))


class JsonField(ActionField, serializers.JSONField):
    """JSON?n of the contract: any JSON value of finite numbers, null included."""

    def __init__(self, **options: Any) -> None:
        """Take the options of ``JSONField``; null is always a value."""
        super().__init__(allow_null=True, **options)
        self._use(check_json, missing=describe_mismatch("nonoptional", "undefined"))


class OptionField(ActionField, serializers.ChoiceField):
    """One of a closed set of texts."""

    def __init__(self, options: Iterable[StrEnum], **field_options: Any) -> None:
        """Take the members that are allowed, in the order in which errors and documents name them."""
        members = tuple(options)
        super().__init__(choices=[(member.value, member.value) for member in members], **field_options)
        self._use(make_option_check(members), missing=describe_options(members))


class ActionNameField(ActionField, serializers.ChoiceField):
    """The ``action`` of a body: one name for one serializer."""

    wire_name: ClassVar[str] = "action"

    def __init__(self, name: str, **options: Any) -> None:
        """Take the one name that fits."""
        super().__init__(choices=[name], **options)
        self.name = name
        self._use(self._check_name, missing=describe_names([name]))

    def _check_name(self, value: object) -> str:
        if value != self.name or not isinstance(value, str):
            raise InvalidField(self.missing)
        return value


def describe_names(names: Iterable[str]) -> str:
    """Say which actions there are."""
    return "Invalid discriminator value. Expected " + " | ".join(f"'{name}'" for name in names)
