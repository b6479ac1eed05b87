"""How arguments and methods of ``TaskFlows`` become what the rest of the app knows: bodies of JSON, and coroutines."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Coroutine
from enum import Enum
from typing import Any, Concatenate, ParamSpec, TypeVar

from asgiref.sync import sync_to_async

from openclaw_webhooks.exceptions import BodyNotJson
from openclaw_webhooks.guards.json_body import parse_json
from openclaw_webhooks.taskflows.refusals import InvalidAction
from openclaw_webhooks.values import JsonValue

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")


def asynchronous(
    method: Callable[Concatenate[S, P], R],
) -> Callable[Concatenate[S, P], Coroutine[Any, Any, R]]:
    """Return the twin of a method for coroutines: as Django's own, it runs where the ORM may."""
    call = sync_to_async(method)

    @functools.wraps(method)
    async def twin(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return await call(self, *args, **kwargs)

    twin.__name__ = f"a{method.__name__}"
    return twin


def as_json(body: dict[str, Any]) -> JsonValue:
    """Make of Python values what a caller's body would be, so that both pass the same checks."""
    plain = {name: value.value if isinstance(value, Enum) else value for name, value in body.items()}
    try:
        return parse_json(json.dumps(plain, allow_nan=False).encode())
    except (TypeError, ValueError, RecursionError, BodyNotJson) as error:
        raise InvalidAction(f"an argument is not JSON: {error}") from error
