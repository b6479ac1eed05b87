"""``python -m project.serve``: prepare, tell, and become the server.

Replaces itself with gunicorn once all is prepared, so that signals reach gunicorn.
"""

from __future__ import annotations

import os
import sys
from typing import Final, NoReturn

import django

from project.parent import end_with_parent

_PRIVATE_UMASK: Final = 0o077


def main() -> NoReturn:
    """Prepare, print the report and execute gunicorn; ends with exit status 1 where something is wrong."""
    os.umask(_PRIVATE_UMASK)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    django.setup()

    from project.preparation import Unprepared, prepare  # noqa: PLC0415 - importable only once Django is set up
    from project.settings import SERVER  # noqa: PLC0415

    if SERVER.host_token is not None:
        end_with_parent()
    try:
        report = prepare(SERVER)
    except Unprepared as unprepared:
        print(unprepared, file=sys.stderr)  # noqa: T201 - whoever typed the command reads it here
        raise SystemExit(1) from None
    print(report, flush=True)  # noqa: T201
    arguments = ["-m", "gunicorn", "--config", "python:project.gunicorn_conf"]
    os.execv(sys.executable, [sys.executable, *arguments])  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
