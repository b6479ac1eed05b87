"""Who may own and change a file that secrets come from, and where ``~`` leads.

Source: contract.md section 2.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from openclaw_webhooks.exceptions import SecretUnresolved


def expand_home(path: str, environ: Mapping[str, str]) -> str:
    """Replace a leading ``~`` by the home folder: ``HOME``, else the account's."""
    if path != "~" and not path.startswith("~/"):
        return path
    home = environ.get("HOME") or str(Path.home())
    return home.rstrip("/") + path[1:] if path != "~" else home


def check_owner(status: os.stat_result, what: str) -> None:
    """Refuse what does not belong to the user who runs this process.

    Raises:
        SecretUnresolved: It belongs to somebody else.
    """
    if status.st_uid != os.geteuid():
        raise SecretUnresolved(f"{what} is not owned by the user who runs this process")


def check_private(status: os.stat_result, what: str) -> None:
    """Refuse what group or others may read or write.

    Raises:
        SecretUnresolved: Its mode is too open.
    """
    if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO) & ~(stat.S_IXGRP | stat.S_IXOTH):
        raise SecretUnresolved(f"{what} may be read or written by group or others: make its mode 0600")


def check_unchangeable(status: os.stat_result, what: str) -> None:
    """Refuse what group or others may write.

    Raises:
        SecretUnresolved: Its mode is too open.
    """
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise SecretUnresolved(f"{what} may be written by group or others: make its mode 0700")
