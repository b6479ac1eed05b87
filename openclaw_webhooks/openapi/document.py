"""The OpenAPI document of the configured routes, by drf-spectacular's generator."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Final, cast

from django.urls import URLPattern, path
from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.settings import patched_settings
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, PolymorphicProxySerializer

import openclaw_webhooks
from openclaw_webhooks.actions.fields import ActionField, ActionNameField, JsonField, OptionField, TextField
from openclaw_webhooks.actions.serializers import ACTION_SERIALIZERS, RUNNING_ONLY_KEYS
from openclaw_webhooks.actions.values import Action, RunTask
from openclaw_webhooks.conf.configuration import get_configuration
from openclaw_webhooks.conf.routes import RouteConfig
from openclaw_webhooks.guards.authentication import SECRET_HEADER
from openclaw_webhooks.openapi.answers import (
    COMPONENT_PREFIX,
    DESCRIPTIONS,
    SCHEMA_OF_STATUS,
    Example,
    build_components,
    list_examples,
)
from openclaw_webhooks.openapi.requests import EXAMPLES
from openclaw_webhooks.values import WHITE_SPACE
from openclaw_webhooks.views import RouteView

__all__ = ["add_routes"]

_SECURITY: Final[dict[str, dict[str, str]]] = {
    f"{COMPONENT_PREFIX}Bearer": {"type": "http", "scheme": "bearer", "description": "The route's secret."},
    f"{COMPONENT_PREFIX}Header": {"type": "apiKey", "in": "header", "name": SECRET_HEADER},
}
_SETTINGS: Final[dict[str, Any]] = {
    "OAS_VERSION": "3.1.0",
    "TITLE": "OpenClaw webhooks",
    "DESCRIPTION": "Authenticated routes that create and drive TaskFlows. One path per route, one action per request.",
    "VERSION": openclaw_webhooks.__version__,
    "POSTPROCESSING_HOOKS": [],
    "PREPROCESSING_HOOKS": [],
    "APPEND_COMPONENTS": {},
    "SECURITY": [],
    "SERVERS": [],
    "TAGS": [],
    "SCHEMA_PATH_PREFIX": "",
    "SCHEMA_PATH_PREFIX_TRIM": False,
    "ENABLE_LIST_MECHANICS_ON_NON_2XX": False,
    "COMPONENT_SPLIT_REQUEST": False,
}
_HEADERS: Final[dict[str, dict[str, Any]]] = {
    "X-Request-Id": {"description": "Names this call in the log and the admin.", "schema": {"type": "string"}},
}
_BLANK: Final = "".join(f"\\u{ord(character):04x}" for character in WHITE_SPACE)
_TEXT_PATTERN: Final = rf"^[^\u0000]*[^\u0000{_BLANK}][^\u0000]*$"
"""Something that is not blank, and no NUL; what is blank is spelt out, since ``\\s`` differs between languages."""
_RETRY_AFTER: Final = {"description": "Seconds until a retry can pass.", "schema": {"type": "integer", "minimum": 1}}


def build_document(routes: Iterable[RouteConfig]) -> dict[str, Any]:
    """Return the document of these routes as JSON-like values; it holds no secret and no session key."""
    with patched_settings(_SETTINGS):
        document: dict[str, Any] = SchemaGenerator(patterns=_build_patterns(routes)).get_schema(public=True)
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for serializer in ACTION_SERIALIZERS:
        _complete(schemas[_component_of(serializer)], serializer.value_class)
    schemas |= {f"{COMPONENT_PREFIX}{name}": schema for name, schema in build_components().items()}
    components["securitySchemes"] = _SECURITY
    for item in document["paths"].values():
        item["post"]["requestBody"]["required"] = True
        for status, response in item["post"]["responses"].items():
            retry = {"Retry-After": _RETRY_AFTER} if status in ("429", "503") else {}
            response["headers"] = {**_HEADERS, **retry}
    return document


def add_routes(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:  # noqa: ARG001
    """Add the routes to a project's own document: list it in ``SPECTACULAR_SETTINGS["POSTPROCESSING_HOOKS"]``."""
    document = build_document(get_configuration().routes)
    result["paths"] = {**result["paths"], **document["paths"]}
    components = result.setdefault("components", {})
    for kind, named in document["components"].items():
        components[kind] = {**components.get(kind, {}), **named}
    return result


