"""Commands for whoever looks for a fault run in a project that has one, and tell it without a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.live import manage, write_config

QUERIES = (
    ("webhooks_routes",),
    ("webhooks_calls",),
    ("webhooks_check", "--all"),
    ("webhooks_flows", "list", "live"),
    ("webhooks_prune",),
)


def run(folder: Path, *command: str, **environ: str) -> str:
    status, told = manage(folder, *command, environ={"OPENCLAW_CONFIG_PATH": str(folder / "openclaw.json"), **environ})
    assert status == 1, told
    assert "Traceback" not in told
    return told


@pytest.mark.parametrize("command", QUERIES, ids=lambda command: command[0])
def test_a_database_without_tables_is_told_with_what_to_do(command: tuple[str, ...], tmp_path: Path) -> None:
    write_config(tmp_path, {"live": {"sessionKey": "agent:a:b", "secret": "a-secret-of-the-tests-0123456789"}})
    told = run(tmp_path, *command)
    assert "database" in told.lower() or "engine_unavailable" in told
    assert "warnings" not in told.lower(), "what the system checks say of other things is for `manage.py check`"


def test_a_faulty_configuration_is_told_by_the_command_that_was_asked(tmp_path: Path) -> None:
    write_config(tmp_path, {"live": {"sessionKey": "", "secret": "x"}, "other": {"sessionKey": "a:b:c", "secret": "y"}})
    told = run(tmp_path, "webhooks_check", "--all")
    assert "fault route live" in told
    assert "sessionKey" in told
    assert "ok    route other" in told


def test_faulty_settings_are_told(tmp_path: Path) -> None:
    (tmp_path / "faulty_settings.py").write_text(
        "from project.settings import *\nOPENCLAW_WEBHOOKS = {'NONSENSE': 1, 'ROUTES': {}}\n"
    )
    environ = {"PYTHONPATH": str(tmp_path), "DJANGO_SETTINGS_MODULE": "faulty_settings"}
    for command in (("webhooks_check", "--all"), ("webhooks_gateway", "check")):
        assert "NONSENSE" in run(tmp_path, *command, **environ)
