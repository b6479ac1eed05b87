"""Builders: real files and real scripts behind a resolver."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import dedent

from openclaw_webhooks.secrets.providers import ExecProvider, FileProvider, Provider, SecretsConfig
from openclaw_webhooks.secrets.refs import SecretRef
from openclaw_webhooks.secrets.resolver import SecretResolver

CANARY = "canary-3f9a1c7e5b2d4860"
EXEC_REF = SecretRef("exec", "tool", "the/id")
FILE_REF = SecretRef("file", "box", "/a")


def write_script(folder: Path, body: str, *, name: str = "tool", mode: int = 0o700) -> str:
    """Write an executable; a body without a shebang is for sh."""
    path = folder / name
    text = dedent(body).lstrip("\n")
    path.write_text(text if text.startswith("#!") else f"#!/bin/sh\n{text}", encoding="utf-8")
    path.chmod(mode)
    return str(path)


def write_private(folder: Path, content: str | bytes, *, name: str = "secrets.json", mode: int = 0o600) -> str:
    """Write a file that only we may read."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(mode)
    return str(path)


def answer(value: str = CANARY, secret_id: str = EXEC_REF.id) -> str:
    """Return the shell line that answers in the protocol."""
    return f"""printf '%s' '{{"protocolVersion":1,"values":{{"{secret_id}":"{value}"}}}}'"""


def build_resolver(
    provider: Provider | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    reuse_seconds: float = 0.0,
    clock: Callable[[], float] | None = None,
    config: SecretsConfig | None = None,
) -> SecretResolver:
    """Build a resolver over one provider, named as ``EXEC_REF`` and ``FILE_REF`` name theirs."""
    name = "tool" if isinstance(provider, ExecProvider) else "box" if isinstance(provider, FileProvider) else "other"
    providers = {} if provider is None else {name: provider}
    options = {} if clock is None else {"clock": clock}
    return SecretResolver(
        config or SecretsConfig(providers=providers),
        environ={} if environ is None else environ,
        reuse_seconds=reuse_seconds,
        **options,
    )


def reason_of(resolver: SecretResolver, ref: SecretRef) -> str:
    """Return why the reference does not resolve; fails where it does."""
    status = resolver.status(ref)
    assert not status.resolves
    assert status.reason is not None
    return status.reason
