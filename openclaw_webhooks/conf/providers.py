"""Parses the ``secrets`` section into ``SecretsConfig``. A faulty provider is left out; its references do not resolve.

Source: contract.md section 2. ``secrets.resolution`` is accepted and has no effect: nothing is resolved in batches.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

from openclaw_webhooks.conf.fields import Fields, as_object
from openclaw_webhooks.conf.problems import Problem, ProblemKind
from openclaw_webhooks.conf.variables import Variables
from openclaw_webhooks.secrets.providers import (
    DEFAULT_ALIAS,
    DEFAULT_LIMIT_BYTES,
    DEFAULT_TIMEOUT_MS,
    EnvProvider,
    ExecProvider,
    FileMode,
    FileProvider,
    Provider,
    SecretsConfig,
    UnsupportedProvider,
)
from openclaw_webhooks.secrets.refs import SECRET_SOURCES, is_provider_name
from openclaw_webhooks.secrets.trust import expand_home

_FILE_MODES: Final = ("json", "singleValue")


def parse_secrets(raw: object, path: str, variables: Variables, problems: list[Problem]) -> SecretsConfig:
    """Parse the section, which stands at the dotted ``path``; what later Gateways add to it is left alone."""
    section = as_object(raw)
    if section is None:
        problems.append(Problem(path, "must be an object", ProblemKind.SECRETS))
        section = {}
    fields = Fields(section, path, problems, ProblemKind.SECRETS)
    providers: dict[str, Provider] = {}
    faulty = set()
    for name, entry in fields.mapping("providers").items():
        provider = _parse_provider(name, entry, fields.path_of("providers"), variables, problems)
        if provider is None:
            faulty.add(name)
        else:
            providers[name] = provider
    return SecretsConfig(
        providers=providers,
        faulty=frozenset(faulty),
        env_alias=_parse_env_alias(fields),
        config_env=variables.config_env,
    )


def _parse_env_alias(fields: Fields) -> str:
    defaults = Fields(fields.mapping("defaults"), fields.path_of("defaults"), fields.problems, ProblemKind.SECRETS)
    aliases = {source: defaults.text(source, default=DEFAULT_ALIAS) for source in SECRET_SOURCES}
    for source, alias in aliases.items():
        if not is_provider_name(alias):
            defaults.report(source, "is not a provider's name")
    return aliases["env"]


def _parse_provider(
    name: str, entry: object, path: str, variables: Variables, problems: list[Problem]
) -> Provider | None:
    place = f"{path}.{name}"
    found: list[Problem] = []
    if not is_provider_name(name):
        found.append(Problem(place, "is no provider's name: [a-z][a-z0-9_-]{0,63}", ProblemKind.SECRETS))
    raw = as_object(entry)
    provider = None
    if raw is None:
        found.append(Problem(place, "must be an object", ProblemKind.SECRETS))
    else:
        expanded = {key: variables.expand(value, f"{place}.{key}", found) for key, value in raw.items()}
        provider = _parse_source(Fields(expanded, place, found, ProblemKind.SECRETS), variables.environ)
    problems += found
    return None if found else provider


def _parse_source(fields: Fields, environ: Mapping[str, str]) -> Provider | None:
    source = fields.text("source", required=True)
    if fields.has("pluginIntegration"):
        return UnsupportedProvider(source=source, reason="only a Gateway can ask a provider of a plugin")
    match source:
        case "env":
            provider: Provider = _parse_env(fields)
        case "file":
            provider = _parse_file(fields, environ)
        case "exec":
            provider = _parse_exec(fields, environ)
        case "store":
            return UnsupportedProvider(source=source, reason="only a Gateway can ask a provider of source store")
        case _:
            fields.report("source", f"must be one of {', '.join(SECRET_SOURCES)}")
            return None
    fields.reject_unknown()
    return provider


def _parse_env(fields: Fields) -> EnvProvider:
    if not fields.has("allowlist"):
        return EnvProvider()
    return EnvProvider(allowlist=frozenset(fields.texts("allowlist")))


def _parse_file(fields: Fields, environ: Mapping[str, str]) -> FileProvider:
    return FileProvider(
        path=_absolute(fields, "path", environ),
        mode=cast("FileMode", fields.choice("mode", _FILE_MODES, default="json")),
        timeout_ms=fields.whole("timeoutMs", default=DEFAULT_TIMEOUT_MS),
        max_bytes=fields.whole("maxBytes", default=DEFAULT_LIMIT_BYTES),
        allow_insecure_path=fields.flag("allowInsecurePath", default=False),
    )


def _parse_exec(fields: Fields, environ: Mapping[str, str]) -> ExecProvider:
    timeout_ms = fields.whole("timeoutMs", default=DEFAULT_TIMEOUT_MS)
    return ExecProvider(
        command=_absolute(fields, "command", environ),
        args=_arguments(fields),
        env=_environment(fields),
        pass_env=fields.texts("passEnv"),
        timeout_ms=timeout_ms,
        no_output_timeout_ms=fields.whole("noOutputTimeoutMs", default=timeout_ms),
        max_output_bytes=fields.whole("maxOutputBytes", default=DEFAULT_LIMIT_BYTES),
        json_only=fields.flag("jsonOnly", default=True),
        trusted_dirs=_folders(fields, environ),
        allow_symlink_command=fields.flag("allowSymlinkCommand", default=False),
        allow_insecure_path=fields.flag("allowInsecurePath", default=False),
    )


def _absolute(fields: Fields, name: str, environ: Mapping[str, str]) -> str:
    path = expand_home(fields.text(name, required=True), environ)
    if path and not path.startswith("/"):
        fields.report(name, "must be an absolute path")
    return path


def _folders(fields: Fields, environ: Mapping[str, str]) -> tuple[str, ...]:
    folders = tuple(expand_home(folder, environ) for folder in fields.texts("trustedDirs"))
    if not all(folder.startswith("/") for folder in folders):
        fields.report("trustedDirs", "must be absolute paths")
    return folders


def _arguments(fields: Fields) -> tuple[str, ...]:
    # Kept as they are: an argument may be blank, and its white space may matter.
    arguments = fields.raw["args"] if fields.has("args") else ()
    if isinstance(arguments, (list, tuple)) and all(_is_passable(argument) for argument in arguments):
        return tuple(arguments)
    fields.report("args", "must be a list of strings without NUL characters")
    return ()


def _environment(fields: Fields) -> Mapping[str, str]:
    variables = fields.mapping("env")
    for name, value in variables.items():
        if not name or "=" in name or not _is_passable(name) or not _is_passable(value):
            fields.report(f"env.{name}", "must be a string without NUL characters")
    return cast("Mapping[str, str]", dict(variables))


def _is_passable(value: object) -> bool:
    return isinstance(value, str) and "\0" not in value
