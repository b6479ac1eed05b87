"""What is allowed in a configuration and still unwise, or without effect: found without resolving anything.

Source: contract.md section 2, "Warnings (checks)".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from openclaw_webhooks.conf.problems import Problem, ProblemKind
from openclaw_webhooks.conf.routes import RouteConfig
from openclaw_webhooks.secrets.providers import SecretsConfig, UnsupportedProvider
from openclaw_webhooks.secrets.refs import InlineSecret, Secret, SecretRef
from openclaw_webhooks.secrets.resolver import SHORT_SECRET_CHARACTERS


def find_warnings(routes: Sequence[RouteConfig], path: str, config: SecretsConfig) -> tuple[Problem, ...]:
    """Return what is to be said of the enabled routes, which stand at the dotted ``path``."""
    return (
        *(warning for route in routes for warning in _check_route(route, f"{path}.{route.route_id}", config)),
        *_find_shared(routes, path),
    )


def _check_route(route: RouteConfig, place: str, config: SecretsConfig) -> Iterator[Problem]:
    if any(character in "?#" or ord(character) < 0x20 for character in route.path):
        message = "holds ?, # or a control character: no request can have that path"
        yield Problem(f"{place}.path", message, ProblemKind.UNREACHABLE_PATH)
    yield from _check_secret(route.secret, f"{place}.secret", config)


def _check_secret(secret: Secret, place: str, config: SecretsConfig) -> Iterator[Problem]:
    if isinstance(secret, InlineSecret):
        yield Problem(place, "is written inline: prefer a SecretRef", ProblemKind.INLINE_SECRET)
        if len(secret.value) < SHORT_SECRET_CHARACTERS:
            message = f"is shorter than {SHORT_SECRET_CHARACTERS} characters"
            yield Problem(place, message, ProblemKind.SHORT_SECRET)
    elif reason := _find_unsupported(secret, config):
        yield Problem(place, f"cannot be resolved here, requests get 401: {reason}", ProblemKind.UNSUPPORTED_REF)


def _find_unsupported(ref: SecretRef, config: SecretsConfig) -> str:
    provider = config.find(ref.provider)
    if isinstance(provider, UnsupportedProvider):
        return provider.reason
    return "only a Gateway can resolve references of source store" if ref.source == "store" else ""


def _find_shared(routes: Sequence[RouteConfig], path: str) -> Iterator[Problem]:
    sharing: dict[Secret, list[str]] = {}
    for route in routes:
        sharing.setdefault(route.secret, []).append(route.route_id)
    for names in sharing.values():
        if len(names) > 1:
            others = ", ".join(f"{path}.{name}" for name in names[1:])
            message = f"is also the secret of {others}: give each route its own"
            yield Problem(f"{path}.{names[0]}.secret", message, ProblemKind.SHARED_SECRET)
