"""The providers that a SecretRef can name, as frozen values. Parsing them is ``conf``'s business.

Source: contract.md section 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

DEFAULT_ALIAS: Final = "default"
DEFAULT_TIMEOUT_MS: Final = 5000
DEFAULT_LIMIT_BYTES: Final = 1_048_576

FileMode: TypeAlias = Literal["json", "singleValue"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvProvider:
    """Environment variables; ``allowlist`` of ``None`` allows every name."""

    allowlist: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileProvider:
    """One file: a JSON object read by pointer, or one value. ``path`` is absolute."""

    path: str
    mode: FileMode = "json"
    timeout_ms: int = DEFAULT_TIMEOUT_MS
    max_bytes: int = DEFAULT_LIMIT_BYTES
    allow_insecure_path: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecProvider:
    """A program that is asked for values. Paths are absolute; arguments and environment are hidden from ``repr``."""

    command: str
    args: tuple[str, ...] = field(default=(), repr=False)
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    pass_env: tuple[str, ...] = ()
    timeout_ms: int = DEFAULT_TIMEOUT_MS
    no_output_timeout_ms: int = DEFAULT_TIMEOUT_MS
    max_output_bytes: int = DEFAULT_LIMIT_BYTES
    json_only: bool = True
    trusted_dirs: tuple[str, ...] = ()
    allow_symlink_command: bool = False
    allow_insecure_path: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsupportedProvider:
    """A provider that only a Gateway can ask; ``reason`` says why, to the operator."""

    source: str
    reason: str


Provider: TypeAlias = EnvProvider | FileProvider | ExecProvider | UnsupportedProvider


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretsConfig:
    """The ``secrets`` section, and the variables that the configuration adds to the environment.

    Attributes:
        providers: Healthy providers by name.
        faulty: Names of providers whose configuration is at fault; a check says how.
        env_alias: The provider that needs no entry: ``secrets.defaults.env``.
        config_env: ``env.vars`` of the file: used where the process's environment has no value. ``""`` for one that
            refers to a variable that is not set.
    """

    providers: Mapping[str, Provider] = field(default_factory=dict)
    faulty: frozenset[str] = frozenset()
    env_alias: str = DEFAULT_ALIAS
    config_env: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)

    def find(self, name: str) -> Provider | None:
        """Return the provider of that name."""
        provider = self.providers.get(name)
        if provider is None and name == self.env_alias and name not in self.faulty:
            return EnvProvider()
        return provider

    def read_variable(self, name: str, environ: Mapping[str, str]) -> str:
        """Return one variable as the process sees it now, else as the configuration gives it, else ``""``."""
        return environ.get(name) or self.config_env.get(name, "")
