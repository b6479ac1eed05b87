"""Asks an exec provider for a secret: checks the command, speaks its protocol, judges its answer.

Blocks until the command has ended or was killed, so it runs in a thread of the resolver's.

Source: contract.md section 2.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from openclaw_webhooks.exceptions import SecretUnresolved
from openclaw_webhooks.secrets.files import describe_os_error
from openclaw_webhooks.secrets.processes import ProcessFault, Program, run_program
from openclaw_webhooks.secrets.providers import ExecProvider
from openclaw_webhooks.secrets.refs import SecretRef, is_exec_id
from openclaw_webhooks.secrets.trust import check_owner, check_unchangeable

PROTOCOL_VERSION: Final = 1
_MESSAGE_CHARACTERS: Final = 200


def run_exec_secret(
    provider: ExecProvider,
    ref: SecretRef,
    *,
    read_variable: Callable[[str], str],
    deadline: float,
    clock: Callable[[], float],
) -> object:
    """Return what the command answers for the reference; the caller judges whether it is a secret.

    Args:
        provider: What to run.
        ref: What to ask for.
        read_variable: The environment's value of a name, ``""`` where it has none; for ``passEnv``.
        deadline: When to give up, on ``clock``.
        clock: Seconds, monotonic.

    Raises:
        SecretUnresolved: The command or its answer is not as it must be. No output is in the message.
    """
    if not is_exec_id(ref.id):
        raise SecretUnresolved("the id is not one that an exec provider can be asked for")
    check_command(provider)
    program = _build_program(provider, ref, read_variable)
    try:
        output = run_program(program, deadline=deadline, clock=clock)
    except ProcessFault as fault:
        raise SecretUnresolved(str(fault)) from None
    return _read_answer(output, ref.id, json_only=provider.json_only)


def check_command(provider: ExecProvider) -> None:
    """Check that the command is one that nobody else can have put there.

    Raises:
        SecretUnresolved: It is missing, a link, another user's, writable by others or outside ``trustedDirs``.
    """
    command = Path(provider.command)
    try:
        if command.is_symlink() and not provider.allow_symlink_command:
            raise SecretUnresolved("the command is a symbolic link: set allowSymlinkCommand to allow it")
        target = command.resolve(strict=True)
        status = target.stat()
    except (OSError, RuntimeError, ValueError) as error:
        reason = describe_os_error(error) if isinstance(error, (OSError, ValueError)) else "a loop of links"
        raise SecretUnresolved(f"the command cannot be found ({reason})") from None
    if not stat.S_ISREG(status.st_mode):
        raise SecretUnresolved("the command is not a regular file")
    _check_folder(target, provider.trusted_dirs)
    if not provider.allow_insecure_path:
        check_owner(status, "the command")
        check_unchangeable(status, "the command")


def _check_folder(target: Path, trusted_dirs: tuple[str, ...]) -> None:
    if trusted_dirs and not any(target.is_relative_to(os.path.realpath(folder)) for folder in trusted_dirs):
        raise SecretUnresolved("the command is in none of its trustedDirs")


def _build_program(provider: ExecProvider, ref: SecretRef, read_variable: Callable[[str], str]) -> Program:
    passed = {name: value for name in provider.pass_env if (value := read_variable(name))}
    request = {"protocolVersion": PROTOCOL_VERSION, "provider": ref.provider, "ids": [ref.id]}
    return Program(
        argv=(provider.command, *provider.args),
        environ={**passed, **provider.env},
        folder=str(Path(provider.command).parent),
        stdin=json.dumps(request).encode(),
        timeout_ms=provider.timeout_ms,
        no_output_timeout_ms=provider.no_output_timeout_ms,
        max_output_bytes=provider.max_output_bytes,
    )


def _read_answer(output: bytes, secret_id: str, *, json_only: bool) -> object:
    try:
        text = output.decode("utf-8")
    except UnicodeDecodeError:
        raise SecretUnresolved("the command's answer is not UTF-8 text") from None
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        if json_only:
            raise SecretUnresolved("the command's answer is not JSON") from None
        return text
    if isinstance(answer, str) and not json_only:
        return answer
    if not isinstance(answer, dict):
        raise SecretUnresolved("the command's answer is not a JSON object")
    return _read_value(answer, secret_id)


def _read_value(answer: Mapping[str, object], secret_id: str) -> object:
    version = answer.get("protocolVersion")
    if version != PROTOCOL_VERSION or isinstance(version, bool):
        raise SecretUnresolved(f"the command's answer is not of protocolVersion {PROTOCOL_VERSION}")
    values, errors = answer.get("values"), answer.get("errors")
    if isinstance(errors, dict) and secret_id in errors:
        raise SecretUnresolved(f"the command reports: {_quote_error(errors[secret_id], values)}")
    if not isinstance(values, dict) or secret_id not in values:
        raise SecretUnresolved("the command's answer has no value for that id")
    return values[secret_id]


def _quote_error(error: object, values: object) -> str:
    """Return the command's own words in one printable line, unless they repeat a value that it gave."""
    message = error.get("message") if isinstance(error, dict) else None
    if not isinstance(message, str):
        return "an error"
    given = values.values() if isinstance(values, dict) else ()
    if any(isinstance(value, str) and value.strip() and value.strip() in message for value in given):
        return "an error (its text repeats a value and is withheld)"
    line = "".join(character if character.isprintable() else " " for character in message)
    return " ".join(line.split())[:_MESSAGE_CHARACTERS] or "an error"
