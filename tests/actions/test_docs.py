"""docs/actions.md says what the code does: actions, fields, views and codes."""

from __future__ import annotations

import json
import pathlib
import re

import pytest

from openclaw_webhooks.actions.fields import ActionField, FlagField, JsonField, OptionField, TextField, WholeNumberField
from openclaw_webhooks.actions.schema import parse_action
from openclaw_webhooks.actions.serializers import ACTION_SERIALIZERS, ActionSerializer
from openclaw_webhooks.actions.values import Fault
from openclaw_webhooks.outcomes import INVALID_REQUEST
from openclaw_webhooks.outcomes.table import (
    CANCEL_REFUSALS,
    CREATE_REJECTED,
    ENGINE_UNAVAILABLE,
    MUTATION_REFUSALS,
    OUTCOME_UNKNOWN,
    PERSIST_FAILED,
    REQUEST_REJECTED,
    RUN_TASK_REFUSALS,
)
from tests.outcomes.views import FULL_FLOW_KEYS, FULL_TASK_KEYS

PAGE = (pathlib.Path(__file__).resolve().parents[2] / "docs/actions.md").read_text(encoding="utf-8")
KINDS: dict[type, str] = {
    TextField: "text",
    WholeNumberField: "whole number",
    FlagField: "boolean",
    JsonField: "JSON",
}
CODES_OF = {
    "create_flow": {PERSIST_FAILED, CREATE_REJECTED},
    "set_waiting": {code.value for code in MUTATION_REFUSALS},
    "cancel_flow": {code.value for code in CANCEL_REFUSALS},
    "run_task": {code.value for code in RUN_TASK_REFUSALS},
}


def section(title: str) -> str:
    """The text under one heading."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, f"docs/actions.md has no section {title!r}"
    return found[1]


def rows(title: str) -> list[list[str]]:
    """The first table under one heading, without its head."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def describe(field: ActionField) -> str:
    """The kind of a field as the page says it."""
    if isinstance(field, OptionField):
        return " ".join(f"`{choice}`" for choice in field.choices)
    return KINDS[type(field)] + (" or null" if field.allow_null else "")


def test_every_action_is_listed_in_order() -> None:
    listed = [re.sub(r"\[`(\w+)`\]\(#\1\)", r"\1", row[0]) for row in rows("The actions")]
    assert listed == [cls.value_class.name for cls in ACTION_SERIALIZERS]


@pytest.mark.parametrize("serializer_class", ACTION_SERIALIZERS, ids=lambda cls: cls.value_class.name)
def test_the_fields_of_an_action_are_its_serializers(serializer_class: type[ActionSerializer]) -> None:
    fields = {name: field for name, field in serializer_class().fields.items() if name != "action"}
    expected = [
        [f"`{name}`", describe(field), "yes" if field.required else "no"]
        for name, field in fields.items()
        if isinstance(field, ActionField)
    ]
    assert [row[:3] for row in rows(serializer_class.value_class.name)] == expected
    if not fields:
        assert section(serializer_class.value_class.name).strip().startswith("No fields.")


@pytest.mark.parametrize("serializer_class", ACTION_SERIALIZERS, ids=lambda cls: cls.value_class.name)
def test_the_example_of_an_action_is_one(serializer_class: type[ActionSerializer]) -> None:
    name = serializer_class.value_class.name
    examples = re.findall(r"^curl … -d '(.*)'$", section(name), re.MULTILINE)
    assert examples
    for example in examples:
        action = parse_action(json.loads(example))
        assert not isinstance(action, Fault)
        assert action.name == name


@pytest.mark.parametrize("name", CODES_OF)
def test_the_codes_of_an_action_are_the_tables(name: str) -> None:
    line = re.search(r"^Codes: (.*)\.$", section(name), re.MULTILINE)
    assert line
    assert set(re.findall(r"`(\w+)`", line[1])) == CODES_OF[name]


def test_every_code_is_explained_with_its_status() -> None:
    expected = {INVALID_REQUEST: 400, REQUEST_REJECTED: 409, CREATE_REJECTED: 409}
    expected |= {ENGINE_UNAVAILABLE: 503, OUTCOME_UNKNOWN: 503}
    for table in (MUTATION_REFUSALS, CANCEL_REFUSALS, RUN_TASK_REFUSALS):
        expected |= {code.value: int(refusal.status) for code, refusal in table.items()}
    assert {row[0].strip("`"): int(row[1]) for row in rows("Codes")} == expected


@pytest.mark.parametrize(("title", "keys"), [("Flows", FULL_FLOW_KEYS), ("Tasks", FULL_TASK_KEYS)])
def test_the_keys_of_a_view_are_listed_in_order(title: str, keys: list[str]) -> None:
    assert [row[0].strip("`") for row in rows(title)] == keys
