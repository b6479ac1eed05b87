"""Every way in which a call can fail says what to do."""

from __future__ import annotations

import pytest

from openclaw_webhooks import refusals
from openclaw_webhooks.calls.advice import advise
from openclaw_webhooks.calls.record import Step
from openclaw_webhooks.outcomes.table import ENGINE_UNAVAILABLE, OUTCOME_UNKNOWN, PERSIST_FAILED
from openclaw_webhooks.refusals import Refusal

REFUSALS = [each for each in vars(refusals).values() if isinstance(each, Refusal)]


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: f"{refusal.step}-{int(refusal.status)}")
def test_every_refusal_says_what_to_do(refusal: Refusal) -> None:
    text = advise(route_id="ci", status=refusal.status, refused_by=refusal.step, code=refusal.code)
    assert text
    assert text.endswith(".")
    assert "{" not in text


def test_refusals_that_are_mended_in_different_ways_are_told_apart() -> None:
    told = {advise(route_id="ci", status=each.status, refused_by=each.step, code=each.code) for each in REFUSALS}
    assert len(told) == len(REFUSALS) - 1  # HEAD is refused as any other method


@pytest.mark.parametrize("code", [PERSIST_FAILED, ENGINE_UNAVAILABLE, OUTCOME_UNKNOWN])
def test_what_the_engine_could_not_do_says_where_to_look(code: str) -> None:
    assert "webhooks_check --all" in (advise(route_id="ci", status=503, code=code) or "")


def test_a_conflict_names_the_command_that_names_the_writers() -> None:
    text = advise(route_id="ci", status=409, code="revision_conflict", flow_id="flow-1")
    assert "webhooks_flows history ci flow-1" in (text or "")


def test_a_schema_fault_and_a_defect_are_told_too() -> None:
    assert "error names the field" in (advise(route_id="ci", status=400, refused_by=Step.SCHEMA) or "")
    assert "traceback" in (advise(route_id="ci", status=500) or "")


@pytest.mark.parametrize(("status", "code"), [(200, None), (202, "cancel_pending"), (404, "not_found")])
def test_nothing_is_said_where_nothing_is_to_be_done(status: int, code: str | None) -> None:
    assert advise(route_id="ci", status=status, code=code) is None
