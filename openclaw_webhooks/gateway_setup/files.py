"""Writes the plugin into a folder, and a configuration over an existing one; never over something unseen."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from openclaw_webhooks.gateway_setup.configuration import PLUGIN_FOLDER


class NotWritten(Exception):
    """Nothing was changed; the message says what is in the way."""


def copy_plugin(folder: Path, *, force: bool = False) -> list[Path]:
    """Copy the plugin's files into a folder and return those that were not there, or differed.

    Raises:
        NotWritten: Files there have another content and ``force`` is not set, or the folder cannot be written.
    """
    sources = {path.relative_to(PLUGIN_FOLDER): path.read_bytes() for path in sorted(PLUGIN_FOLDER.rglob("*.js*"))}
    targets = {folder / name: content for name, content in sources.items()}
    try:
        changed = [path for path, content in targets.items() if not path.exists() or path.read_bytes() != content]
        in_the_way = [str(path) for path in changed if path.exists()]
        if in_the_way and not force:
            raise NotWritten(f"Other files are there already (--force replaces them): {', '.join(in_the_way)}")
        for path in changed:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(targets[path])
    except OSError as error:
        raise NotWritten(f"{folder}: {error.strerror}") from error
    return changed


def read_plain_json(path: Path) -> dict[str, Any]:
    """Read a configuration that can be written back without losing anything.

    Raises:
        NotWritten: It is missing, has comments or other JSON5, or is put together of several files.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise NotWritten(f"{path} does not exist") from None
    except OSError as error:
        raise NotWritten(f"{path}: {error.strerror}") from error
    except ValueError:
        raise NotWritten(f"{path} is JSON5, whose comments would be lost: add the lines by hand") from None
    if not isinstance(document, dict):
        raise NotWritten(f"{path} holds no object")
    if "$include" in document or "$include" in (document.get("plugins") or {}):
        raise NotWritten(f"{path} includes other files: add the lines by hand, where they belong")
    return document


def replace_config(path: Path, document: Mapping[str, Any]) -> Path:
    """Write a configuration in one step with the mode of the old one, and return where the old one is kept.

    Raises:
        NotWritten: The folder cannot be written.
    """
    kept = path.with_name(f"{path.name}.{time.strftime('%Y%m%d-%H%M%S')}.bak")
    scratch = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        shutil.copy2(path, kept)
        with open(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:  # noqa: PTH123
            json.dump(document, file, indent=2, ensure_ascii=False)
            file.write("\n")
        shutil.copymode(path, scratch)
        scratch.replace(path)
    except OSError as error:
        scratch.unlink(missing_ok=True)
        raise NotWritten(f"{path}: {error.strerror}") from error
    return kept
