"""A caller of one route, as an outside system would be."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.test import Client

from openclaw_webhooks.actions.names import to_wire_name


@dataclass(frozen=True, slots=True)
class WebhookAnswer:
    """What a caller got.

    Attributes:
        body: The parsed JSON, or the text of an answer that is none, such as 401's.
        headers: By lower-case name.
    """

    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def ok(self) -> bool:
        """Whether the answer says ``"ok": true``."""
        return isinstance(self.body, dict) and self.body.get("ok") is True

    @property
    def code(self) -> str | None:
        """The code of a refusal, such as ``revision_conflict``."""
        return self.body.get("code") if isinstance(self.body, dict) else None

    @property
    def result(self) -> dict[str, Any]:
        """What the engine answered; empty where there is none."""
        found = self.body.get("result") if isinstance(self.body, dict) else None
        return found if isinstance(found, dict) else {}

    @property
    def flow(self) -> dict[str, Any]:
        """The flow as the wire shows it.

        Raises:
            AssertionError: There is none; the message has the answer.
        """
        flow = self.result.get("flow")
        assert isinstance(flow, dict), f"no flow in {self.status} {self.body!r}"
        return flow

    @property
    def task(self) -> dict[str, Any]:
        """The task as the wire shows it; raises as ``flow`` does."""
        task = self.result.get("task")
        assert isinstance(task, dict), f"no task in {self.status} {self.body!r}"
        return task


class WebhookClient:
    """Posts to one route with its secret, through the project's URLs and middleware."""

    def __init__(self, path: str, secret: str | None, *, address: str = "127.0.0.1") -> None:
        """Keep where to post, and as whom.

        Args:
            path: Of the route.
            secret: What to present; ``None`` for nothing.
            address: The caller's, which the limits count by.
        """
        self.path = path
        self._secret = secret
        self._address = address

    def post(self, action: str, **fields: Any) -> WebhookAnswer:
        """Post an action; fields by their Python names (``state_json``) or the wire's (``stateJson``)."""
        return self.send({"action": action, **{to_wire_name(name): value for name, value in fields.items()}})

    def send(self, body: Any, *, headers: Mapping[str, str] | None = None) -> WebhookAnswer:
        """Post any body: bytes as they are, anything else as JSON.

        Args:
            body: What to post.
            headers: Added to ``Content-Type`` and ``Authorization``, or instead of them.
        """
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        own = {"authorization": f"Bearer {self._secret}"} if self._secret is not None else {}
        sent = {**own, **{name.lower(): value for name, value in (headers or {}).items()}}
        content_type = sent.pop("content-type", "application/json")
        response = Client().post(self.path, data, content_type=content_type, headers=sent, REMOTE_ADDR=self._address)
        text = response.content.decode()
        is_json = response.get("Content-Type", "").startswith("application/json")
        answered = {name.lower(): value for name, value in response.items()}
        return WebhookAnswer(response.status_code, json.loads(text) if is_json else text, answered)

    def with_secret(self, secret: str | None) -> WebhookClient:
        """Return the same caller with another secret, or with none."""
        return WebhookClient(self.path, secret, address=self._address)

    def at(self, address: str) -> WebhookClient:
        """Return a caller from another address, with limits of its own."""
        return WebhookClient(self.path, self._secret, address=address)
