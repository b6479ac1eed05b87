"""CONTRIBUTING.md and its neighbours name files, targets and tests that exist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.docs.test_snippets import blocks
from tests.guards.limits.builders import HandClock, StoreFactory
from tests.guards.limits.conftest import clock, make_store, path
from tests.live import ROOT

__all__ = ["clock", "make_store", "path"]

GUIDE = ROOT / "CONTRIBUTING.md"
PAGES = [*sorted(ROOT.glob("*.md")), ROOT / ".github/PULL_REQUEST_TEMPLATE.md", ROOT / "docs/architecture.md"]
FOLDERS = "openclaw_webhooks|project|tests|docs|benchmarks|\\.ci|\\.github"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = re.findall(rf"`((?:{FOLDERS})/[\w./-]*)`", text)
    linked = [target for target in re.findall(r"\]\(([^)#:]+)(?:#[\w-]+)?\)", text) if "://" not in target]
    missing = [name for name in named if not (ROOT / name).exists()]
    missing += [target for target in linked if not (page.parent / target).exists()]
    assert missing == []


def test_every_name_that_the_guide_finds_in_a_file_is_in_it() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    found = re.findall(r"`([A-Z_a-z]+)` (?:in|of)(?: the protocol `\w+` of)?\s+`([\w/.]+\.(?:py|js|md))`", text)
    assert len(found) >= 10
    missing = [(name, file) for name, file in found if name not in (ROOT / file).read_text(encoding="utf-8")]
    assert missing == []


def test_every_command_of_the_guide_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    commands = "\n".join(blocks(GUIDE, "console"))
    targets = re.findall(r"^\$ make (\w+)", commands, re.MULTILINE)
    tests = re.findall(r"\btests/[\w./]+", commands)
    assert [name for name in targets if f"\n{name}:" not in makefile] == []
    assert [name for name in tests if not (ROOT / name).exists()] == []
    assert targets
    assert tests


def test_the_example_of_a_test_passes(make_store: StoreFactory, clock: HandClock) -> None:
    (source,) = blocks(GUIDE, "python")
    names: dict[str, Any] = {}
    exec(compile(source, GUIDE.name, "exec"), names)
    (test,) = [value for name, value in names.items() if name.startswith("test_")]
    test(make_store, clock)
