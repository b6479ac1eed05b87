"""Paths as an operator writes them."""

from __future__ import annotations

from pathlib import Path


def expand_home(text: str) -> Path:
    """Make a path of text, ``~`` and ``~user`` replaced by that user's home.

    Raises:
        ValueError: Nobody is called that here.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise ValueError(f"names the home of a user who is not known here: {text!r}") from None
