"""A JSON value becomes an action or the first fault: the serializers' declared fields, compiled once per class.

Django REST framework copies every field of a serializer for every request, which costs ten times what the checks
themselves cost. This module reads the declarations once and then only calls their checks. It owns the order in which
faults are named, and no rule.

Source: contract.md section 4; performance.md ("Where the time goes").
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from openclaw_webhooks.actions.fields import ActionField, ActionNameField, describe_names
from openclaw_webhooks.actions.names import to_wire_name
from openclaw_webhooks.actions.rules import (
    Check,
    InvalidField,
    check_exact_as_double,
    describe_mismatch,
    describe_type,
    describe_unknown_keys,
)
from openclaw_webhooks.actions.serializers import ACTION_SERIALIZERS, ActionSerializer
from openclaw_webhooks.actions.values import Action, Fault
from openclaw_webhooks.values import UNSET, JsonValue


@dataclass(frozen=True, slots=True)
class CompiledSchema:
    """One serializer class, read once.

    Attributes:
        fields: Wire name, Python name, check, and the text if it is missing (``None``: it may be), in declared order.
        wire_names: The names of ``fields`` and ``action``.
        check_together: The serializer's rule between fields.
        value_class: What a valid body becomes.
    """

    name: str
    fields: tuple[tuple[str, str, Check[Any], str | None], ...]
    wire_names: frozenset[str]
    check_together: Callable[[Mapping[str, object]], tuple[str, str] | None]
    value_class: Callable[..., Action]

    def parse(self, body: dict[str, JsonValue]) -> Action | Fault:
        """Return the action of a body whose ``action`` is this one, or its first fault."""
        given: dict[str, object] = {}
        wire_name = ""
        try:
            for wire_name, name, check, missing in self.fields:
                value = body.get(wire_name, UNSET)
                if value is not UNSET:
                    given[name] = check(value)
                elif missing is not None:
                    return Fault(wire_name, missing, self.name)
        except InvalidField as problem:
            return Fault(wire_name, problem.message, self.name)
        if len(given) + 1 != len(body):
            unknown = [key for key in body if key not in self.wire_names]
            return Fault("", describe_unknown_keys(unknown), self.name)
        fault = self.check_together(body)
        return self.value_class(**given) if fault is None else Fault(*fault, self.name)


def compile_schema(serializer_class: type[ActionSerializer]) -> CompiledSchema:
    """Read the declarations of a serializer class."""
    fields = dict(serializer_class().fields)
    return CompiledSchema(
        name=serializer_class.value_class.name,
        fields=tuple(
            (wire_name, field.source or wire_name, field.checked_by, field.missing if field.required else None)
            for wire_name, field in fields.items()
            if isinstance(field, ActionField) and not isinstance(field, ActionNameField)
        ),
        wire_names=frozenset(fields),
        check_together=serializer_class.check_together,
        value_class=serializer_class.value_class,
    )


@cache
def _compile_schemas() -> dict[str, CompiledSchema]:
    """Compile at the first request, because building a serializer may read Django's settings."""
    return {cls.value_class.name: compile_schema(cls) for cls in ACTION_SERIALIZERS}


def parse_action(value: JsonValue) -> Action | Fault:
    """Return the action that a body asks for, or why it is none.

    Args:
        value: The body as ``guards.json_body.parse_json`` gives it.
    """
    if not isinstance(value, dict):
        return Fault("", describe_mismatch("object", describe_type(value)))
    schemas = _compile_schemas()
    name = value.get(ActionNameField.wire_name)
    schema = schemas.get(name) if isinstance(name, str) else None
    if schema is None:
        return Fault(ActionNameField.wire_name, describe_names(schemas))
    return schema.parse(value)


def check_whole_numbers(action: Action) -> Fault | None:
    """Find the first JSON field with a whole number that a double would alter.

    For engines that do not keep such numbers (``EngineCapabilities.keeps_whole_numbers``); no other calls it.
    """
    for name in ("state_json", "wait_json"):
        value = getattr(action, name, UNSET)
        try:
            if value is not UNSET:
                check_exact_as_double(value)
        except InvalidField as problem:
            return Fault(to_wire_name(name), problem.message, action.name)
    return None
