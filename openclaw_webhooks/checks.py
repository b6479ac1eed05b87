"""Django system checks: what is wrong or unwise, with stable ids, before the first request.

``manage.py check`` never runs an exec provider, because Django checks at the start of nearly every command, and a
provider may ask, unlock or bill. ``check --deploy`` does, and so does a server at its start
(``run_checks(tags=[TAG], include_deployment_checks=True)``); it takes the longest provider's timeout at most.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register  # noqa: A004 - Django's own name
from django.urls import URLResolver, get_resolver

from openclaw_webhooks.conf.configuration import Configuration, get_configuration
from openclaw_webhooks.conf.problems import Problem, ProblemKind
from openclaw_webhooks.conf.routes import RouteConfig
from openclaw_webhooks.secrets.providers import UnsupportedProvider
from openclaw_webhooks.secrets.refs import InlineSecret, Secret, SecretRef
from openclaw_webhooks.secrets.resolver import SHORT_SECRET_CHARACTERS, SecretResolver, SecretStatus

TAG: Final = "openclaw_webhooks"
URLS_MODULE: Final = "openclaw_webhooks.urls"
ROUTES_MIDDLEWARE: Final = "openclaw_webhooks.middleware.WebhookRoutesMiddleware"
_COMMON_MIDDLEWARE: Final = "django.middleware.common.CommonMiddleware"
_SECURITY_MIDDLEWARE: Final = "django.middleware.security.SecurityMiddleware"

ERROR_IDS: Final[Mapping[ProblemKind, str]] = {
    ProblemKind.SETTINGS: "openclaw_webhooks.E001",
    ProblemKind.FILE: "openclaw_webhooks.E002",
    ProblemKind.ROUTE: "openclaw_webhooks.E003",
    ProblemKind.SAME_PATH: "openclaw_webhooks.E004",
    ProblemKind.SECRETS: "openclaw_webhooks.E005",
    ProblemKind.VARIABLE: "openclaw_webhooks.E006",
    ProblemKind.GATEWAY: "openclaw_webhooks.E007",
}
WARNING_IDS: Final[Mapping[ProblemKind, str]] = {
    ProblemKind.SHORT_SECRET: "openclaw_webhooks.W001",
    ProblemKind.SHARED_SECRET: "openclaw_webhooks.W002",
    ProblemKind.INLINE_SECRET: "openclaw_webhooks.W003",
    ProblemKind.UNSUPPORTED_REF: "openclaw_webhooks.W004",
    ProblemKind.UNREACHABLE_PATH: "openclaw_webhooks.W008",
}
UNRESOLVED_ID: Final = "openclaw_webhooks.W005"
PREFIX_ID: Final = "openclaw_webhooks.W006"
MIDDLEWARE_ID: Final = "openclaw_webhooks.W007"


@register(TAG)
def check_configuration(**_: Any) -> list[CheckMessage]:
    """Report every problem and every warning of settings and configuration."""
    configuration = get_configuration()
    return [
        *(Error(str(problem), id=ERROR_IDS[problem.kind]) for problem in configuration.problems),
        *(Warning(str(warning), id=WARNING_IDS[warning.kind]) for warning in configuration.warnings),
    ]


@register(TAG)
def check_secrets(**_: Any) -> list[CheckMessage]:
    """Resolve what takes reading only (env, file) and report what does not resolve, is short or shared."""
    configuration = get_configuration()
    return _check_resolution(configuration, [route for route in configuration.routes if not _is_exec(route)])


@register(TAG, deploy=True)
def check_exec_secrets(**_: Any) -> list[CheckMessage]:
    """Resolve what takes running a program, all at once, and report the same."""
    configuration = get_configuration()
    return _check_resolution(configuration, [route for route in configuration.routes if _is_exec(route)])


@register(TAG)
def check_mounting(**_: Any) -> list[CheckMessage]:
    """Report a mount under a prefix, with the addresses that result."""
    routes = get_configuration().routes
    if not routes or not getattr(settings, "ROOT_URLCONF", None):
        return []
    return [_describe_prefix(prefix, routes) for prefix in _find_prefixes(get_resolver(), "/") if prefix != "/"]


@register(TAG)
def check_middleware(**_: Any) -> list[CheckMessage]:
    """Report middleware that would refuse a tunnel's Host, or redirect a POST, before a route is reached."""
    middleware = list(settings.MIDDLEWARE)
    if ROUTES_MIDDLEWARE in middleware:
        middleware = middleware[: middleware.index(ROUTES_MIDDLEWARE)]
    guards = [name for name in middleware if _judges_host(name)]
    if not get_configuration().routes or not guards or "*" in settings.ALLOWED_HOSTS:
        return []
    message = (
        f"{', '.join(guards)} may answer a route's request before the route: a Host that ALLOWED_HOSTS lacks gets 400"
    )
    hint = (
        f'List "{ROUTES_MIDDLEWARE}" first in MIDDLEWARE. Around the application, openclaw_webhooks.asgi.mount() and'
        " openclaw_webhooks.wsgi.mount() do the same."
    )
    return [Warning(message, hint=hint, id=MIDDLEWARE_ID)]