class RouteSchema(AutoSchema):
    """How one route is described: the thirteen actions as the body, every answer with an example."""

    def get_operation_id(self) -> str:
        """Name the operation after the route."""
        return f"call_{self._route.route_id.replace('-', '_')}"

    def get_tags(self) -> list[str]:
        """Put all routes under one heading."""
        return ["Webhook routes"]

    def get_summary(self) -> str:
        """Return the operator's note on the route, or its name."""
        return self._route.description or f"Route {self._route.route_id}"

    def get_description(self) -> str:  # type: ignore[override]
        """Say how a caller is let in."""
        return f"Present the route's secret as `Authorization: Bearer …` or in `{SECRET_HEADER}`."

    def get_serializer_name(self, serializer: Any, direction: Any) -> str:
        """Prefix the names of components, so that they fit into a project's own document."""
        return f"{COMPONENT_PREFIX}{super().get_serializer_name(serializer, direction)}"

    def get_auth(self) -> list[dict[str, list[str]]]:
        """Take either way of presenting the secret."""
        return [{name: []} for name in _SECURITY]

    def get_request_serializer(self) -> Any:
        """Return the actions, told apart by ``action``."""
        return PolymorphicProxySerializer(
            component_name=f"{COMPONENT_PREFIX}Action",
            serializers={cls.value_class.name: cls for cls in ACTION_SERIALIZERS},
            resource_type_field_name=ActionNameField.wire_name,
        )

    def get_response_serializers(self) -> Any:
        """Return every answer by status and media type."""
        examples: dict[tuple[int, str], list[Example]] = defaultdict(list)
        for example in list_examples(self._route.route_id):
            examples[example.status, example.media_type].append(example)
        return {key: _describe(*key, found) for key, found in sorted(examples.items())}

    def get_examples(self) -> list[OpenApiExample]:
        """Return an example body per action."""
        return [OpenApiExample(name, value=body, request_only=True) for name, body in EXAMPLES.items()]

    @property
    def _route(self) -> RouteConfig:
        route = cast("DescribedRouteView", self.view).route
        if route is None:  # pragma: no cover - only described views are made, each with its route
            raise ValueError("a described view needs a route")
        return route


class DescribedRouteView(RouteView):
    """The route's view as the generator sees it; it serves nothing."""

    schema = RouteSchema()  # type: ignore[assignment]


class _ActionFieldExtension(OpenApiSerializerFieldExtension):
    """Says of the actions' fields what their checks hold."""

    target_class = ActionField
    match_subclasses = True

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Any) -> dict[str, Any]:
        """Return the schema of one field."""
        match self.target:
            case ActionNameField(name=name):
                return {"const": name}
            case TextField():
                return {"type": "string", "pattern": _TEXT_PATTERN}
            case OptionField(choices=choices):
                return {"enum": list(choices)}
            case JsonField():
                return {"type": ["object", "array", "string", "number", "boolean"], "description": "Any JSON."}
            case _:
                mapped: dict[str, Any] = auto_schema._map_serializer_field(
                    self.target, direction, bypass_extensions=True
                )
                return mapped


def _build_patterns(routes: Iterable[RouteConfig]) -> list[URLPattern]:
    return [path(route.path.removeprefix("/"), DescribedRouteView.as_view(route=route)) for route in routes]


def _describe(status: int, media_type: str, examples: list[Example]) -> OpenApiResponse:
    is_json = media_type == "application/json"
    schema = (
        {"$ref": f"#/components/schemas/{COMPONENT_PREFIX}{SCHEMA_OF_STATUS[status]}"}
        if is_json
        else {"type": "string"}
    )
    return OpenApiResponse(
        response=schema,
        description=DESCRIPTIONS[status],
        examples=[OpenApiExample(example.name, value=example.value, response_only=True) for example in examples],
    )


def _component_of(serializer: type) -> str:
    return f"{COMPONENT_PREFIX}{serializer.__name__.removesuffix('Serializer')}"


def _complete(schema: dict[str, Any], action: type[Action]) -> None:
    """Say what the action does, allow no other key, and what only a running task has only to that."""
    schema["description"] = (action.__doc__ or "").strip()
    schema["additionalProperties"] = False
    if action is RunTask:
        running = {"properties": {"status": {"const": "running"}}, "required": ["status"]}
        schema["dependentSchemas"] = dict.fromkeys(RUNNING_ONLY_KEYS, running)
