from __future__ import annotations

import re
from collections.abc import Iterator

from project.environment import parse_environment
from tests.live import ROOT


class Spy(dict[str, str]):
    """An empty environment that notes what it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def get(self, key: str, default: str | None = None) -> str | None:  # type: ignore[override]
        self.asked.append(key)
        return default


def documented() -> Iterator[str]:
    text = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
    for line in text.splitlines():
        if match := re.match(r"\| `([A-Z_]+)` \|", line):
            yield match[1]


def test_the_table_of_variables_is_the_codes() -> None:
    spy = Spy()
    parse_environment(spy)
    assert sorted(documented()) == sorted(spy.asked)
