"""Whether the tests of a project run: asked for every request, also while Django's own module is being imported."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from openclaw_webhooks.in_tests import are_tests_running


def test_it_is_so_now() -> None:
    assert are_tests_running()


@pytest.mark.parametrize("module", [None, ModuleType("django.test.utils")], ids=["absent", "half imported"])
def test_a_server_runs_no_tests(monkeypatch: pytest.MonkeyPatch, module: ModuleType | None) -> None:
    monkeypatch.setitem(sys.modules, "django.test.utils", module)  # type: ignore[arg-type]
    assert not are_tests_running()
