"""Tables of the docs are the code's: checks, commands with their options, refusals, fields of a route and of a call.

Those of settings, environment variables, actions, codes and metrics are compared beside the tests of what they list.
"""

from __future__ import annotations

import argparse
import dataclasses
import re
from collections.abc import Iterator

import pytest
from django.core.management import get_commands, load_command_class
from django.core.management.base import BaseCommand
from django.dispatch import Signal

from openclaw_webhooks import checks, limit_checks, refusals, signals
from openclaw_webhooks.calls.journey import PHASES
from openclaw_webhooks.calls.record import CallRecord, Step
from openclaw_webhooks.monitoring.call_log import describe_call
from openclaw_webhooks.refusals import Refusal
from tests.calls.builders import build_record
from tests.live import ROOT

REFUSALS = [each for each in vars(refusals).values() if isinstance(each, Refusal)]
COMMANDS = sorted(name for name in get_commands() if name.startswith("webhooks_"))


def read(page: str) -> str:
    return (ROOT / "docs" / page).read_text(encoding="utf-8")


def rows(page: str, heading: str) -> list[list[str]]:
    """Return the rows of the table whose head begins with ``heading``, without the head."""
    lines = read(page).splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith(f"| {heading} |"))
    table = [*lines[first + 2 :], ""]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in table[: table.index("")] if line]


def list_options(parser: argparse.ArgumentParser, known: set[str]) -> Iterator[str]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                yield from list_options(each, known)
        elif action.option_strings and not known & set(action.option_strings):
            yield action.option_strings[-1]


def options_of(command: str) -> list[str]:
    """Return what a command takes beside what every command of Django does."""
    known = set(BaseCommand().create_parser("manage.py", "any")._option_string_actions)
    parser = load_command_class(get_commands()[command], command).create_parser("manage.py", command)
    return sorted(set(list_options(parser, known)))


def test_every_check_is_listed_and_no_other() -> None:
    ids = {*checks.ERROR_IDS.values(), *checks.WARNING_IDS.values(), *limit_checks.IDS}
    ids |= {checks.UNRESOLVED_ID, checks.PREFIX_ID, checks.MIDDLEWARE_ID}
    listed = [row[0].strip("`") for row in rows("configuration.md", "id")]
    assert listed == sorted(ids)


def test_every_command_is_listed_with_its_options() -> None:
    listed = {
        re.findall(r"`(\w+)", row[0])[0]: re.findall(r"`(--[\w-]+)`", row[1]) for row in rows("commands.md", "command")
    }
    assert listed == {command: options_of(command) for command in COMMANDS}


@pytest.mark.parametrize("command", COMMANDS)
def test_no_page_names_an_option_that_a_command_lacks(command: str) -> None:
    every = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md"))
    common = {"--help", "--skip-checks", "--no-color"}
    for line in re.findall(rf"{command}\b[^`\n|]*", every):
        assert set(re.findall(r"(?<=\s)--[\w-]+", line)) <= {*options_of(command), *common}, line


def test_the_options_of_pruning_are_explained() -> None:
    listed = [re.match(r"`(--[\w-]+)", row[0]) for row in rows("engines.md", "option") if row[0].startswith("`--")]
    assert sorted(match[1] for match in listed if match) == options_of("webhooks_prune")


def test_every_refusal_is_listed_in_the_order_of_the_pipeline() -> None:
    listed = [(int(row[0]), row[1].strip("`")) for row in rows("actions.md", "status")]
    steps = list(Step)
    order: dict[tuple[int, str], int] = {}
    for each in sorted(REFUSALS, key=lambda refusal: steps.index(refusal.step)):
        if each.text:
            order.setdefault((int(each.status), each.text), steps.index(each.step))
    assert set(listed) == set(order)
    assert [order[each] for each in listed] == sorted(order.values())


def test_every_status_of_a_refusal_has_its_line_in_troubleshooting() -> None:
    text = "\n".join(row[0] for row in rows("troubleshooting.md", "answer"))
    for each in REFUSALS:
        assert str(int(each.status)) in text


def test_every_phase_of_a_call_is_named() -> None:
    named = re.findall(r"`(\w+)`", read("observability.md").partition("one below it for each of its phases:")[2])
    assert named[: len(PHASES)] == [phase.value for phase in PHASES]


def test_every_field_of_a_line_of_log_is_listed() -> None:
    assert [row[0].strip("`") for row in rows("observability.md", "field")] == list(describe_call(build_record()))


def test_every_attribute_of_a_call_that_signals_hand_out_is_listed() -> None:
    listed = [
        name for row in rows("observability.md", "attribute of `call`") for name in re.findall(r"`(\w+)`", row[0])
    ]
    assert sorted(listed) == sorted(field.name for field in dataclasses.fields(CallRecord))


def test_every_signal_is_listed() -> None:
    listed = [name for row in rows("observability.md", "signal") for name in re.findall(r"`(\w+)`", row[0])]
    assert sorted(listed) == sorted(name for name, value in vars(signals).items() if isinstance(value, Signal))
