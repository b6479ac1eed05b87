"""Every block of Python in the docs runs, page by page and in order; every command of a console block exists."""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import get_commands

from openclaw_webhooks.conf.settings import parse_settings
from openclaw_webhooks.engines.embedded.cancellers import default_cancellers
from openclaw_webhooks.signals import call_finished, call_refused, flow_changed, task_changed
from openclaw_webhooks.testing import TestRoute
from tests.live import ROOT
from tests.testing.running import run_pytest

EXAMPLE = ROOT / "docs" / "example"
SUITE = ROOT / "docs" / "testing.md"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
PYTHON = "(?:python|include)"  # ruff formats what is called python, which the line of an include is not
INCLUDE = re.compile(r'^--8<-- "(.+)"$', re.MULTILINE)


def blocks(page: Path, language: str) -> list[str]:
    """Return the fenced blocks of one language, with included files put in."""
    found = re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [INCLUDE.sub(lambda match: (ROOT / "docs" / match[1]).read_text(encoding="utf-8"), text) for text in found]


def named(pages: list[Path], language: str) -> list[Any]:
    return [pytest.param(page, id=str(page.relative_to(ROOT))) for page in pages if blocks(page, language)]


@pytest.fixture
def unheard() -> Iterator[None]:
    """Take back what the snippets register."""
    signals = (call_finished, call_refused, flow_changed, task_changed)
    kept = [list(signal.receivers) for signal in signals]
    cancellers = default_cancellers._cancellers
    yield
    for signal, receivers in zip(signals, kept, strict=True):
        signal.receivers = receivers
        signal.sender_receivers_cache.clear()
    default_cancellers._cancellers = cancellers


@pytest.mark.parametrize("page", named([page for page in PAGES if page != SUITE], PYTHON))
def test_the_python_of_a_page_runs(page: Path, webhook_route: Callable[..., TestRoute], unheard: None) -> None:
    webhook_route("ci")
    names: dict[str, Any] = {
        "__name__": "snippet",
        "INSTALLED_APPS": [],
        "MIDDLEWARE": [],
        "render_farm": types.SimpleNamespace(stop=lambda _run_id: True),
        "queue_message": lambda _text: None,
    }
    for number, text in enumerate(blocks(page, PYTHON), 1):
        exec(compile(text, f"{page.name}, block {number}", "exec"), names)
        if "OPENCLAW_WEBHOOKS" in names:
            _, problems = parse_settings(names.pop("OPENCLAW_WEBHOOKS"))
            assert not problems, [problem.message for problem in problems]


def test_the_suite_of_a_page_passes(tmp_path: Path) -> None:
    (tmp_path / "test_page.py").write_text("\n\n".join(blocks(SUITE, "python")))
    (tmp_path / "conftest.py").write_text("")
    run_pytest(tmp_path, "--rootdir", str(tmp_path), "-o", f"pythonpath={EXAMPLE}")


@pytest.mark.parametrize("page", named(PAGES, "(?:console|sh)"))
def test_the_commands_of_a_page_exist(page: Path) -> None:
    text = "\n".join(blocks(page, "(?:console|sh)"))
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for name in re.findall(r"manage\.py (\w+)", text):
        assert name in get_commands(), name
    for target in re.findall(r"^\$ (?:\w+=\S+ )*make ([\w-]+)", text, re.MULTILINE):
        assert f"\n{target}:" in makefile, target