def _judges_host(middleware: str) -> bool:
    if middleware == _SECURITY_MIDDLEWARE:
        return bool(settings.SECURE_SSL_REDIRECT)
    return middleware == _COMMON_MIDDLEWARE


def _is_exec(route: RouteConfig) -> bool:
    return isinstance(route.secret, SecretRef) and route.secret.source == "exec"


def _check_resolution(configuration: Configuration, routes: Sequence[RouteConfig]) -> list[CheckMessage]:
    supported = [route for route in routes if _is_supported(route.secret, configuration)]
    resolver = SecretResolver(configuration.secrets, environ=os.environ, logs_reasons=False)
    statuses = resolver.statuses(route.secret for route in supported)
    problems = [
        *(problem for route in supported for problem in _check_status(route, statuses[route.secret])),
        *_find_shared(supported, statuses),
    ]
    return [
        Warning(f"{configuration.routes_path}.{problem}", id=WARNING_IDS.get(problem.kind, UNRESOLVED_ID))
        for problem in problems
    ]


def _is_supported(secret: Secret, configuration: Configuration) -> bool:
    if isinstance(secret, InlineSecret):
        return True
    return secret.source != "store" and not isinstance(configuration.secrets.find(secret.provider), UnsupportedProvider)


def _check_status(route: RouteConfig, status: SecretStatus) -> Iterator[Problem]:
    place = f"{route.route_id}.secret"
    if not status.resolves:
        yield Problem(place, f"{route.secret} does not resolve now, requests get 401: {status.reason}")
    elif status.is_short and not isinstance(route.secret, InlineSecret):
        message = f"resolves to fewer than {SHORT_SECRET_CHARACTERS} characters"
        yield Problem(place, message, ProblemKind.SHORT_SECRET)


def _find_shared(routes: Iterable[RouteConfig], statuses: Mapping[Secret, SecretStatus]) -> Iterator[Problem]:
    """Find equal values behind different secrets; equal references are found without resolving."""
    sharing: dict[bytes, dict[Secret, str]] = {}
    for route in routes:
        if fingerprint := statuses[route.secret].fingerprint:
            sharing.setdefault(fingerprint, {}).setdefault(route.secret, route.route_id)
    for names in sharing.values():
        first, *others = names.values()
        if others:
            message = f"has the same value as that of {', '.join(others)}: give each route its own"
            yield Problem(f"{first}.secret", message, ProblemKind.SHARED_SECRET)


def _find_prefixes(resolver: URLResolver, prefix: str) -> Iterator[str]:
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLResolver):
            below = prefix + str(pattern.pattern).removeprefix("^").removeprefix("/")
            if getattr(pattern.urlconf_module, "__name__", "") == URLS_MODULE:
                yield below
            else:
                yield from _find_prefixes(pattern, below)


def _describe_prefix(prefix: str, routes: Sequence[RouteConfig]) -> CheckMessage:
    addresses = ", ".join(f"{route.route_id}: {prefix}{route.path.removeprefix('/')}" for route in routes)
    message = f"{URLS_MODULE} is included under {prefix}, so routes answer elsewhere than configured: {addresses}"
    return Warning(message, hint=f'Include it at the root: path("", include("{URLS_MODULE}")).', id=PREFIX_ID)
