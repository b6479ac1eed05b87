from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyjson5
import pytest

from project.data_folder import make_data_folder, read_secret_key, write_private
from project.starter import write_starter
from tests.live import manage


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_folder_is_private(tmp_path: Path) -> None:
    make_data_folder(tmp_path / "data")
    assert mode_of(tmp_path / "data") == 0o700


def test_a_folder_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o750)
    make_data_folder(tmp_path / "data")
    assert mode_of(tmp_path / "data") == 0o750


def test_a_private_file_is_written_once_and_never_again(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert write_private(path, "first")
    assert not write_private(path, "second")
    assert path.read_text() == "first"
    assert mode_of(path) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_many_at_once_agree_on_one_secret_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(read_secret_key, [tmp_path / "data"] * 16))
    assert len(keys) == 1
    assert len(keys.pop()) >= 50
    assert mode_of(tmp_path / "data" / "secret-key") == 0o600


def test_a_command_that_comes_first_makes_the_folder_also_with_a_secret_key_of_its_own(tmp_path: Path) -> None:
    status, told = manage(tmp_path / "data", "migrate", "-v0", environ={"SECRET_KEY": "of-the-tests" * 5})
    assert (status, told) == (0, "")
    assert mode_of(tmp_path / "data") == 0o700
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["openclaw-webhooks.sqlite3"]


def test_a_folder_that_cannot_be_made_and_one_that_is_missing_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    status, told = manage(tmp_path / "file" / "data", "migrate", environ={"SECRET_KEY": "of-the-tests" * 5})
    assert (status, told.startswith("OPENCLAW_WEBHOOKS_DATA_DIR: "), told.count("\n")) == (1, True, 1)
    environ = {"DATABASE_URL": f"sqlite:///{tmp_path}/none/db"}
    status, told = manage(tmp_path / "data", "migrate", environ=environ)
    assert (status, told) == (1, f"DATABASE_URL: the database cannot be used: there is no folder '{tmp_path}/none'\n")


def test_the_starter_is_json5_with_one_route(tmp_path: Path) -> None:
    path = tmp_path / "data" / "openclaw.json"
    assert write_starter(path, secret="a-random-secret")
    webhooks = pyjson5.decode(path.read_text())["plugins"]["entries"]["webhooks"]
    assert webhooks["enabled"] is True
    assert webhooks["config"]["routes"] == {
        "starter": {
            "enabled": True,
            "path": "/plugins/webhooks/starter",
            "sessionKey": "agent:main:main",
            "secret": "a-random-secret",
            "controllerId": "webhooks/starter",
            "description": "Made by the first start",
        }
    }
    assert mode_of(path) == 0o600


def test_a_configuration_that_is_there_is_never_written(tmp_path: Path) -> None:
    path = tmp_path / "openclaw.json"
    path.write_text("{}")
    assert not write_starter(path, secret="x")
    assert path.read_text() == "{}"


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        read_secret_key(tmp_path / "file" / "data")
