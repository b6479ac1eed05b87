"""Parses the ``routes`` mapping into ``RouteConfig`` values. A faulty route is left out and never takes others along.

Source: specification.txt ("Configure routes"), contract.md section 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from openclaw_webhooks.conf.fields import Fields, as_object, check_text
from openclaw_webhooks.conf.problems import Problem, ProblemKind
from openclaw_webhooks.conf.routes import RouteConfig
from openclaw_webhooks.conf.secret_input import SecretInputs
from openclaw_webhooks.conf.variables import Variables


@dataclass(slots=True)
class _Parser:
    """What every route needs: where the routes stand (``path``), what ``${NAME}`` is, and how secrets are read."""

    path: str
    variables: Variables
    secrets: SecretInputs
    problems: list[Problem] = field(default_factory=list)

    def parse(self, key: str, entry: object) -> RouteConfig | None:
        """Parse one route; ``None``, and what is wrong noted, where it is faulty."""
        place, found = f"{self.path}.{key}", list[Problem]()
        route_id, fault = check_text(key)
        raw = as_object(entry)
        if fault or not route_id:
            found.append(Problem(place, fault or "a route needs a name that is not blank"))
        route = None
        if raw is None:
            found.append(Problem(place, "must be an object"))
        else:
            route = self._parse_fields(route_id, raw, place, found)
        self.problems += found
        return None if found else route

    def _parse_fields(
        self, route_id: str, raw: Mapping[str, object], place: str, found: list[Problem]
    ) -> RouteConfig | None:
        expanded = {
            name: value if name == "secret" else self.variables.expand(value, f"{place}.{name}", found)
            for name, value in raw.items()
        }
        fields = Fields(expanded, place, found, ProblemKind.ROUTE)
        enabled = fields.flag("enabled", default=True)
        path = normalise_path(fields.text("path", default=f"/plugins/webhooks/{route_id}"))
        session_key = fields.text("sessionKey", required=True)
        secret = self.secrets.parse(fields, "secret")
        controller_id = fields.text("controllerId", default=f"webhooks/{route_id}")
        description = fields.note("description")
        fields.reject_unknown()
        if secret is None:
            return None
        return RouteConfig(
            route_id=route_id,
            path=path,
            session_key=session_key,
            secret=secret,
            controller_id=controller_id,
            description=description,
            enabled=enabled,
        )


@dataclass(frozen=True, slots=True)
class ParsedRoutes:
    """Healthy routes by whether they are enabled, in the order of the configuration."""

    enabled: tuple[RouteConfig, ...] = ()
    disabled: tuple[RouteConfig, ...] = ()


def parse_routes(
    raw: Mapping[str, object], path: str, variables: Variables, *, env_alias: str, problems: list[Problem]
) -> ParsedRoutes:
    """Parse every route; ``path`` is the dotted path of the mapping."""
    parser = _Parser(path, variables, SecretInputs(variables, env_alias))
    parsed = {key: parser.parse(key, entry) for key, entry in raw.items()}
    routes = {key: route for key, route in parsed.items() if route is not None}
    clashing = {**_find_same_names(routes, path), **_find_same_paths(routes, path)}
    problems += [*parser.problems, *clashing.values()]
    healthy = [route for key, route in routes.items() if key not in clashing]
    return ParsedRoutes(
        tuple(route for route in healthy if route.enabled), tuple(route for route in healthy if not route.enabled)
    )


def normalise_path(path: str) -> str:
    """Return the path with a leading and without one trailing slash; the root stays what it is."""
    absolute = path if path.startswith("/") else f"/{path}"
    return absolute[:-1] if absolute.endswith("/") and absolute != "/" else absolute


def _find_same_names(routes: Mapping[str, RouteConfig], path: str) -> dict[str, Problem]:
    groups = _group((route.route_id, key) for key, route in routes.items())
    return {
        key: Problem(f"{path}.{key}", f'is the name of two routes once trimmed: "{name}"')
        for name, keys in groups.items()
        for key in keys
    }


def _find_same_paths(routes: Mapping[str, RouteConfig], path: str) -> dict[str, Problem]:
    groups = _group((route.path, key) for key, route in routes.items() if route.enabled)
    return {
        key: Problem(
            f"{path}.{key}.path",
            f"is {shared}, which is also the path of {', '.join(f'{path}.{other}' for other in keys if other != key)}",
            ProblemKind.SAME_PATH,
        )
        for shared, keys in groups.items()
        for key in keys
    }


def _group(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Gather keys by what they share, where two or more share it."""
    groups: dict[str, list[str]] = {}
    for shared, key in pairs:
        groups.setdefault(shared, []).append(key)
    return {shared: keys for shared, keys in groups.items() if len(keys) > 1}
