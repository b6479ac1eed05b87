"""The result of ``list_flows`` where the engine has written its flows as JSON already."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from openclaw_webhooks.values import JsonValue


class WrittenFlows(Mapping[str, JsonValue]):
    """``{"flows": […]}``, taken apart only when somebody looks at it: an answer takes it as it is.

    Attributes:
        text: The flows, a JSON array.
    """

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        """Keep the text."""
        self.text = text

    def __getitem__(self, key: str) -> JsonValue:
        """Return the views for ``"flows"``."""
        if key != "flows":
            raise KeyError(key)
        flows: JsonValue = json.loads(self.text)
        return flows

    def __iter__(self) -> Iterator[str]:
        """Name the one key."""
        yield "flows"

    def __len__(self) -> int:
        """Count the one key."""
        return 1
