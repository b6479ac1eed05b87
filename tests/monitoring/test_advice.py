"""What an operator is told of callers, from the record of calls; and that asking for it keeps nobody waiting."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from django.db import OperationalError

from openclaw_webhooks.calls import troubles
from openclaw_webhooks.conf.configuration import Configuration
from openclaw_webhooks.conf.routes import RouteConfig
from openclaw_webhooks.models import Call
from openclaw_webhooks.monitoring.advice import PATIENCE_SECONDS, Advice, Adviser, LatestAdvice
from openclaw_webhooks.secrets.refs import Secret, SecretRef
from openclaw_webhooks.secrets.resolver import SecretStatus

NOW_MS = 1_764_000_000_000
REF = SecretRef("exec", "vault", "ci")
ROUTE = RouteConfig(
    route_id="ci",
    path="/hooks/ci",
    session_key="agent:a:b",
    secret=REF,
    controller_id="x",
    description="",
    enabled=True,
)


def record(**fields: Any) -> None:
    known = {"at_ms": NOW_MS - 1000, "route_id": "ci", "status": 401, "client": "192.0.2.7", "duration_us": 1}
    Call.objects.create(**{**known, **fields})


def advise(reason: str | None = None) -> list[str]:
    asked: list[Secret] = []

    def read_statuses(wanted: Iterable[Secret]) -> Mapping[Secret, SecretStatus]:
        asked.extend(wanted)
        status = SecretStatus(resolves=reason is None, reason=reason, checked_at_ms=0)
        return dict.fromkeys(asked, status)

    told = Adviser(Configuration(routes=(ROUTE,)), read_statuses, wall_clock=lambda: NOW_MS / 1000).advise()
    refused = Call.objects.filter(refused_by="authentication").exists()
    assert asked == [REF] * refused, "a secret is resolved only where callers were just refused for it"
    return [each.text for each in told]


@pytest.mark.django_db
def test_nothing_is_said_where_all_is_well_or_long_ago() -> None:
    record(status=200)
    record(code="not_found", status=404)
    record(refused_by="rate_limit", status=429, at_ms=NOW_MS - 700_000)
    assert advise() == []


@pytest.mark.django_db
def test_a_wrong_secret_and_one_that_does_not_resolve_are_told_apart() -> None:
    record(refused_by="authentication", count=3, at_ms=NOW_MS - 2000)
    record(refused_by="authentication", client="192.0.2.8")
    (text,) = advise()
    assert text.startswith("Route ci answered 4 calls of the last 10 minutes with 401, the latest at 15:59:59 UTC")
    assert "from 192.0.2.8: a wrong secret, or none" in text
    (text,) = advise("the command ended with exit code 1")
    assert "exec:vault:ci does not resolve: the command ended with exit code 1. Run the provider's command" in text


@pytest.mark.django_db
def test_limits_and_conflicts_are_told_each() -> None:
    record(refused_by="rate_limit", status=429)
    record(refused_by="in_flight_limit", status=429)
    record(refused_by="rate_limit", status=503, code="limits_unavailable")
    record(status=409, code="revision_conflict", flow_id="flow-1", action="finish_flow")
    rate, in_flight, conflict = advise()
    assert "Retry-After" in rate
    assert "at once" in in_flight
    assert "webhooks_flows history ci flow-1" in conflict


def test_a_record_that_cannot_be_read_is_the_business_of_another_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OperationalError

    monkeypatch.setattr(troubles, "_gather", fail)
    assert Adviser(Configuration(routes=(ROUTE,)), lambda _: {}).advise() == []


def test_a_provider_that_hangs_keeps_a_poll_waiting_for_half_a_second_and_is_asked_once() -> None:
    now, release, asked = [0.0], threading.Event(), []

    def fetch() -> list[Advice]:
        asked.append(1)
        release.wait(30)
        return [Advice("ci", "told")]

    latest = LatestAdvice(fetch, clock=lambda: now[0])
    assert (latest.read(), latest.read()) == ((), ())
    release.set()
    for thread in threading.enumerate():
        if thread.name == "openclaw-webhooks-advice":
            thread.join(30)
    now[0] = 4.9
    assert [each.text for each in latest.read()] == ["told"]
    assert len(asked) == 1
    now[0] = 5.1
    latest.read()
    assert len(asked) == 2
    assert PATIENCE_SECONDS < 1  # Kubernetes gives up on a probe after a second
