from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from openclaw_webhooks.engines.embedded import EmbeddedEngine
from openclaw_webhooks.engines.records import TaskRuntime, TaskStatus
from openclaw_webhooks.management.progress import Progress
from openclaw_webhooks.models import Call, Flow
from tests.contract.builders import create, run

pytestmark = pytest.mark.django_db(transaction=True)


def prune(*arguments: str) -> str:
    out = StringIO()
    call_command("webhooks_prune", *arguments, stdout=out)
    return out.getvalue()


def fill(*, ended_at_ms: int = 0) -> None:
    """Make one finished flow with a task, one whose cancellation is pending, and one call."""
    session = EmbeddedEngine(clock=lambda: ended_at_ms).bind_session("agent:main:main")
    finished, cancelling = create(session), create(session)
    task = run(session, finished, runtime=TaskRuntime.SUBAGENT)
    session.end_task(task.task_id, status=TaskStatus.FAILED)
    session.finish_flow(finished.flow_id, expected_revision=0)
    session.request_cancel(cancelling.flow_id, expected_revision=0)
    Call.objects.create(at_ms=ended_at_ms, route_id="zapier", client="::1", status=200, duration_us=1)


def test_it_prunes_flows_and_calls() -> None:
    fill()
    said = "TaskFlows would be cancelled: 1, would be deleted: 1 with 1 tasks. Calls would be deleted: 1.\n"
    assert prune("--dry-run") == said
    assert prune("--dry-run") == said
    assert prune("--batch-size", "1") == "TaskFlows cancelled: 1, deleted: 1 with 1 tasks. Calls deleted: 1.\n"
    assert prune() == "TaskFlows cancelled: 0, deleted: 0 with 0 tasks. Calls deleted: 0.\n"


def test_numbers_for_scripts() -> None:
    fill()
    told = json.loads(prune("--json"))
    assert told == {"dry_run": False, "cancelled_flows": 1, "deleted_flows": 1, "deleted_tasks": 1, "deleted_calls": 1}


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_is_drawn_to_its_end_on_a_terminal_and_nowhere_else() -> None:
    fill()
    drawn, piped = Terminal(), StringIO()
    call_command("webhooks_prune", "--batch-size", "1", stdout=StringIO(), stderr=drawn)
    assert "3 of 3" in drawn.getvalue()
    assert "100%" in drawn.getvalue()
    assert drawn.getvalue().endswith("\r\033[K"), "the bar is taken away"
    fill()
    call_command("webhooks_prune", stdout=StringIO(), stderr=piped)
    assert piped.getvalue() == ""


def test_a_bar_says_how_long_it_takes_and_spares_the_terminal() -> None:
    drawn, now = Terminal(), [0.0]
    progress = Progress(drawn, 1000, clock=lambda: now[0])
    for step in range(1, 501):
        now[0] = step * 0.01
        progress.advance(1)
    assert 45 <= drawn.getvalue().count("\r") <= 55
    assert drawn.getvalue().rpartition("\r")[2].startswith("[##############")
    assert "5 s left" in drawn.getvalue()


def test_other_days() -> None:
    fill()
    kept = "TaskFlows cancelled: 1, deleted: 0 with 0 tasks. Calls deleted: 0.\n"
    assert prune("--days", "30000", "--call-days", "30000") == kept
    assert Flow.objects.count() == 2


@pytest.mark.parametrize("arguments", [["--days", "-1"], ["--call-days", "x"], ["--batch-size", "0"]])
def test_it_refuses_what_is_no_number(arguments: list[str]) -> None:
    with pytest.raises(CommandError, match="must be a whole number from"):
        prune(*arguments)


def test_a_database_that_refuses() -> None:
    with connection.schema_editor() as editor:
        editor.alter_db_table(Flow, Flow._meta.db_table, "elsewhere")
    try:
        with pytest.raises(CommandError, match="Run the command again"):
            prune()
    finally:
        with connection.schema_editor() as editor:
            editor.alter_db_table(Flow, "elsewhere", Flow._meta.db_table)
