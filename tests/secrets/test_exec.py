"""Exec providers against real programs, well-behaved and not."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from openclaw_webhooks.secrets.providers import ExecProvider
from openclaw_webhooks.secrets.refs import SecretRef
from tests.secrets.providers import CANARY, EXEC_REF, answer, build_resolver, reason_of, write_script


def provider_of(command: str, **options: object) -> ExecProvider:
    return ExecProvider(command=command, pass_env=("PATH",), **options)  # type: ignore[arg-type]


def ask(folder: Path, body: str, **options: object) -> str:
    """Return the secret that a script gives."""
    environ = {"PATH": os.environ["PATH"]}
    return (
        build_resolver(provider_of(write_script(folder, body), **options), environ=environ).fetch(EXEC_REF).result(20)
    )


def ask_in_vain(folder: Path, body: str, **options: object) -> str:
    """Return why a script gives none."""
    environ = {"PATH": os.environ["PATH"]}
    return reason_of(build_resolver(provider_of(write_script(folder, body), **options), environ=environ), EXEC_REF)


def is_running(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def wait_until_gone(pid: int) -> bool:
    """Give the kernel a moment to take a killed process away."""
    deadline = time.monotonic() + 5
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not is_running(pid)


def test_the_protocol_gives_the_value(tmp_path: Path) -> None:
    assert ask(tmp_path, f"cat >/dev/null\n{answer()}") == CANARY


def test_the_request_names_provider_and_id(tmp_path: Path) -> None:
    ask(tmp_path, f"cat > {tmp_path}/request\n{answer()}")
    request = json.loads((tmp_path / "request").read_text())
    assert request == {"protocolVersion": 1, "provider": "tool", "ids": ["the/id"]}


def test_only_named_variables_and_the_commands_folder_are_given(tmp_path: Path) -> None:
    command = write_script(tmp_path, f"env > {tmp_path}/env; pwd > {tmp_path}/pwd\n{answer()}")
    provider = ExecProvider(command=command, env={"GIVEN": "g"}, pass_env=("PASSED", "PATH", "ABSENT"))
    environ = {"PASSED": "p", "PATH": os.environ["PATH"], "HIDDEN": CANARY}
    assert build_resolver(provider, environ=environ).fetch(EXEC_REF).result(20) == CANARY
    seen = dict(line.split("=", 1) for line in (tmp_path / "env").read_text().splitlines())
    assert (seen["GIVEN"], seen["PASSED"]) == ("g", "p")
    assert not {"HIDDEN", "ABSENT", "HOME"} & set(seen)
    assert (tmp_path / "pwd").read_text().strip() == str(tmp_path)


def test_no_descriptor_of_ours_is_inherited(tmp_path: Path) -> None:
    with (tmp_path / "ours").open("w") as ours:
        os.set_inheritable(ours.fileno(), True)
        ask(tmp_path, f"ls -l /proc/self/fd > {tmp_path}/descriptors\n{answer()}")
    assert str(tmp_path / "ours") not in (tmp_path / "descriptors").read_text()


def test_no_shell_reads_the_arguments(tmp_path: Path) -> None:
    command = write_script(tmp_path, f'printf "%s" "$1" > {tmp_path}/argument\n{answer()}')
    provider = ExecProvider(command=command, args=("$(id); *",), pass_env=("PATH",))
    build_resolver(provider, environ={"PATH": os.environ["PATH"]}).fetch(EXEC_REF).result(20)
    assert (tmp_path / "argument").read_text() == "$(id); *"


@pytest.mark.parametrize(
    ("output", "expected"),
    [("plain\\n", "plain"), ('"quoted"', "quoted"), ('{"protocolVersion":1,"values":{"the/id":"v"}}', "v")],
)
def test_plain_output_counts_where_it_is_allowed(tmp_path: Path, output: str, expected: str) -> None:
    assert ask(tmp_path, f"printf '{output}'", json_only=False) == expected


@pytest.mark.parametrize(
    ("body", "options", "reason"),
    [
        ("printf rubbish", {}, "not JSON"),
        ("printf '\\377\\376'", {}, "not UTF-8"),
        ("printf '%0100000d' 0 | tr 0 '['", {}, "not JSON"),
        ("printf '[]'", {}, "not a JSON object"),
        ("printf 12345", {"json_only": False}, "not a JSON object"),
        ('printf \'{"values":{"the/id":"v"}}\'', {}, "protocolVersion"),
        ('printf \'{"protocolVersion":true,"values":{"the/id":"v"}}\'', {}, "protocolVersion"),
        ('printf \'{"protocolVersion":2,"values":{"the/id":"v"}}\'', {}, "protocolVersion"),
        ('printf \'{"protocolVersion":1,"values":{"other":"v"}}\'', {}, "no value for that id"),
        ('printf \'{"protocolVersion":1,"values":[]}\'', {}, "no value for that id"),
        ('printf \'{"protocolVersion":1,"values":{"the/id":5}}\'', {}, "not a string"),
        ('printf \'{"protocolVersion":1,"values":{"the/id":" "}}\'', {}, "blank"),
        ('printf \'{"protocolVersion":1,"errors":{"the/id":{"message":"not\\u0007 here"}}}\'', {}, "reports: not here"),
        ('printf \'{"protocolVersion":1,"errors":{"the/id":1}}\'', {}, "reports: an error"),
        (f"{answer()}; exit 3", {}, "exit code 3"),
        ("kill -9 $$", {}, "signal 9"),
        ("exec cat /dev/zero", {"max_output_bytes": 100_000}, "more than 100000 bytes"),
        ("exec cat /dev/zero >&2", {"max_output_bytes": 100_000}, "more than 100000 bytes"),
        ("exec sleep 30", {"timeout_ms": 200}, "within 200 ms"),
        ("exec sleep 30", {"no_output_timeout_ms": 200}, "nothing for 200 ms"),
        ("exec >&- 2>&-; exec sleep 30", {"timeout_ms": 300}, "within 300 ms"),
        ("while :; do echo; done >&2", {"timeout_ms": 300, "max_output_bytes": 10**9}, "within 300 ms"),
    ],
)
def test_whatever_a_program_does_it_costs_a_reason(
    tmp_path: Path, body: str, options: dict[str, object], reason: str
) -> None:
    started = time.monotonic()
    assert reason in ask_in_vain(tmp_path, body, **options)
    assert time.monotonic() - started < 15


def test_a_reported_error_that_repeats_a_value_is_withheld(tmp_path: Path) -> None:
    told = {"protocolVersion": 1, "values": {"x": CANARY}, "errors": {EXEC_REF.id: {"message": f"bad {CANARY}"}}}
    assert "withheld" in ask_in_vain(tmp_path, f"printf '%s' '{json.dumps(told)}'")


def test_a_program_may_ignore_its_input(tmp_path: Path) -> None:
    assert ask(tmp_path, f"exec <&-\n{answer()}") == CANARY


def test_much_output_on_both_streams_does_not_deadlock(tmp_path: Path) -> None:
    noise = "head -c 300000 /dev/zero | tr '\\0' ' '"
    assert ask(tmp_path, f"{noise} >&2\n{noise}\n{answer()}\n{noise} >&2") == CANARY


def test_a_child_that_keeps_the_pipe_open_neither_delays_nor_survives(tmp_path: Path) -> None:
    started = time.monotonic()
    assert ask(tmp_path, f"sleep 60 & echo $! > {tmp_path}/child\n{answer()}") == CANARY
    assert time.monotonic() - started < 4
    assert wait_until_gone(int((tmp_path / "child").read_text()))


def test_a_timeout_takes_the_whole_group_and_leaves_no_zombie(tmp_path: Path) -> None:
    body = f"echo $$ > {tmp_path}/leader; sleep 60 & echo $! > {tmp_path}/child; wait"
    assert "within 500 ms" in ask_in_vain(tmp_path, body, timeout_ms=500)
    assert wait_until_gone(int((tmp_path / "child").read_text()))
    assert wait_until_gone(int((tmp_path / "leader").read_text()))
    leader = int((tmp_path / "leader").read_text())
    deadline = time.monotonic() + 30
    while is_child(leader) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_child(leader)


def is_child(pid: int) -> bool:
    """Tell whether a child runs or waits to be taken, and leave it to whoever started it."""
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def test_without_pidfd_the_end_is_still_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pidfd_open")
    assert ask(tmp_path, f"sleep 60 & {answer()}") == CANARY


def test_where_pidfd_is_forbidden_the_end_is_still_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(pid: int) -> int:
        raise PermissionError(pid)

    monkeypatch.setattr(os, "pidfd_open", refuse)
    assert ask(tmp_path, answer()) == CANARY


def test_where_children_are_reaped_unseen_no_exit_code_is_guessed(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        assert "taken by somebody else" in ask_in_vain(tmp_path, answer())
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_a_command_that_is_no_program_costs_a_reason(tmp_path: Path) -> None:
    path = tmp_path / "not-a-program"
    path.write_bytes(b"\x7fELFrubbish")
    path.chmod(0o700)
    assert "cannot be started" in reason_of(build_resolver(provider_of(str(path))), EXEC_REF)


def test_an_argument_that_cannot_be_passed_costs_a_reason(tmp_path: Path) -> None:
    provider = ExecProvider(command=write_script(tmp_path, answer()), args=("a\0b",))
    assert "cannot be started" in reason_of(build_resolver(provider), EXEC_REF)


@pytest.mark.parametrize("secret_id", ["../x", "a/../b", "a/.", ".a", "a b", "", "a" * 257])
def test_an_id_outside_the_pattern_runs_nothing(tmp_path: Path, secret_id: str) -> None:
    resolver = build_resolver(provider_of(write_script(tmp_path, f"touch {tmp_path}/ran")))
    assert "the id is not" in reason_of(resolver, SecretRef("exec", "tool", secret_id))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777])
def test_a_command_that_others_may_write_is_not_run(tmp_path: Path, mode: int) -> None:
    command = write_script(tmp_path, answer(), mode=mode)
    assert "may be written" in reason_of(build_resolver(provider_of(command)), EXEC_REF)
    allowed = ExecProvider(command=command, allow_insecure_path=True)
    assert build_resolver(allowed).fetch(EXEC_REF).result(20) == CANARY


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_command_of_another_user_is_not_run(tmp_path: Path) -> None:
    command = write_script(tmp_path, answer())
    os.chown(command, 12345, -1)
    assert "not owned" in reason_of(build_resolver(provider_of(command)), EXEC_REF)


def test_a_link_is_run_only_where_that_is_allowed(tmp_path: Path) -> None:
    write_script(tmp_path, answer(), name="real")
    link = tmp_path / "link"
    link.symlink_to("real")
    assert "symbolic link" in reason_of(build_resolver(provider_of(str(link))), EXEC_REF)
    allowed = provider_of(str(link), allow_symlink_command=True)
    assert build_resolver(allowed).fetch(EXEC_REF).result(20) == CANARY


def test_trusted_folders_hold_for_what_a_link_leads_to(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    (inside / "link").symlink_to(write_script(outside, answer()))
    link = provider_of(str(inside / "link"), allow_symlink_command=True, trusted_dirs=(str(inside),))
    assert "trustedDirs" in reason_of(build_resolver(link), EXEC_REF)
    command = write_script(inside, answer())
    assert build_resolver(provider_of(command, trusted_dirs=(str(inside),))).fetch(EXEC_REF).result(20) == CANARY


def test_a_missing_command_a_folder_and_a_loop_cost_a_reason(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    loop = provider_of(str(tmp_path / "loop"), allow_symlink_command=True)
    assert "cannot be found" in reason_of(build_resolver(provider_of(str(tmp_path / "none"))), EXEC_REF)
    assert "cannot be found" in reason_of(build_resolver(provider_of("/a\0b")), EXEC_REF)
    assert "cannot be found" in reason_of(build_resolver(loop), EXEC_REF)
    assert "not a regular file" in reason_of(build_resolver(provider_of(str(tmp_path))), EXEC_REF)


def test_the_resolver_of_the_documentation_works(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "secrets.md").read_text(encoding="utf-8")
    script = page.partition("```sh\n")[2].partition("```")[0]
    write_script(tmp_path, f'[ "$1 $2" = "show the/id" ] && printf "{CANARY}\\nuser: me\\n"', name="pass")
    provider = provider_of(write_script(tmp_path, script))
    environ = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    assert build_resolver(provider, environ=environ).fetch(EXEC_REF).result(20) == CANARY
