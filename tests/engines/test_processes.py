"""Processes that really die: what was acknowledged is there."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

from django.db import connections
from pytest_django import DjangoDbBlocker

from tests.engines.databases import session_of

WRITER = """
import sys
import django
from django.conf import settings
settings.configure(
    INSTALLED_APPS=["openclaw_webhooks"],
    DATABASES={"default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": sys.argv[1],
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 10, "init_command": "PRAGMA synchronous=NORMAL;"},
    }},
)
django.setup()
from openclaw_webhooks.engines.records import TaskRuntime
from openclaw_webhooks.engines.embedded import EmbeddedEngine
session = EmbeddedEngine().bind_session("agent:main:main")
while True:
    flow = session.create_flow(controller_id="c", goal="g").flow
    task = session.run_task(flow.flow_id, runtime=TaskRuntime.ACP, task="t").task
    print(flow.flow_id, task.task_id, flush=True)
"""


def test_six_writers_killed_lose_nothing_acknowledged(sqlite_alias: str, django_db_blocker: DjangoDbBlocker) -> None:
    name = connections[sqlite_alias].settings_dict["NAME"]
    writers = [start_writer(name) for _ in range(6)]
    acknowledged: list[str] = []
    try:
        for writer in writers:
            assert writer.stdout is not None
            acknowledged.extend(writer.stdout.readline() for _ in range(20))
    finally:
        for writer in writers:
            writer.kill()
    for writer in writers:
        with writer:
            assert writer.stdout is not None
            acknowledged.extend(line for line in writer.stdout if line.endswith("\n"))
    session = session_of(sqlite_alias)
    stored = {task.task_id for flow in session.list_flows() for task in session.list_tasks(flow.flow_id)}
    assert len(acknowledged) >= 120
    assert {line.split()[1] for line in acknowledged} <= stored


def start_writer(name: str) -> subprocess.Popen[str]:
    environment = {key: value for key, value in os.environ.items() if key != "DJANGO_SETTINGS_MODULE"}
    with contextlib.chdir(Path(__file__).parents[2]):
        return subprocess.Popen(
            [sys.executable, "-c", WRITER, name],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
