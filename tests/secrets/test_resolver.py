"""The resolver: sources, sharing, reuse, bounds, forks, logs."""

from __future__ import annotations

import json
import logging
import os
import threading
from concurrent.futures import Future
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openclaw_webhooks.exceptions import SecretUnresolved
from openclaw_webhooks.secrets.fetching import MAX_THREADS
from openclaw_webhooks.secrets.providers import (
    EnvProvider,
    ExecProvider,
    FileProvider,
    SecretsConfig,
    UnsupportedProvider,
)
from openclaw_webhooks.secrets.refs import InlineSecret, SecretRef, is_env_id, is_exec_id
from openclaw_webhooks.secrets.resolver import SecretResolver
from tests.secrets.providers import (
    CANARY,
    EXEC_REF,
    FILE_REF,
    answer,
    build_resolver,
    reason_of,
    write_private,
    write_script,
)

ENV_REF = SecretRef("env", "default", "HOOK_SECRET")


def test_an_inline_secret_needs_no_waiting() -> None:
    resolver = build_resolver()
    assert resolver.resolve_now(InlineSecret("v")) == "v"
    assert resolver.fetch(InlineSecret("v")).result(0) == "v"


def test_the_environment_is_read_at_each_request() -> None:
    environ = {"HOOK_SECRET": " first "}
    resolver = build_resolver(environ=environ)
    assert resolver.resolve_now(ENV_REF) == "first"
    environ["HOOK_SECRET"] = "second"
    assert resolver.resolve_now(ENV_REF) == "second"
    del environ["HOOK_SECRET"]
    with pytest.raises(SecretUnresolved, match="not set"):
        resolver.resolve_now(ENV_REF)
    environ["HOOK_SECRET"] = " \n"
    with pytest.raises(SecretUnresolved, match="blank"):
        resolver.resolve_now(ENV_REF)


def test_variables_of_the_configuration_fill_in_and_never_override() -> None:
    environ: dict[str, str] = {}
    resolver = build_resolver(environ=environ, config=SecretsConfig(config_env={"HOOK_SECRET": "of the file"}))
    assert resolver.resolve_now(ENV_REF) == "of the file"
    environ["HOOK_SECRET"] = "of the process"
    assert resolver.resolve_now(ENV_REF) == "of the process"


@pytest.mark.parametrize("text", ["${HOOK_SECRET}", " ${OTHER}\n", "prefix-${OTHER}", "$$${OTHER}-${OTHER}"])
def test_a_template_that_nothing_has_filled_in_is_no_secret(tmp_path: Path, text: str) -> None:
    box = FileProvider(path=write_private(tmp_path, json.dumps({"a": text.strip()})))
    tool = ExecProvider(command=write_script(tmp_path, f"printf '%s' '{text.strip()}'"), json_only=False)
    config = SecretsConfig(providers={"box": box, "tool": tool})
    resolver = build_resolver(config=config, environ={"HOOK_SECRET": text})
    assert {reason_of(resolver, ref) for ref in (ENV_REF, FILE_REF, EXEC_REF)} == {
        "the value is a template: it holds a ${NAME} that nothing has replaced"
    }


@pytest.mark.parametrize("text", ["$NAME", "${name}", "$${NAME}", "{NAME}", "${", "${}"])
def test_other_texts_with_dollars_and_braces_are_secrets(text: str) -> None:
    assert build_resolver(environ={"HOOK_SECRET": text}).resolve_now(ENV_REF) == text


def test_a_variable_that_the_file_leaves_without_a_value_is_explained() -> None:
    resolver = build_resolver(config=SecretsConfig(config_env={"HOOK_SECRET": ""}), environ={})
    assert "env.vars gives it no value either" in reason_of(resolver, ENV_REF)


@pytest.mark.parametrize(
    ("ref", "reason"),
    [
        (SecretRef("env", "default", "lower"), "capitals"),
        (SecretRef("env", "strict", "OTHER"), "allowlist"),
        (SecretRef("env", "none", "HOOK_SECRET"), "no such provider"),
        (SecretRef("env", "Bad Name", "HOOK_SECRET"), "malformed"),
        (SecretRef("env", "faulty", "HOOK_SECRET"), "faulty"),
        (SecretRef("file", "default", "/a"), "source is not file"),
        (SecretRef("env", "box", "HOOK_SECRET"), "source is not env"),
        (SecretRef("exec", "box", "x"), "source is not exec"),
        (SecretRef("file", "tool", "/a"), "source is not file"),
        (SecretRef("store", "default", "x"), "only a Gateway"),
        (SecretRef("exec", "plugin", "x"), "only a Gateway"),
    ],
)
def test_a_reference_that_cannot_resolve_says_why_at_once(ref: SecretRef, reason: str) -> None:
    config = SecretsConfig(
        providers={
            "strict": EnvProvider(allowlist=frozenset({"HOOK_SECRET"})),
            "box": FileProvider(path="/none"),
            "tool": ExecProvider(command="/none"),
            "plugin": UnsupportedProvider(source="exec", reason="only a Gateway can"),
        },
        faulty=frozenset({"faulty"}),
    )
    resolver = build_resolver(config=config, environ={"HOOK_SECRET": "v", "OTHER": "v", "lower": "v"})
    with pytest.raises(SecretUnresolved, match=reason):
        resolver.resolve_now(ref)
    with pytest.raises(SecretUnresolved, match=reason):
        resolver.fetch(ref).result(0)


