"""What the page and the command of routes show, from configuration, secrets and numbers. Renders nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol, TypeAlias

from openclaw_webhooks.calls.statistics import RouteNumbers
from openclaw_webhooks.conf.configuration import Configuration
from openclaw_webhooks.conf.problems import Problem
from openclaw_webhooks.conf.routes import RouteConfig
from openclaw_webhooks.secrets.refs import InlineSecret, Secret, SecretRef
from openclaw_webhooks.secrets.resolver import SecretStatus

PROCESS_SCOPE: Final = "this process"
"""What a limit store says that no other process shares."""

RouteState: TypeAlias = Literal["serving", "no secret", "switched off", "faulty"]


class SecretsReader(Protocol):
    """The part of a resolver that the page needs: never a value."""

    def statuses(self, wanted: Iterable[Secret]) -> dict[Secret, SecretStatus]:
        """Tell for each secret whether it resolves now, and why not."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteRow:
    """One route of the configuration, also one that is not served.

    Attributes:
        config: ``None`` for a faulty one: what is wrong with it is in ``problems``.
        secret_source: Where the secret comes from, in words; never the secret.
    """

    route_id: str
    state: RouteState
    config: RouteConfig | None = None
    secret_source: str = ""
    secret_status: SecretStatus | None = None
    problems: Sequence[Problem] = ()
    warnings: Sequence[Problem] = ()
    numbers: RouteNumbers = field(default_factory=RouteNumbers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """Everything on the page.

    Attributes:
        problems: Those that concern no single route.
        is_file: Whether the routes come from a file and not from Django's settings.
        has_changed: Whether the configuration on disk is another than the one that is served.
        limits_scope: Over what the request limits hold, empty where that is not known.
        lost_day: Calls of the last day that were served and not recorded, over all processes.
    """

    rows: Sequence[RouteRow]
    problems: Sequence[Problem]
    warnings: Sequence[Problem]
    source: str
    is_file: bool
    has_changed: bool
    limits_scope: str
    lost_day: int

    @property
    def limits_are_shared(self) -> bool:
        """Tell whether more than one process counts in one place."""
        return self.limits_scope != PROCESS_SCOPE

    @property
    def has_env_secrets(self) -> bool:
        """Tell whether a secret comes from the environment, which only a restart can change from outside."""
        secrets = (row.config.secret for row in self.rows if row.config is not None)
        return any(isinstance(secret, SecretRef) and secret.source == "env" for secret in secrets)


def build_overview(
    configuration: Configuration,
    *,
    secrets: SecretsReader,
    limits_scope: str,
    numbers: Mapping[str, RouteNumbers],
) -> Overview:
    """Gather the page. Resolves every secret once, all at the same time."""
    problems = _Findings(configuration.problems, configuration.routes_path)
    warnings = _Findings(configuration.warnings, configuration.routes_path)
    statuses = secrets.statuses({route.secret for route in configuration.routes})
    rows = [
        _build_row(route, problems, warnings, statuses.get(route.secret), numbers)
        for route in (*configuration.routes, *configuration.disabled_routes)
    ]
    known = {row.route_id for row in rows}
    faulty = [
        RouteRow(
            route_id=route_id,
            state="faulty",
            problems=problems.of(route_id),
            numbers=numbers.get(route_id, RouteNumbers()),
        )
        for route_id in problems.route_ids
        if route_id not in known
    ]
    return Overview(
        rows=[*faulty, *rows],
        problems=problems.general,
        warnings=warnings.general,
        source=str(configuration.source),
        is_file=configuration.source.path is not None,
        has_changed=configuration.has_changed(),
        limits_scope=limits_scope,
        lost_day=sum(each.day.lost for each in numbers.values()),
    )


class _Findings:
    """Problems or warnings by the route that their paths lie in."""

    def __init__(self, findings: Sequence[Problem], routes_path: str) -> None:
        prefix = f"{routes_path}."
        self._by_route: dict[str, list[Problem]] = {}
        self.general: list[Problem] = []
        for finding in findings:
            if finding.path.startswith(prefix):
                route_id = finding.path.removeprefix(prefix).partition(".")[0]
                self._by_route.setdefault(route_id, []).append(finding)
            else:
                self.general.append(finding)

    @property
    def route_ids(self) -> list[str]:
        return list(self._by_route)

    def of(self, route_id: str) -> Sequence[Problem]:
        return self._by_route.get(route_id, ())


def _build_row(
    route: RouteConfig,
    problems: _Findings,
    warnings: _Findings,
    status: SecretStatus | None,
    numbers: Mapping[str, RouteNumbers],
) -> RouteRow:
    return RouteRow(
        route_id=route.route_id,
        state=_state_of(route, status),
        config=route,
        secret_source=describe_secret(route.secret),
        secret_status=status,
        problems=problems.of(route.route_id),
        warnings=warnings.of(route.route_id),
        numbers=numbers.get(route.route_id, RouteNumbers()),
    )


def _state_of(route: RouteConfig, status: SecretStatus | None) -> RouteState:
    if not route.enabled:
        return "switched off"
    return "serving" if status is not None and status.resolves else "no secret"


def describe_secret(secret: Secret) -> str:
    """Say where a secret comes from; never what it is."""
    if isinstance(secret, InlineSecret):
        return "written in the configuration"
    return f"{secret.source}, provider {secret.provider}, id {secret.id}"
