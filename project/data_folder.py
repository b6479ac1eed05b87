"""The server's data folder: made private, and the files in it that hold secrets.

The only module that writes into the folder, the database apart.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final

SECRET_KEY_NAME: Final = "secret-key"  # noqa: S105 - a file's name
CONFIGURATION_NAME: Final = "openclaw.json"


def make_data_folder(folder: Path) -> None:
    """Make the folder, readable by its owner alone; one that is there already stays as it is.

    Raises:
        OSError: It cannot be made.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def write_private(path: Path, text: str) -> bool:
    """Write a new file that only its owner can read, whole or not at all.

    Returns:
        Whether it was written; a file that is there already is never touched, also not by two processes at once.

    Raises:
        OSError: It cannot be written.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        path.hardlink_to(draft)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    return True


def read_secret_key(folder: Path) -> str:
    """Return Django's secret key of this folder, made at the first call.

    Raises:
        OSError: The folder or the file cannot be made or read.
    """
    path = folder / SECRET_KEY_NAME
    if not path.exists():
        make_data_folder(folder)
        write_private(path, secrets.token_urlsafe(48) + "\n")
    return path.read_text(encoding="utf-8").strip()
