"""Turns a configured secret into its value at the moment of a request.

Never blocks in ``resolve_now`` and ``fetch``; files and programs are read and run in threads of its own. Reasons are
logged and shown, values never are.

Source: specification.txt ("SecretRef values are re-resolved on every request"), contract.md section 2.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Final, assert_never

from openclaw_webhooks.exceptions import SecretUnresolved
from openclaw_webhooks.secrets.commands import run_exec_secret
from openclaw_webhooks.secrets.fetching import Fetcher, Job
from openclaw_webhooks.secrets.files import read_file_secret
from openclaw_webhooks.secrets.providers import (
    EnvProvider,
    ExecProvider,
    FileProvider,
    Provider,
    SecretsConfig,
    UnsupportedProvider,
)
from openclaw_webhooks.secrets.reasons import ReasonLog
from openclaw_webhooks.secrets.refs import (
    InlineSecret,
    Secret,
    SecretRef,
    holds_reference,
    is_env_id,
    is_provider_name,
)
from openclaw_webhooks.values import WHITE_SPACE

SHORT_SECRET_CHARACTERS: Final = 20
"""Shorter secrets than this can be guessed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretStatus:
    """What an operator may know of a secret.

    Attributes:
        resolves: Whether it has a value now.
        reason: Why not, ``None`` where it has one.
        checked_at_ms: Unix milliseconds.
        is_short: Whether the value is shorter than is wise.
        fingerprint: Equal for equal values of one resolver, and of no use elsewhere; empty where there is no value.
    """

    resolves: bool
    reason: str | None
    checked_at_ms: int
    is_short: bool = False
    fingerprint: bytes = field(default=b"", repr=False)


