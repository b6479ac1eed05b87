"""File providers against real files."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw_webhooks.secrets.providers import FileProvider
from openclaw_webhooks.secrets.refs import SecretRef, parse_pointer
from tests.secrets.providers import CANARY, FILE_REF, build_resolver, reason_of, write_private

KEYS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


def read(path: str, secret_id: str = "/a", **options: object) -> str:
    provider = FileProvider(path=path, **options)  # type: ignore[arg-type]
    return build_resolver(provider).fetch(SecretRef("file", "box", secret_id)).result(20)


def read_in_vain(path: str, secret_id: str = "/a", **options: object) -> str:
    provider = FileProvider(path=path, **options)  # type: ignore[arg-type]
    return reason_of(build_resolver(provider), SecretRef("file", "box", secret_id))


@pytest.mark.parametrize(
    ("secret_id", "value"),
    [("/a/b", "x"), ("/a/", "empty"), ("/a/~0", "tilde"), ("/a/x~1y", "slash"), ("/list/0", "l0"), ("/pad", "p")],
)
def test_a_pointer_finds_its_value(tmp_path: Path, secret_id: str, value: str) -> None:
    document = {"a": {"b": "x", "": "empty", "~": "tilde", "x/y": "slash"}, "list": ["l0"], "pad": "  p\n"}
    assert read(write_private(tmp_path, json.dumps(document)), secret_id) == value


@pytest.mark.parametrize(
    ("secret_id", "reason"),
    [
        ("/list/00", "nothing at that id"),
        ("/list/1", "nothing at that id"),
        ("/list/-1", "nothing at that id"),
        ("/a/b/c", "nothing at that id"),
        ("/number", "not a string"),
        ("/blank", "blank"),
        ("/lines", "more than one line"),
        ("/a~2", "not a JSON pointer"),
        ("a", "not a JSON pointer"),
        ("", "not a JSON pointer"),
    ],
)
def test_what_a_pointer_does_not_find_has_a_reason(tmp_path: Path, secret_id: str, reason: str) -> None:
    document = {"a": {"b": "x"}, "list": ["l0"], "number": 5, "blank": " \n", "lines": "a\nb"}
    assert reason in read_in_vain(write_private(tmp_path, json.dumps(document)), secret_id)


@given(keys=st.lists(KEYS, min_size=1, max_size=5))
def test_any_keys_survive_the_escapes_of_a_pointer(keys: list[str]) -> None:
    pointer = "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in keys)
    assert parse_pointer(pointer) == tuple(keys)


@given(st.text(max_size=40))
def test_any_text_is_a_pointer_or_none(text: str) -> None:
    segments = parse_pointer(text)
    assert segments is None or text.startswith("/")


@pytest.mark.parametrize("content", ["one\n", "one\r\n", "  one", "\ufeffone"])
def test_a_single_value_is_the_trimmed_content(tmp_path: Path, content: str) -> None:
    assert read(write_private(tmp_path, content), "value", mode="singleValue") == "one"


def test_a_single_value_has_one_id(tmp_path: Path) -> None:
    assert '"value"' in read_in_vain(write_private(tmp_path, "one"), "/value", mode="singleValue")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (CANARY, "not JSON"),
        ("[" * 100_000, "not JSON"),
        (f'["{CANARY}"]', "not hold a JSON object"),
        (b"\xff" + CANARY.encode(), "not UTF-8"),
        ("x" * 2000, "larger than 1000 bytes"),
    ],
)
def test_content_that_is_none_costs_a_reason_and_is_not_quoted(
    tmp_path: Path, content: str | bytes, reason: str
) -> None:
    found = read_in_vain(write_private(tmp_path, content), max_bytes=1000 if "larger" in reason else 10**6)
    assert reason in found
    assert CANARY not in found


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o666])
def test_a_file_that_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    path = write_private(tmp_path, '{"a":"v"}', mode=mode)
    assert "group or others" in read_in_vain(path)
    assert read(path, allow_insecure_path=True) == "v"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_file_of_another_user_is_refused(tmp_path: Path) -> None:
    path = write_private(tmp_path, '{"a":"v"}')
    os.chown(path, 12345, -1)
    assert "not owned" in read_in_vain(path)


def test_a_link_is_followed_only_where_insecure_paths_are_allowed(tmp_path: Path) -> None:
    write_private(tmp_path, '{"a":"v"}', name="real")
    link = tmp_path / "link"
    link.symlink_to("real")
    assert "symbolic link" in read_in_vain(str(link))
    assert read(str(link), allow_insecure_path=True) == "v"


def test_a_fifo_a_folder_and_nothing_cost_a_reason_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo", 0o600)
    assert "not a regular file" in read_in_vain(str(tmp_path / "fifo"))
    assert "not a regular file" in read_in_vain(str(tmp_path))
    assert "cannot be opened" in read_in_vain(str(tmp_path / "none"))
    assert "cannot be opened" in read_in_vain("/a\0b")


def test_a_file_that_cannot_be_read_costs_a_reason() -> None:
    # Regular, and yet every read of it from its start fails with EIO.
    assert "cannot be read" in read_in_vain("/proc/self/mem", allow_insecure_path=True)


def test_rotation_takes_effect_at_the_next_request(tmp_path: Path) -> None:
    resolver = build_resolver(FileProvider(path=write_private(tmp_path, '{"a":"first"}')))
    assert resolver.fetch(FILE_REF).result(20) == "first"
    write_private(tmp_path, '{"a":"second"}')
    assert resolver.fetch(FILE_REF).result(20) == "second"
