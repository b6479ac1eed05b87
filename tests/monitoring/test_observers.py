"""Who hears of calls: the log, the signals, and every one of them whatever another does."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Sequence
from typing import Any

import pytest
from django.core.asgi import get_asgi_application

from openclaw_webhooks.asgi import mount
from openclaw_webhooks.call_context import call_context
from openclaw_webhooks.calls.observation import CallObservation
from openclaw_webhooks.calls.record import CallRecord, Step
from openclaw_webhooks.conf.monitoring import CallLog
from openclaw_webhooks.monitoring.call_log import CallLogger
from openclaw_webhooks.monitoring.call_signals import send_signals
from openclaw_webhooks.monitoring.floods import (
    FREE_LINES,
    FREE_LINES_OF_ALL,
    MOST_CHARACTERS,
    WINDOW_SECONDS,
    FloodFilter,
)
from openclaw_webhooks.monitoring.request_ids import RequestIdFilter
from openclaw_webhooks.runtime import get_runtime
from openclaw_webhooks.signals import call_finished, call_refused
from project.log_lines import JsonFormatter, KeyValueFormatter
from tests.asgi_client import AsgiCall, build_scope
from tests.calls.builders import build_record, build_refusal

ACCEPTED, REFUSED = build_record(), build_refusal()
CONFLICT = build_record(refused_by=Step.ENGINE, status=409, code="revision_conflict")
FAILED = build_record(status=503, code="engine_unavailable")


def test_every_record_is_observed_once_and_in_order() -> None:
    heard: list[CallRecord] = []
    told = threading.Event()

    def observe(calls: Sequence[CallRecord]) -> None:
        heard.extend(calls)
        told.set()

    observation = CallObservation([observe], interval_seconds=0.01)
    records = [build_record(request_id=str(number)) for number in range(100)]
    for record in records[:50]:
        observation.add(record)
    assert told.wait(30)
    for record in records[50:]:
        observation.add(record)
    observation.close()
    assert heard == records


def test_the_fault_of_one_observer_is_logged_and_costs_no_other_its_calls(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[CallRecord] = []

    def fail(_: Sequence[CallRecord]) -> None:
        raise RuntimeError("a defect")

    observation = CallObservation([fail, heard.extend])
    observation.add(ACCEPTED)
    observation.close()
    assert heard == [ACCEPTED]
    assert "a defect" in caplog.text


@pytest.mark.parametrize(
    ("which", "levels"),
    [
        (CallLog.ALL, [logging.INFO, logging.INFO, logging.INFO, logging.ERROR]),
        (CallLog.REFUSED, [logging.INFO, logging.INFO, logging.ERROR]),
    ],
)
def test_a_call_is_logged_at_the_level_that_fits(
    which: CallLog, levels: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    CallLogger(which)([ACCEPTED, REFUSED, CONFLICT, FAILED])
    assert [record.levelno for record in caplog.records] == levels


def test_a_line_has_the_calls_fields_in_either_form(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    CallLogger(CallLog.ALL)([REFUSED])
    (record,) = caplog.records
    assert "route=zapier status=401 refused_by=authentication client=127.0.0.1" in record.getMessage()
    line = KeyValueFormatter().format(record)
    assert "request_id=request-1 route=zapier status=401 refused_by=authentication" in line
    assert "action=" not in line
    told = json.loads(JsonFormatter().format(record))
    assert (told["request_id"], told["status"], told["action"]) == ("request-1", 401, None)


def test_the_line_of_a_401_tells_an_unresolvable_secret_from_a_wrong_one(
    caplog: pytest.LogCaptureFixture, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setenv("OF_CI", "right")
    route = {"path": "/hooks/ci", "sessionKey": "agent:main:main"}
    secret = {"source": "env", "provider": "default", "id": "OF_CI"}
    settings.OPENCLAW_WEBHOOKS = {
        "ROUTES": {"ci": {**route, "secret": secret}},
        "RECORD_CALLS": False,
        "CALL_LOG": "refused",
    }
    scope = build_scope("/hooks/ci", {"authorization": "Bearer right!", "content-type": "application/json"})

    def hint() -> str:
        caplog.clear()
        # Not Django's client: the URLs keep the routes of the settings they were first loaded with.
        assert asyncio.run(AsgiCall(mount(get_asgi_application()), scope, (b"{}",)).run()).status == 401
        get_runtime().watch.flush()
        (line,) = [record for record in caplog.records if record.name == "openclaw_webhooks.calls"]
        return str(line.call["hint"])  # type: ignore[attr-defined]

    assert "a wrong secret, or none" in hint()
    monkeypatch.delenv("OF_CI")
    for _ in range(2):
        assert hint() == (
            "the route's secret env:default:OF_CI does not resolve: the environment variable is not set, or empty. "
            "Set the variable where the server is started, and restart it."
        )
    monkeypatch.setenv("OF_CI", "right")
    assert "a wrong secret, or none" in hint()
    monkeypatch.delenv("OF_CI")
    assert "does not resolve" in hint()  # though nobody is told so soon again


def build_log_record(message: str, *arguments: object, **fields: Any) -> logging.LogRecord:
    record = logging.LogRecord("a.logger", logging.WARNING, __file__, 1, message, arguments, None)
    record.__dict__.update(fields)
    return record


def test_a_flood_is_folded_and_its_number_told() -> None:
    now = [0.0]
    floods = FloodFilter(clock=lambda: now[0])
    passed = [floods.filter(build_log_record("no answer from %s", number)) for number in range(100)]
    assert sum(passed) == FREE_LINES
    assert floods.filter(build_log_record("something else"))
    now[0] = WINDOW_SECONDS
    last = build_log_record("no answer from %s", 100)
    assert floods.filter(last)
    assert last.getMessage() == f"no answer from 100 (repeated {100 - FREE_LINES} times)"


def test_a_flood_of_refusals_is_folded_by_caller_and_accepted_calls_never_are() -> None:
    now = [0.0]
    floods = FloodFilter(clock=lambda: now[0])
    refusal = {"route": "zapier", "status": 401, "code": None, "client": "192.0.2.1"}
    assert sum(floods.filter(build_log_record("%s", "x", call=refusal)) for _ in range(50)) == FREE_LINES
    assert floods.filter(build_log_record("%s", "x", call=refusal | {"client": "192.0.2.2"}))
    assert all(floods.filter(build_log_record("%s", "x", call=refusal | {"status": 200})) for _ in range(50))
    now[0] = WINDOW_SECONDS
    last = build_log_record("%s", "x", call=refusal)
    assert floods.filter(last)
    assert f"repeated={50 - FREE_LINES}" in KeyValueFormatter().format(last)


def test_a_flood_of_refusals_to_many_callers_is_folded_too() -> None:
    floods = FloodFilter(clock=lambda: 0.0)
    refusal = {"route": "zapier", "status": 401, "code": None}
    records = [build_log_record("%s", "x", call=refusal | {"client": f"192.0.2.{number}"}) for number in range(250)]
    assert sum(map(floods.filter, records)) == FREE_LINES_OF_ALL
    assert floods.filter(build_log_record("%s", "x", call=refusal | {"client": "192.0.2.1", "status": 503}))


def test_many_callers_cannot_push_out_the_count_of_all() -> None:
    floods = FloodFilter(clock=lambda: 0.0)
    refusal = {"route": "zapier", "status": 401, "code": None}
    records = [build_log_record("%s", "x", call=refusal | {"client": f"2001:db8::{n:x}"}) for n in range(5_000)]
    assert sum(map(floods.filter, records)) == FREE_LINES_OF_ALL


def test_what_was_held_back_of_all_callers_is_told() -> None:
    now = [0.0]
    floods = FloodFilter(clock=lambda: now[0])
    refusal = {"route": "zapier", "status": 401, "code": None}
    for number in range(1_000):
        floods.filter(build_log_record("%s", "x", call=refusal | {"client": f"192.0.2.{number}"}))
    now[0] = WINDOW_SECONDS
    last = build_log_record("%s", "x", call=refusal | {"client": "198.51.100.1"})
    assert floods.filter(last)
    assert f"repeated={1_000 - FREE_LINES_OF_ALL}" in KeyValueFormatter().format(last)


def test_callers_that_leave_are_folded_as_refused_ones() -> None:
    floods = FloodFilter(clock=lambda: 0.0)
    left = {"route": "zapier", "status": 0, "code": None, "client": "192.0.2.1"}
    assert sum(floods.filter(build_log_record("%s", "x", call=left)) for _ in range(50)) == FREE_LINES


@pytest.mark.parametrize("name", ["a.logger", "django.request"])
def test_a_record_that_is_no_text_or_does_not_fit_its_arguments_stops_nothing(name: str) -> None:
    now = [0.0]
    floods = FloodFilter(clock=lambda: now[0])
    for message, arguments in (({"a": ["dictionary"]}, ()), ("%d of %d", ("x",)), ("%(a)s", ({},))):
        records = [build_log_record(message, *arguments, name=name) for _ in range(FREE_LINES + 1)]  # type: ignore[arg-type]
        assert sum(map(floods.filter, records)) == FREE_LINES
        now[0] += WINDOW_SECONDS
        assert floods.filter(build_log_record(message, *arguments, name=name))  # type: ignore[arg-type]


def test_a_traceback_that_quotes_without_end_is_cut_in_its_middle() -> None:
    record = build_log_record("failed")
    record.exc_info = (ValueError, ValueError("x" * 100_000), None)
    line = KeyValueFormatter().format(record)
    assert "ValueError: xxx" in line
    assert len(line) < 20_000


def raise_one(number: int) -> Exception:
    try:
        raise LookupError(number)
    except LookupError as error:
        return error


def test_equal_tracebacks_are_folded() -> None:
    floods = FloodFilter(clock=lambda: 0.0)

    def build(error: Exception) -> logging.LogRecord:
        record = build_log_record("%s failed", error)
        record.exc_info = (type(error), error, error.__traceback__)
        return record

    records = [build(raise_one(number)) for number in range(30)]
    assert sum(map(floods.filter, records)) == FREE_LINES
    assert "LookupError: 0" in KeyValueFormatter().format(records[0])
    assert floods.filter(build(ValueError("another kind")))


def test_what_django_refuses_has_no_traceback_and_no_endless_quotation() -> None:
    floods = FloodFilter(clock=lambda: 0.0)
    texts = []
    for number in range(30):
        record = build_log_record(f"Invalid HTTP_HOST header: '{number}{'x' * 5000}'")
        record.name = "django.security.DisallowedHost"
        error = raise_one(number)
        record.exc_info = (type(error), error, error.__traceback__)
        if floods.filter(record):
            texts.append(KeyValueFormatter().format(record))
    assert len(texts) == FREE_LINES, "whatever differs in what they quote"
    assert all("Traceback" not in text and len(text) < MOST_CHARACTERS + 200 for text in texts)


def test_what_a_server_quotes_itself_is_folded() -> None:
    floods = FloodFilter(clock=lambda: 0.0)
    records = [build_log_record(f"Invalid request from ip=192.0.2.{number}") for number in range(30)]
    for record in records:
        record.name = "gunicorn.error"
    assert sum(map(floods.filter, records)) == FREE_LINES


def test_a_refused_body_leaves_no_traceback() -> None:
    record, error = build_log_record("Bad request (Unable to parse request body): %s", "/admin/login/"), raise_one(1)
    record.name, record.exc_info = "django.request", (type(error), error, error.__traceback__)
    record.status_code = 400
    assert FloodFilter().filter(record)
    assert "Traceback" not in KeyValueFormatter().format(record)


def test_what_is_logged_for_a_call_has_its_request_id() -> None:
    record = build_log_record("a canceller failed")
    with call_context("route ci", request_id="request-7"):
        assert RequestIdFilter().filter(record)
    assert "request_id=request-7 message=" in KeyValueFormatter().format(record)
    assert json.loads(JsonFormatter().format(record))["request_id"] == "request-7"
    other = build_log_record("started")
    assert RequestIdFilter().filter(other)
    assert "request_id" not in KeyValueFormatter().format(other) + JsonFormatter().format(other)


@pytest.mark.django_db
def test_each_call_is_announced_by_one_of_two_signals() -> None:
    heard: list[tuple[str, CallRecord]] = []

    def finished(call: CallRecord, **_: object) -> None:
        heard.append(("finished", call))

    def refused(call: CallRecord, **_: object) -> None:
        heard.append(("refused", call))

    send_signals([ACCEPTED])
    call_finished.connect(finished)
    call_refused.connect(refused)
    try:
        send_signals([ACCEPTED, REFUSED, CONFLICT, FAILED])
    finally:
        call_finished.disconnect(finished)
        call_refused.disconnect(refused)
    assert heard == [("finished", ACCEPTED), ("refused", REFUSED), ("finished", CONFLICT), ("finished", FAILED)]
