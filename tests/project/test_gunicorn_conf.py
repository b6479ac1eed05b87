"""What the stand-alone server asks of gunicorn."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError

import pytest

from project import gunicorn_conf


@pytest.mark.parametrize(
    ("installed", "parser"),
    [(None, "python"), ("0.6.9", "python"), ("0.6.10", "fast"), ("0.7.0rc1", "fast"), ("1.0", "fast")],
)
def test_the_parser_in_c_is_used_where_it_frees_its_connections(
    monkeypatch: pytest.MonkeyPatch, installed: str | None, parser: str
) -> None:
    def version(_name: str) -> str:
        if installed is None:
            raise PackageNotFoundError
        return installed

    monkeypatch.setattr(gunicorn_conf, "version", version)
    assert gunicorn_conf.choose_parser() == parser
