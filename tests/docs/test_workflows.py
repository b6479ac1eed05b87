"""What the linters of workflows do not find: jobs without an end, names that lead nowhere, versions left out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.docs.test_stability import DECLARED
from tests.live import ROOT

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
BY_NAME = {path.name: yaml.safe_load(path.read_text(encoding="utf-8")) for path in WORKFLOWS}
JOBS = [pytest.param(name, job, id=f"{name}-{job}") for name, workflow in BY_NAME.items() for job in workflow["jobs"]]


def list_commands() -> Iterator[str]:
    for workflow in BY_NAME.values():
        for job in workflow["jobs"].values():
            yield from (step["run"] for step in job.get("steps", ()) if "run" in step)


@pytest.mark.parametrize(("name", "job_name"), JOBS)
def test_a_job_ends_and_waits_for_jobs_that_exist(name: str, job_name: str) -> None:
    jobs: dict[str, Any] = BY_NAME[name]["jobs"]
    job = jobs[job_name]
    assert job.get("needs") in {None, *jobs}
    if "uses" in job:
        assert set(job.get("with", ())) <= {*BY_NAME["ci.yml"][True]["workflow_call"]["inputs"]}
    else:
        assert job["timeout-minutes"] <= 60


def test_the_scripts_and_targets_that_workflows_run_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    commands = list(list_commands())
    targets = {name for text in commands for name in re.findall(r"^make ([\w./]+)", text, re.MULTILINE)}
    scripts = {name for text in commands for name in re.findall(r"^(\.ci/\w+)", text, re.MULTILINE)}
    assert {"lint", "docs", "test"} <= targets
    assert [name for name in targets if f"\n{name.replace('.venv', '$(VENV)')}:" not in makefile] == []
    assert [name for name in scripts if not (ROOT / name).is_file()] == []


@pytest.mark.parametrize(
    ("axis", "classifier"), [("python", "Programming Language :: Python"), ("django", "Framework :: Django")]
)
def test_every_version_that_the_package_declares_is_tried(axis: str, classifier: str) -> None:
    declared = re.findall(rf"^{classifier} :: ([\d.]+)$", "\n".join(DECLARED), re.MULTILINE)
    assert {*declared} <= {*BY_NAME["ci.yml"]["jobs"]["pair"]["strategy"]["matrix"][axis]}
