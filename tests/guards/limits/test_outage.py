"""A server that does not answer: how often it is asked, what callers see, and what the log says."""

from __future__ import annotations

import threading

import pytest

from openclaw_webhooks.exceptions import LimitStoreUnavailable
from openclaw_webhooks.guards.limits.outage import Outage
from tests.guards.limits.builders import HandClock


class Questions:
    """Counts what is asked, and fails with what it is told to."""

    def __init__(self) -> None:
        self.asked = 0
        self.error: Exception | None = ConnectionError("canary")

    def __call__(self) -> int:
        self.asked += 1
        if self.error:
            raise self.error
        return self.asked


@pytest.fixture
def outage(clock: HandClock) -> Outage:
    return Outage(patience_seconds=0.5, back_off_seconds=0.25, clock=clock)


def is_refused(outage: Outage, question: Questions) -> bool:
    try:
        outage.ask(question)
    except LimitStoreUnavailable:
        return True
    return False


def refusals(outage: Outage, question: Questions, times: int) -> int:
    return sum(is_refused(outage, question) for _ in range(times))


def test_nobody_asks_for_a_moment_after_a_failure(outage: Outage, clock: HandClock) -> None:
    question = Questions()
    assert refusals(outage, question, 100) == 100
    assert (question.asked, outage.failures) == (1, 100)
    clock.seconds += 0.25
    assert refusals(outage, question, 100) == 100
    assert (question.asked, outage.failures) == (2, 200)


def test_once_it_answers_everybody_asks_again(outage: Outage, clock: HandClock) -> None:
    question = Questions()
    assert is_refused(outage, question)
    question.error = None
    assert is_refused(outage, question)
    clock.seconds += 0.25
    assert refusals(outage, question, 10) == 0


def test_one_caller_tries_while_the_others_are_refused_at_once(outage: Outage, clock: HandClock) -> None:
    assert is_refused(outage, Questions())
    clock.seconds += 0.25
    trying, answered = threading.Event(), threading.Event()

    def slow() -> int:
        trying.set()
        assert answered.wait(5)
        return 1

    thread = threading.Thread(target=outage.ask, args=(slow,))
    thread.start()
    assert trying.wait(5)
    question = Questions()
    assert is_refused(outage, question)
    clock.seconds += 0.76  # longer than a try can take: that one is not waited for any more
    assert is_refused(outage, question)
    assert question.asked == 1
    answered.set()
    thread.join()


def test_an_answer_from_before_the_outage_does_not_end_it(outage: Outage) -> None:
    question = Questions()

    def overtaken() -> int:
        assert is_refused(outage, question)
        return 1

    assert outage.ask(overtaken) == 1
    assert is_refused(outage, question)
    assert question.asked == 1


def test_an_outage_is_two_lines_of_the_log_without_the_errors_text(
    outage: Outage, clock: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    question = Questions()
    for _ in range(5):
        assert is_refused(outage, question)
        clock.seconds += 1
    question.error = None
    assert outage.ask(question)
    assert outage.ask(question)
    first, last = caplog.messages
    assert "ConnectionError" in first
    assert "canary" not in first
    assert "again, after 5.0 s" in last