class SecretResolver:
    """Resolves secrets; one per process, safe to share by threads and over a fork."""

    def __init__(
        self,
        config: SecretsConfig,
        *,
        environ: Mapping[str, str],
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        reuse_seconds: float = 1.0,
        logs_reasons: bool = True,
        reasons: ReasonLog | None = None,
        note_resolution: Callable[[str, str], None] | None = None,
    ) -> None:
        """Read nothing yet.

        Args:
            config: Providers and aliases.
            environ: Read anew at each request: hand in ``os.environ`` itself.
            clock: Seconds, monotonic.
            wall_clock: Unix seconds.
            reuse_seconds: How long the value of an exec provider may be used again; 0 never.
            logs_reasons: Whether failures are logged; not where the caller reports them itself.
            reasons: What logs them and tells them on, where somebody else asks it too.
            note_resolution: Called with the source of each reference looked up and what came of it (``resolved``,
                ``reused`` or ``unresolved``); must neither wait nor raise.
        """
        self._config, self._environ = config, environ
        self._clock, self._wall_clock, self._reuse_seconds = clock, wall_clock, reuse_seconds
        # Apart, so that programs that hang never hold up a file.
        self._files, self._programs = Fetcher(clock=clock), Fetcher(clock=clock)
        self._fresh: dict[SecretRef, tuple[str, float]] = {}
        self._reasons = reasons or (ReasonLog(clock=clock) if logs_reasons else None)
        self._note_resolution = note_resolution
        self._key = secrets.token_bytes(32)

    def resolve_now(self, secret: Secret) -> str | None:
        """Return the value where that needs no waiting, ``None`` where it must be fetched.

        Raises:
            SecretUnresolved: It has no value, and fetching would not help.
        """
        if isinstance(secret, InlineSecret):
            return secret.value
        try:
            value = self._look_up(secret)
        except SecretUnresolved as unresolved:
            self._note(secret, str(unresolved))
            raise
        if value is not None and self._reasons is not None:
            self._reasons.note(secret, None)
        if value is not None and self._note_resolution is not None:
            self._note_resolution(secret.source, "reused" if secret.source == "exec" else "resolved")
        return value

    def fetch(self, secret: Secret) -> Future[str]:
        """Start resolving, or join the resolution of an equal reference that is running.

        The future is done within the provider's timeout; it fails with ``SecretUnresolved`` only.
        """
        try:
            value = self.resolve_now(secret)
        except SecretUnresolved as unresolved:
            return _settled(unresolved)
        if isinstance(secret, InlineSecret) or value is not None:
            return _settled(value or "")
        provider = self._find_provider(secret)
        assert isinstance(provider, (FileProvider, ExecProvider))  # noqa: S101 - resolve_now would have told
        fetcher = self._files if isinstance(provider, FileProvider) else self._programs
        future = fetcher.fetch(Job(secret, self._build_work(secret, provider), provider.timeout_ms))
        future.add_done_callback(lambda done: self._note_outcome(secret, done))
        return future

    def status(self, secret: Secret) -> SecretStatus:
        """Resolve now, waiting within the provider's timeout, and say what an operator may know."""
        return self.statuses([secret])[secret]

    def statuses(self, wanted: Iterable[Secret]) -> dict[Secret, SecretStatus]:
        """Resolve several secrets at once, waiting within the longest timeout of their providers."""
        futures = {secret: self.fetch(secret) for secret in wanted}
        return {secret: self._describe(future) for secret, future in futures.items()}

    def _describe(self, future: Future[str]) -> SecretStatus:
        unresolved = future.exception()
        checked_at_ms = int(self._wall_clock() * 1000)
        if unresolved is not None:
            return SecretStatus(resolves=False, reason=str(unresolved), checked_at_ms=checked_at_ms)
        value = future.result()
        return SecretStatus(
            resolves=True,
            reason=None,
            checked_at_ms=checked_at_ms,
            is_short=len(value) < SHORT_SECRET_CHARACTERS,
            fingerprint=hmac.digest(self._key, value.encode("utf-8", errors="surrogatepass"), "sha256"),
        )

    def _look_up(self, ref: SecretRef) -> str | None:
        provider = self._find_provider(ref)
        match provider:
            case EnvProvider():
                return self._read_env(provider, ref)
            case FileProvider():
                return None
            case ExecProvider():
                return self._find_fresh(ref)
            case UnsupportedProvider():
                raise SecretUnresolved(provider.reason)
            case _:
                assert_never(provider)

    def _find_provider(self, ref: SecretRef) -> Provider:
        if ref.source == "store":
            raise SecretUnresolved("only a Gateway can resolve references of source store")
        if not is_provider_name(ref.provider):
            raise SecretUnresolved("the provider's name is malformed")
        provider = self._config.find(ref.provider)
        if provider is None:
            is_faulty = ref.provider in self._config.faulty
            raise SecretUnresolved("the provider's configuration is faulty" if is_faulty else "no such provider")
        if _source_of(provider) != ref.source:
            raise SecretUnresolved(f"the provider's source is not {ref.source}")
        return provider

    def _read_env(self, provider: EnvProvider, ref: SecretRef) -> str:
        if not is_env_id(ref.id):
            raise SecretUnresolved("the id is not the name of an environment variable in capitals")
        if provider.allowlist is not None and ref.id not in provider.allowlist:
            raise SecretUnresolved("the provider's allowlist does not have that name")
        value = self._config.read_variable(ref.id, self._environ)
        if not value:
            raise SecretUnresolved(f"the environment variable is not set, or empty{self._explain_config_env(ref.id)}")
        return _as_secret(value)

    def _explain_config_env(self, name: str) -> str:
        if name not in self._config.config_env:
            return ""
        return "; env.vars gives it no value either: it is blank there, or refers to a variable that is not set"

    def _find_fresh(self, ref: SecretRef) -> str | None:
        value, good_until = self._fresh.get(ref, ("", 0.0))
        if value and self._clock() < good_until:
            return value
        self._fresh.pop(ref, None)
        return None

    def _build_work(self, ref: SecretRef, provider: FileProvider | ExecProvider) -> Callable[[float], str]:
        if isinstance(provider, FileProvider):
            return lambda _: _as_secret(read_file_secret(provider, ref.id))
        return lambda deadline: self._run_exec(ref, provider, deadline)

    def _run_exec(self, ref: SecretRef, provider: ExecProvider, deadline: float) -> str:
        value = _as_secret(
            run_exec_secret(
                provider,
                ref,
                read_variable=lambda name: self._config.read_variable(name, self._environ),
                deadline=deadline,
                clock=self._clock,
            )
        )
        if self._reuse_seconds > 0:
            self._fresh[ref] = (value, self._clock() + self._reuse_seconds)
        return value

    def _note_outcome(self, ref: SecretRef, done: Future[str]) -> None:
        unresolved = done.exception()
        if unresolved is None and self._note_resolution is not None:
            self._note_resolution(ref.source, "resolved")
        self._note(ref, None if unresolved is None else str(unresolved))

    def _note(self, ref: SecretRef, reason: str | None) -> None:
        if reason is not None and self._note_resolution is not None:
            self._note_resolution(ref.source, "unresolved")
        if self._reasons is not None:
            self._reasons.note(ref, reason)


def _source_of(provider: Provider) -> str:
    match provider:
        case EnvProvider():
            return "env"
        case FileProvider():
            return "file"
        case ExecProvider():
            return "exec"
        case UnsupportedProvider():
            return provider.source
        case _:
            assert_never(provider)


def _as_secret(value: object) -> str:
    if not isinstance(value, str):
        raise SecretUnresolved("the value is not a string")
    trimmed = value.strip(WHITE_SPACE)
    if not trimmed:
        raise SecretUnresolved("the value is blank")
    if any(character in trimmed for character in "\r\n\0"):
        raise SecretUnresolved("the value has more than one line, or a NUL: no header can carry it")
    if holds_reference(trimmed):
        raise SecretUnresolved("the value is a template: it holds a ${NAME} that nothing has replaced")
    return trimmed


def _settled(outcome: str | SecretUnresolved) -> Future[str]:
    future: Future[str] = Future()
    if isinstance(outcome, str):
        future.set_result(outcome)
    else:
        future.set_exception(outcome)
    return future