def test_the_default_alias_needs_no_entry_and_can_be_renamed() -> None:
    resolver = build_resolver(config=SecretsConfig(env_alias="mine"), environ={"HOOK_SECRET": "v"})
    assert resolver.resolve_now(SecretRef("env", "mine", "HOOK_SECRET")) == "v"
    with pytest.raises(SecretUnresolved, match="no such provider"):
        resolver.resolve_now(ENV_REF)


def test_an_allowlist_lets_its_names_through() -> None:
    config = SecretsConfig(providers={"default": EnvProvider(allowlist=frozenset({"HOOK_SECRET"}))})
    assert build_resolver(config=config, environ={"HOOK_SECRET": "v"}).resolve_now(ENV_REF) == "v"


def count_runs(folder: Path) -> int:
    return len((folder / "runs").read_text().splitlines())


def counting_provider(folder: Path, *, before: str = "") -> ExecProvider:
    return ExecProvider(
        command=write_script(folder, f"echo run >> {folder}/runs\n{before}\n{answer()}"), pass_env=("PATH",)
    )


def test_concurrent_fetches_share_one_run(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    resolver = build_resolver(counting_provider(tmp_path, before=f"read line < {gate}"))
    futures = [resolver.fetch(EXEC_REF) for _ in range(20)]
    gate.write_text("go\n")
    assert {future.result(20) for future in futures} == {CANARY}
    assert count_runs(tmp_path) == 1


def test_programs_that_hang_do_not_hold_up_a_file(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    providers = {
        "tool": counting_provider(tmp_path, before=f"while [ ! -e {gate} ]; do sleep 0.05; done"),
        "box": FileProvider(path=write_private(tmp_path, '{"a":"v"}'), timeout_ms=2000),
    }
    resolver = build_resolver(config=SecretsConfig(providers=providers))
    hanging = [resolver.fetch(SecretRef("exec", "tool", f"n{number}")) for number in range(MAX_THREADS)]
    assert resolver.fetch(FILE_REF).result(4) == "v"
    gate.touch()
    assert all(future.exception(20) for future in hanging)


def test_one_waiter_that_leaves_takes_no_other_along(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    resolver = build_resolver(counting_provider(tmp_path, before=f"read line < {gate}"))
    leaving, staying = resolver.fetch(EXEC_REF), resolver.fetch(EXEC_REF)
    assert not leaving.cancel()
    gate.write_text("go\n")
    assert staying.result(20) == CANARY


def test_an_exec_value_is_reused_for_its_time_and_no_longer(tmp_path: Path) -> None:
    now = [100.0]
    resolver = build_resolver(counting_provider(tmp_path), reuse_seconds=1.0, clock=lambda: now[0])
    assert resolver.resolve_now(EXEC_REF) is None
    assert resolver.fetch(EXEC_REF).result(20) == CANARY
    now[0] += 0.9
    assert resolver.resolve_now(EXEC_REF) == CANARY
    assert resolver.fetch(EXEC_REF).result(20) == CANARY
    assert count_runs(tmp_path) == 1
    now[0] += 0.2
    assert resolver.resolve_now(EXEC_REF) is None
    assert resolver.fetch(EXEC_REF).result(20) == CANARY
    assert count_runs(tmp_path) == 2


def test_reuse_can_be_turned_off(tmp_path: Path) -> None:
    resolver = build_resolver(counting_provider(tmp_path), reuse_seconds=0)
    resolver.fetch(EXEC_REF).result(20)
    assert resolver.resolve_now(EXEC_REF) is None


def test_status_tells_the_operator_what_may_be_told() -> None:
    resolver = SecretResolver(SecretsConfig(), environ={"HOOK_SECRET": "short"}, wall_clock=lambda: 12.5)
    status = resolver.status(ENV_REF)
    assert (status.resolves, status.reason, status.checked_at_ms, status.is_short) == (True, None, 12_500, True)
    assert status.fingerprint == resolver.status(InlineSecret("short")).fingerprint
    assert status.fingerprint != resolver.status(InlineSecret("other")).fingerprint
    assert "short'" not in repr(status)
    assert not resolver.status(InlineSecret("a-secret-of-twenty-ch")).is_short


def test_a_reason_is_logged_once_per_change_and_at_most_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now, environ = [0.0], dict[str, str]()
    resolver = SecretResolver(SecretsConfig(), environ=environ, clock=lambda: now[0])

    def lines_after(*, seconds: float, value: str = "", ref: SecretRef = ENV_REF) -> int:
        caplog.clear()
        now[0] += seconds
        environ["HOOK_SECRET"] = value
        resolver.fetch(ref).exception(10)
        return len(caplog.records)

    with caplog.at_level(logging.WARNING, logger="openclaw_webhooks.secrets"):
        assert lines_after(seconds=0) == 1
        assert "env:default:HOOK_SECRET" in caplog.text
        assert lines_after(seconds=120) == 0
        assert lines_after(seconds=0, ref=SecretRef("env", "default", "bad")) == 1
        assert lines_after(seconds=0, value="good") == 0


def test_a_failure_after_a_success_is_news_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    provider = FileProvider(path=str(tmp_path / "secrets.json"))
    resolver = SecretResolver(SecretsConfig(providers={"box": provider}), environ={}, clock=lambda: now[0])

    def fetch(*, seconds: float) -> list[str]:
        caplog.clear()
        now[0] += seconds
        settled = threading.Event()
        resolver.fetch(FILE_REF).add_done_callback(lambda _: settled.set())
        assert settled.wait(10)
        return [record.getMessage() for record in caplog.records]

    with caplog.at_level(logging.WARNING, logger="openclaw_webhooks.secrets"):
        assert len(fetch(seconds=0)) == 1
        write_private(tmp_path, '{"a":"v"}')
        assert fetch(seconds=30) == []
        (tmp_path / "secrets.json").unlink()
        assert len(fetch(seconds=10)) == 0
        write_private(tmp_path, "rubbish")
        assert len(fetch(seconds=61)) == 1


def test_a_quiet_resolver_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    resolver = SecretResolver(SecretsConfig(), environ={}, logs_reasons=False)
    assert reason_of(resolver, ENV_REF)
    assert not caplog.records


def test_a_value_appears_in_no_log_error_or_repr(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    box = FileProvider(path=write_private(tmp_path, f'{{"a":["{CANARY}"]}}'))
    tool = ExecProvider(
        command=write_script(tmp_path, f"echo {CANARY} >&2; echo {CANARY}"), args=(CANARY,), env={"X": CANARY}
    )
    config = SecretsConfig(providers={"box": box, "tool": tool}, config_env={"HOOK_SECRET": CANARY})
    resolver = SecretResolver(config, environ={"OTHER": CANARY})
    failures = [resolver.fetch(ref).exception(20) for ref in (FILE_REF, EXEC_REF)]
    assert all(isinstance(failure, SecretUnresolved) for failure in failures)
    told = [
        caplog.text,
        repr(resolver),
        repr(config),
        repr(InlineSecret(CANARY)),
        repr(resolver.status(ENV_REF)),
        repr(resolver.status(InlineSecret(CANARY))),
        *(repr(failure) for failure in failures),
    ]
    assert not [text for text in told if CANARY in text]
    assert [(failure.__traceback__, failure.__context__) for failure in failures if failure] == [(None, None)] * 2


@given(st.text(max_size=140))
def test_ids_are_judged_without_surprise(text: str) -> None:
    assert not is_env_id(text) or text.replace("_", "A").isalnum()
    if is_exec_id(text):
        assert text.isascii()
        assert ".." not in text.split("/")
        assert "\n" not in text


@given(st.sampled_from(["env", "file", "exec", "store"]), st.text(max_size=70), st.text(max_size=140))
def test_any_reference_ends_in_a_value_or_a_reason(source: str, provider: str, secret_id: str) -> None:
    config = SecretsConfig(providers={"box": FileProvider(path="/none"), "tool": ExecProvider(command="/none")})
    resolver = SecretResolver(config, environ={"A": "v"}, logs_reasons=False)
    future: Future[str] = resolver.fetch(SecretRef(source, provider, secret_id))  # type: ignore[arg-type]
    failure = future.exception(20)
    assert failure is None or isinstance(failure, SecretUnresolved)
