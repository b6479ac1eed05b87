"""What a small project's own suite finds, and what it leaves: run in every usual way, on every kind of database."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import running_postgres
from tests.testing.small_project import SmallProject

SUITE = Path(__file__).with_name("small_suite.py")
LIMIT_SUITE = """
from django.test import SimpleTestCase

class Limits(SimpleTestCase):
    def test_limits(self):
        answers = [self.client.post("/plugins/webhooks/ci", {}, content_type="application/json") for _ in range(121)]
        self.assertEqual([answer.status_code for answer in answers], [401] * 120 + [429])
"""
SERVER = """
import django; django.setup()
from django.test import Client
client = Client(SERVER_NAME="127.0.0.1")
for _ in iter(input, "end"):
    print(client.post("/plugins/webhooks/ci", {}, content_type="application/json").status_code)
"""


@pytest.fixture(params=["memory", "file", "postgres"])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SmallProject]:
    """A project with a database of its own; ``memory`` and ``file`` are where SQLite has the tests' one."""
    if request.param == "postgres":
        with running_postgres() as server:
            yield build(SmallProject(tmp_path / "p", {"SHOP_DATABASE_URL": server.url}))
    else:
        yield build(SmallProject(tmp_path / "p", {"SHOP_TEST_NAME": "t.sqlite3"} if request.param == "file" else {}))


def build(project: SmallProject, suite: str = "") -> SmallProject:
    project.write(suite or SUITE.read_text(encoding="utf-8"))
    project.manage("migrate", "-v", "0")
    return project


def test_manage_py_test(project: SmallProject) -> None:
    project.manage("test", "--noinput")
    assert project.count_real_rows() == [0, 0, 0]


@pytest.mark.parametrize("project", ["file"], indirect=True)
def test_manage_py_test_in_several_processes(project: SmallProject) -> None:
    project.manage("test", "--noinput", "--parallel", "2")
    assert project.count_real_rows() == [0, 0, 0]


def test_pytest_in_several_processes_and_once_more_on_the_databases_that_were_kept(project: SmallProject) -> None:
    for processes in ("2", "1"):
        project.pytest("-n", processes, "--reuse-db")
    assert project.count_real_rows() == [0, 0, 0]


def test_a_suite_does_not_use_up_the_limits_of_a_running_server(tmp_path: Path) -> None:
    project = build(SmallProject(tmp_path / "p"), LIMIT_SUITE)
    with subprocess.Popen(
        [*project.python, "-c", SERVER],
        cwd=project.folder,
        env=project.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None

        def ask() -> str:
            server.stdin.write("call\n")
            return server.stdout.readline().strip()

        assert ask() == "401"
        project.manage("test", "--noinput")
        assert ask() == "401"
        server.stdin.write("end\n")
    assert project.count_real_rows()[0] == 2, "the server records its calls"
