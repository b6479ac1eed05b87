"""Every answer of a route: its schema (``components`` has them), what it means, and an example (``examples``)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from openclaw_webhooks.openapi.components import COMPONENT_PREFIX, JsonSchema, build_components
from openclaw_webhooks.openapi.examples import Example, list_examples

__all__ = [
    "COMPONENT_PREFIX",
    "DESCRIPTIONS",
    "SCHEMA_OF_STATUS",
    "Example",
    "JsonSchema",
    "build_components",
    "list_examples",
]

SCHEMA_OF_STATUS: Final[dict[int, str]] = {
    HTTPStatus.OK: "Answer",
    HTTPStatus.ACCEPTED: "Pending",
    HTTPStatus.BAD_REQUEST: "InvalidRequest",
    HTTPStatus.NOT_FOUND: "Refusal",
    HTTPStatus.CONFLICT: "Refusal",
    HTTPStatus.SERVICE_UNAVAILABLE: "Refusal",
}
"""The component that a JSON answer of each status is."""

DESCRIPTIONS: Final[dict[int, str]] = {
    HTTPStatus.OK: "Done, or read.",
    HTTPStatus.ACCEPTED: "The cancellation is recorded; the flow is cancelled when its last active child has ended.",
    HTTPStatus.BAD_REQUEST: "The body is not JSON, or is no action: the text names the field.",
    HTTPStatus.UNAUTHORIZED: "The secret is missing, wrong, or does not resolve on the server.",
    HTTPStatus.NOT_FOUND: "The route's session has no such flow.",
    HTTPStatus.METHOD_NOT_ALLOWED: "Routes take POST only.",
    HTTPStatus.REQUEST_TIMEOUT: "The body was not complete in time.",
    HTTPStatus.CONFLICT: "The engine did not accept the change; nothing was changed.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is larger than the limit.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The media type is not JSON.",
    HTTPStatus.TOO_MANY_REQUESTS: "Too many requests in the window, or at once. Retry-After says when to come back.",
    HTTPStatus.SERVICE_UNAVAILABLE: "Store or limits cannot be reached. `outcome_unknown`: look before you retry.",
}
