"""The order of the way, and what each refusal costs: the pipeline alone, driven by hand."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any, get_args

import pytest

from openclaw_webhooks import exchange, views
from openclaw_webhooks.calls.journey import PHASES, SKIPPED_MARK
from openclaw_webhooks.calls.record import CallRecord, Step
from openclaw_webhooks.conf.routes import RouteConfig
from openclaw_webhooks.effects import (
    Answer,
    Authenticate,
    CountRequest,
    Effect,
    GiveSlotBack,
    ReceiveJson,
    RunAction,
    TakeSlot,
)
from openclaw_webhooks.engines.base import EngineCapabilities
from openclaw_webhooks.exceptions import (
    BodyError,
    BodyNotJson,
    BodyTimeout,
    BodyTooLarge,
    ClientGone,
    LimitStoreUnavailable,
)
from openclaw_webhooks.guards.head import RequestHead
from openclaw_webhooks.guards.limits.base import Allowance, LimitKey, Limits, Verdict
from openclaw_webhooks.pipeline import Pipeline
from openclaw_webhooks.secrets.refs import InlineSecret

ROUTE = RouteConfig(
    route_id="zapier",
    path="/plugins/webhooks/zapier",
    session_key="agent:main:main",
    secret=InlineSecret("s"),
    controller_id="webhooks/zapier",
)
HEAD = RequestHead(method="POST", headers={"content-type": "application/json"}, peer="192.0.2.1")
PASSES = Verdict(allowed=True)
ORDER = (CountRequest, TakeSlot, Authenticate, ReceiveJson, RunAction, GiveSlotBack)


class Records(list[CallRecord]):
    """A sink that keeps what it is given."""

    def add(self, record: CallRecord) -> None:
        self.append(record)


class HeldLease:
    """A slot that notes when it was given back."""

    released = 0
    renewed = 0

    def renew(self) -> None:
        self.renewed += 1

    def release(self) -> None:
        self.released += 1


class NothingThere:
    """An engine whose sessions are empty."""

    capabilities = EngineCapabilities(reports_tasks=False, prunes=False, keeps_history=False, keeps_whole_numbers=True)

    def bind_session(self, session_key: str) -> NothingThere:
        assert session_key == ROUTE.session_key
        return self

    def get_flow(self, flow_id: str) -> None:
        return None


class Drive:
    """Drives one call by a table of results; an exception in the table is thrown in."""

    def __init__(self, **results: Any) -> None:
        self.lease = HeldLease()
        self.effects: list[Effect] = []
        self.records = Records()
        self.results: dict[str, Any] = {
            "CountRequest": PASSES,
            "TakeSlot": self.lease,
            "Authenticate": True,
            "ReceiveJson": {"action": "get_flow", "flowId": "none"},
        } | results
        self.pipeline = Pipeline(engine=NothingThere(), sink=self.records)  # type: ignore[arg-type]

    def run(self, head: RequestHead = HEAD) -> Answer:
        steps = self.pipeline.serve(ROUTE, head)
        try:
            effect = next(steps)
            while True:
                self.effects.append(effect)
                result = self.answer(effect)
                effect = steps.throw(result) if isinstance(result, Exception) else steps.send(result)
        except StopIteration as end:
            answer: Answer = end.value
            return answer

    def answer(self, effect: Effect) -> Any:
        if isinstance(effect, RunAction):
            return effect.run()
        if isinstance(effect, GiveSlotBack):
            return effect.lease.release()
        return self.results[type(effect).__name__]

    @property
    def record(self) -> CallRecord:
        (record,) = self.records
        return record


def test_asks_for_one_thing_after_another() -> None:
    drive = Drive()
    answer = drive.run()
    assert tuple(type(effect) for effect in drive.effects) == ORDER
    assert (answer.status, json.loads(answer.body)) == (
        200,
        {"ok": True, "routeId": "zapier", "result": {"flow": None}},
    )
    assert drive.effects[0] == CountRequest(LimitKey(ROUTE.path, "192.0.2.1"))
    assert drive.record.refused_by is None
    assert drive.record.engine_us is not None
    assert len(drive.record.marks) == len(PHASES) - 1
    assert drive.record.marks == sorted(drive.record.marks)


REFUSALS: list[tuple[dict[str, Any], RequestHead, int, int, Step, bool]] = [
    # what each step says, the head, how many effects were asked for, status, step, whether the connection closes
    ({}, dataclasses.replace(HEAD, method="PUT"), 0, 405, Step.METHOD, False),
    ({}, dataclasses.replace(HEAD, headers={"content-type": "text/plain"}), 0, 415, Step.MEDIA_TYPE, False),
    ({"CountRequest": Verdict(False, 7)}, HEAD, 1, 429, Step.RATE_LIMIT, False),
    ({"CountRequest": LimitStoreUnavailable()}, HEAD, 1, 503, Step.RATE_LIMIT, False),
    ({"TakeSlot": Verdict(False, 1)}, HEAD, 2, 429, Step.IN_FLIGHT_LIMIT, False),
    ({"TakeSlot": LimitStoreUnavailable()}, HEAD, 2, 503, Step.RATE_LIMIT, False),
    ({"Authenticate": False}, HEAD, 3, 401, Step.AUTHENTICATION, False),
    ({}, dataclasses.replace(HEAD, headers=HEAD.headers | {"content-length": "262145"}), 3, 413, Step.BODY, True),
    ({"ReceiveJson": BodyTooLarge()}, HEAD, 4, 413, Step.BODY, True),
    ({"ReceiveJson": BodyTimeout()}, HEAD, 4, 408, Step.BODY, True),
    ({"ReceiveJson": BodyNotJson()}, HEAD, 4, 400, Step.JSON, False),
    ({"ReceiveJson": []}, HEAD, 4, 400, Step.SCHEMA, False),
    ({"ReceiveJson": {"action": "get_flow"}}, HEAD, 4, 400, Step.SCHEMA, False),
]


@pytest.mark.parametrize(("results", "head", "asked", "status", "step", "closes"), REFUSALS)
def test_a_refusal_ends_the_way(
    results: dict[str, Any], head: RequestHead, asked: int, status: int, step: Step, *, closes: bool
) -> None:
    drive = Drive(**results)
    answer = drive.run(head)
    given_back = (GiveSlotBack,) if asked > 2 else ()
    assert tuple(type(effect) for effect in drive.effects) == ORDER[:asked] + given_back
    assert (answer.status, answer.close) == (status, closes)
    assert (drive.record.status, drive.record.refused_by) == (status, step)
    assert drive.lease.released == (1 if asked > 2 else 0)


def test_every_body_error_has_its_refusal() -> None:
    for error in BodyError.__subclasses__():
        assert Drive(ReceiveJson=error()).run().status in {400, 408, 413}


def test_a_caller_that_left_is_recorded_without_a_status() -> None:
    drive = Drive(ReceiveJson=ClientGone())
    drive.run()
    assert (drive.record.status, drive.record.code, drive.lease.released) == (0, "client_gone", 1)


def test_the_slot_is_free_before_the_answer_is_there() -> None:
    drive = Drive()
    released: list[int] = []
    drive.records.append = lambda _record: released.append(drive.lease.released)  # type: ignore[method-assign]
    drive.run()
    assert released == [1]


@pytest.mark.parametrize("stop_after", [2, 3, 4])
def test_an_abandoned_call_gives_its_slot_back_and_is_recorded(stop_after: int) -> None:
    drive = Drive()
    steps = drive.pipeline.serve(ROUTE, HEAD)
    effect = next(steps)
    for _ in range(stop_after):
        effect = steps.send(drive.results[type(effect).__name__])
    steps.close()
    assert drive.lease.released == 1
    assert drive.record.status == 0


def test_a_defect_is_recorded_as_500_and_not_hidden() -> None:
    drive = Drive(Authenticate=ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        drive.run()
    assert (drive.record.status, drive.lease.released) == (500, 1)


def test_long_steps_renew_the_lease() -> None:
    drive = Drive()
    drive.run()
    assert drive.lease.renewed >= 2


@pytest.mark.parametrize(
    ("given", "taken"),
    [("a", True), ("A-z.0_9", True), ("x" * 64, True), ("", False), ("x" * 65, False), ("a b", False)],
)
def test_takes_over_a_harmless_request_id(given: str, *, taken: bool) -> None:
    drive = Drive()
    answer = drive.run(dataclasses.replace(HEAD, headers=HEAD.headers | {"x-request-id": given}))
    request_id = dict(answer.headers)["x-request-id"]
    assert (request_id == given) is taken
    assert drive.record.request_id == request_id


@pytest.mark.parametrize("declared", ["", "-1", "1e9", "٣" * 9, "9" * 30, "abc"])
def test_an_odd_length_is_left_to_the_server(declared: str) -> None:
    drive = Drive()
    head = dataclasses.replace(HEAD, headers=HEAD.headers | {"content-length": declared})
    assert drive.run(head).status == 200


def test_retry_after_travels_with_429() -> None:
    make: Callable[..., Drive] = Drive
    assert dict(make(CountRequest=Verdict(False, 7)).run().headers)["retry-after"] == "7"


UNAVAILABLE = LimitStoreUnavailable("no answer")


@pytest.mark.parametrize("fault", [{"CountRequest": UNAVAILABLE}, {"TakeSlot": UNAVAILABLE}], ids=str)
def test_told_to_fail_open_a_request_passes_uncounted_and_its_record_shows_it(fault: dict[str, Any]) -> None:
    drive = Drive(**fault)
    drive.pipeline._limits_fail_open = True
    assert drive.run().status == 200
    assert (drive.record.code, drive.record.refused_by) == ("limits_unavailable", None)
    assert isinstance(drive.effects[-1], RunAction)
    assert (drive.record.marks[2] == SKIPPED_MARK) == ("CountRequest" in fault)
    assert len(drive.record.marks) == len(PHASES) - 1


@pytest.mark.parametrize("fault", [{"CountRequest": UNAVAILABLE}, {"TakeSlot": UNAVAILABLE}], ids=str)
def test_told_to_fail_open_every_other_guard_stays(fault: dict[str, Any]) -> None:
    drive = Drive(**fault, Authenticate=False)
    drive.pipeline._limits_fail_open = True
    assert drive.run().status == 401
    assert (drive.record.code, drive.record.refused_by) == ("limits_unavailable", Step.AUTHENTICATION)


LEFT = Verdict(allowed=True, remaining=119, reset_after_seconds=42)
FULL = Verdict(allowed=False, retry_after_seconds=7, reset_after_seconds=7)


@pytest.mark.parametrize(
    ("results", "status", "rate_limit"),
    [
        ({"CountRequest": LEFT}, 200, '"requests";r=119;t=42'),
        ({"CountRequest": LEFT, "Authenticate": False}, 401, '"requests";r=119;t=42'),
        ({"CountRequest": LEFT, "TakeSlot": Verdict(False, 1)}, 429, '"requests";r=119;t=42'),
        ({"CountRequest": FULL}, 429, '"requests";r=0;t=7'),
        ({"CountRequest": Verdict(False, 1)}, 429, None),
        ({"CountRequest": UNAVAILABLE}, 503, None),
    ],
    ids=str,
)
def test_answers_tell_what_is_left_of_the_window_where_that_is_wanted(
    results: dict[str, Any], status: int, rate_limit: str | None
) -> None:
    silent, drive = Drive(**results), Drive(**results)
    drive.pipeline._advertised_limits = Limits(of_paths={ROUTE.path: Allowance(rate=600, window_seconds=59.5)})
    answer = drive.run()
    fields = dict(answer.headers)
    assert (answer.status, fields.get("ratelimit")) == (status, rate_limit)
    assert fields.get("ratelimit-policy") == ('"requests";q=600;w=60' if rate_limit else None)
    assert not any(name.startswith("ratelimit") for name, _ in silent.run().headers)


def test_an_engine_that_would_round_a_number_is_never_asked_to() -> None:
    body = {"action": "create_flow", "goal": "g", "stateJson": {"n": 2**53 + 1}}
    drive = Drive(ReceiveJson=body)
    drive.pipeline._engine.capabilities = EngineCapabilities(  # type: ignore[misc]
        reports_tasks=False, prunes=False, keeps_history=False, keeps_whole_numbers=False
    )
    answer = drive.run()
    assert (answer.status, json.loads(answer.body)["code"]) == (400, "invalid_request")
    assert json.loads(answer.body)["error"].startswith("stateJson")
    assert not any(isinstance(effect, RunAction) for effect in drive.effects)


@pytest.mark.parametrize("performers", [exchange._PERFORMERS, views._PERFORMERS], ids=["ASGI", "DRF"])
def test_each_door_can_do_whatever_the_pipeline_asks_for(performers: dict[type[Effect], object]) -> None:
    assert set(performers) == set(get_args(Effect))
