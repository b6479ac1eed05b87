"""What a test needs beyond Python: skipped by name on a newcomer's machine, a failure in CI."""

from __future__ import annotations

import os

import pytest


def require(name: str, available: object) -> None:
    """Skip the test where something is missing; under ``CI=true`` fail instead, so that CI never passes by skipping.

    Args:
        name: What is needed, as a person would look for it: ``"the real Gateway (OPENCLAW_HOME_DIR)"``.
        available: Whether it is there.
    """
    if available:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI must provide {name}", pytrace=False)
    pytest.skip(f"needs {name}")
