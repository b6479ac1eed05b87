#!/usr/bin/env python
"""Django's command line for the stand-alone server: ``python manage.py check``, ``changepassword`` and the rest."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run one management command with the stand-alone server's settings."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    from django.core.management import execute_from_command_line  # noqa: PLC0415 - the settings must be named first

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
