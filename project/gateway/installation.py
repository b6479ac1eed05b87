"""Where a Gateway's program is: a folder into which npm has put it already, or one into which it is put now."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

DEFAULT_VERSION: Final = "2026.7.1"
_NODE: Final = "node@24"


class NotInstalled(Exception):
    """There is no Gateway and none can be installed; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Installation:
    """A folder whose ``node_modules`` hold Node and the Gateway."""

    folder: Path

    @property
    def node(self) -> Path:
        """Node's program."""
        return self.folder / "node_modules/node/bin/node"

    @property
    def entry(self) -> Path:
        """The Gateway's entry point, for Node to run."""
        return self.folder / "node_modules/openclaw/openclaw.mjs"

    @property
    def is_complete(self) -> bool:
        """Whether both are there."""
        return self.node.exists() and self.entry.exists()

    @property
    def version(self) -> str:
        """The Gateway's version."""
        manifest = self.folder / "node_modules/openclaw/package.json"
        return str(json.loads(manifest.read_text(encoding="utf-8"))["version"])


def find_or_install(*, version: str, home_dir: str | None, cache_folder: Path) -> Installation:
    """Return the installation in ``home_dir`` where one is named, else one in ``cache_folder``, made if need be.

    Raises:
        NotInstalled: ``home_dir`` holds no Gateway, or npm is missing or fails.
    """
    if home_dir:
        found = Installation(Path(home_dir).expanduser().absolute())
        if not found.is_complete:
            raise NotInstalled(f"OPENCLAW_HOME_DIR: {found.folder} has no node_modules with node and openclaw")
        return found
    found = Installation(cache_folder / f"openclaw-{version}")
    if not found.is_complete:
        _install(found.folder, version)
    return found


def _install(folder: Path, version: str) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise NotInstalled("npm is needed to install a Gateway; or name a folder that has one: OPENCLAW_HOME_DIR")
    folder.mkdir(parents=True, exist_ok=True)
    # npm would otherwise look for one further up.
    (folder / "package.json").write_text('{"private": true}\n', encoding="utf-8")
    quiet = ["--silent", "--no-audit", "--no-fund"]
    for arguments in ([_NODE], ["--ignore-scripts", f"openclaw@{version}"]):
        ended = subprocess.run([npm, "install", *quiet, *arguments], cwd=folder, check=False, stdin=subprocess.DEVNULL)  # noqa: S603
        if ended.returncode:
            raise NotInstalled(f"npm install {arguments[-1]} failed with exit status {ended.returncode}")
