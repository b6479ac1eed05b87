"""The probes: bounded in time, asked once a second, one at a time."""

from __future__ import annotations

import threading

import pytest

from openclaw_webhooks.conf.configuration import Configuration
from openclaw_webhooks.conf.problems import Problem, ProblemKind
from openclaw_webhooks.engines.embedded import EmbeddedEngine
from openclaw_webhooks.exceptions import EngineUnavailable, LimitStoreUnavailable
from openclaw_webhooks.guards.limits.base import LimitKey, Verdict
from openclaw_webhooks.guards.limits.process_memory import ProcessMemoryStore
from openclaw_webhooks.monitoring.health import Finding, NotReady, Readiness, build_probes


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_what_was_found_is_told_again_for_a_second() -> None:
    clock, asked = Clock(), []
    readiness = Readiness({"database": lambda: asked.append(1)}, clock=clock)
    for moment in (0.0, 0.5, 0.99, 1.0, 1.5, 2.0):
        clock.now = moment
        assert readiness.judge() == (Finding("database"),)
    assert len(asked) == 3


def test_a_probe_that_hangs_is_waited_for_within_bounds_and_not_started_again() -> None:
    release, started = threading.Event(), []

    def hang() -> None:
        started.append(1)
        release.wait(30)

    clock = Clock()
    readiness = Readiness({"engine": hang, "limits": lambda: None}, patience_seconds=0.05, clock=clock)
    for moment in (0.0, 2.0, 4.0):
        clock.now = moment
        findings = {finding.name: finding for finding in readiness.judge()}
        assert "no answer within 0.05 seconds" in findings["engine"].cause
    assert len(started) == 1
    release.set()


def test_a_defect_of_a_probe_is_not_hidden() -> None:
    readiness = Readiness({"engine": lambda: [].index(1)})
    with pytest.raises(ValueError, match="not in list"):
        readiness.judge()


class DeafStore(ProcessMemoryStore):
    def hit(self, key: LimitKey) -> Verdict:
        raise LimitStoreUnavailable("The server does not answer.")


class DeadGateway(EmbeddedEngine):
    def check_health(self) -> object:
        raise EngineUnavailable("cannot connect to http://127.0.0.1:1")


def test_each_cause_says_what_to_do() -> None:
    configuration = Configuration(problems=(Problem("routes.ci.secret", "is required", ProblemKind.ROUTE),))
    probes = build_probes(configuration=configuration, limit_store=DeafStore(), engine=DeadGateway())
    causes = {}
    for name in ("configuration", "limits", "engine"):
        with pytest.raises(NotReady) as caught:
            probes[name]()
        causes[name] = str(caught.value)
    assert "routes.ci.secret: is required. Correct them and restart" in causes["configuration"]
    assert "Look at the limits store" in causes["limits"]
    assert "cannot connect to http://127.0.0.1:1. Look at its Gateway: start it" in causes["engine"]


@pytest.mark.django_db
def test_a_sound_process_is_ready() -> None:
    probes = build_probes(configuration=Configuration(), limit_store=ProcessMemoryStore(), engine=EmbeddedEngine())
    for probe in probes.values():
        probe()
