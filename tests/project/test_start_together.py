"""Several hosts that start at once on one new database, as the pods of a deployment do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.live import ROOT, free_port, one_route
from tests.postgres import running_postgres

PREPARE = """
import django; django.setup()
from project.preparation import prepare
from project.settings import SERVER
print(prepare(SERVER))
"""


def test_each_waits_for_the_one_that_migrates(tmp_path: Path) -> None:
    with running_postgres() as postgres:
        hosts = []
        for number in range(3):
            folder = tmp_path / str(number)
            folder.mkdir()
            environ = {
                "PATH": os.environ["PATH"],
                "DJANGO_SETTINGS_MODULE": "project.settings",
                "DATABASE_URL": postgres.url,
                "OPENCLAW_CONFIG_PATH": str(one_route(folder)),
                "OPENCLAW_WEBHOOKS_BIND": f"127.0.0.1:{free_port()}",
                "OPENCLAW_WEBHOOKS_DATA_DIR": str(folder / "data"),
            }
            command = [sys.executable, "-c", PREPARE]
            hosts.append(
                subprocess.Popen(
                    command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
                )
            )
        told = [host.communicate(timeout=120)[0] for host in hosts]
    assert [host.returncode for host in hosts] == [0, 0, 0], told
    assert sum("shown this once" in text for text in told) == 1, "one of them makes the first user"
