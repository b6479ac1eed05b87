"""docs/stability.md lists the public names that the modules list, and the versions that the package declares."""

from __future__ import annotations

import importlib
import json
import re
import tomllib

import pytest

import openclaw_webhooks
from tests.docs.test_tables import read
from tests.live import ROOT

PAGE = read("stability.md")
ROWS = re.findall(r"^\| `(openclaw_webhooks[\w.]*)` \| (.+) \|$", PAGE, re.MULTILINE)
DECLARED = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["classifiers"]


def test_every_public_module_is_listed_once() -> None:
    modules = [module for module, _ in ROWS]
    assert len(modules) == len(set(modules))
    assert {"openclaw_webhooks.asgi", "openclaw_webhooks.taskflows", "openclaw_webhooks.engines.base"} <= {*modules}


@pytest.mark.parametrize(("name", "listed"), ROWS, ids=[module for module, _ in ROWS])
def test_the_page_lists_the_public_names_of_a_module(name: str, listed: str) -> None:
    module = importlib.import_module(name)
    assert re.findall(r"`(\w+)`", listed) == list(module.__all__)
    assert [each for each in module.__all__ if not hasattr(module, each)] == []


@pytest.mark.parametrize(
    ("row", "classifier"), [("Python", "Programming Language :: Python"), ("Django", "Framework :: Django")]
)
def test_the_page_lists_the_versions_that_the_package_declares(row: str, classifier: str) -> None:
    (cell,) = re.findall(rf"^\| {row} \| (.+?) \|", PAGE, re.MULTILINE)
    declared = re.findall(rf"^{classifier} :: ([\d.]+)$", "\n".join(DECLARED), re.MULTILINE)
    assert cell.split(", ") == declared


def test_the_changelog_ends_in_the_version_of_package_and_plugin() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    latest, *_ = re.findall(r"^## \[(\d\S*)\] - \d{4}-\d\d-\d\d$", changelog, re.MULTILINE)
    plugin = json.loads((ROOT / "openclaw_webhooks/gateway/package.json").read_text(encoding="utf-8"))
    assert {latest, plugin["version"]} == {openclaw_webhooks.__version__}
