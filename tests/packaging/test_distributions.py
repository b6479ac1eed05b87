from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "openclaw_webhooks"


def files_of_package() -> set[str]:
    """Every file that git would carry under the package."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "openclaw_webhooks"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return {name for name in listing.splitlines() if (ROOT / name).is_file()}


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return folder


def names_in_wheel(folder: Path) -> set[str]:
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as wheel:
        return set(wheel.namelist())


def names_in_sdist(folder: Path) -> set[str]:
    (path,) = folder.glob("*.tar.gz")
    with tarfile.open(path) as sdist:
        return {name.partition("/")[2] for name in sdist.getnames()}


@pytest.mark.parametrize("names_in", [names_in_wheel, names_in_sdist])
def test_every_file_of_the_package_is_carried(distributions: Path, names_in: Callable[[Path], set[str]]) -> None:
    expected = files_of_package()
    assert {"openclaw_webhooks/py.typed", "openclaw_webhooks/migrations/0001_initial.py"} <= expected
    assert any(name.startswith("openclaw_webhooks/templates/") for name in expected)
    assert expected <= names_in(distributions)


def test_the_wheel_carries_the_app_alone(distributions: Path) -> None:
    tops = {name.partition("/")[0] for name in names_in_wheel(distributions)}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"openclaw_webhooks"}


def test_the_sdist_can_run_its_own_suite(distributions: Path) -> None:
    assert {
        "tests/settings.py",
        "project/settings.py",
        "tox.ini",
        "requirements-test.txt",
        "LICENSE",
    } <= names_in_sdist(distributions)


def test_the_licence_travels_with_the_wheel(distributions: Path) -> None:
    assert any(name.endswith("licenses/LICENSE") for name in names_in_wheel(distributions))
