"""Faults made by hand, each in a copy of the package: some test catches every one, through each door it concerns.

What a test suite is worth is what it notices. ``FAULTS`` names the file, the line, what it is turned into, and the
tests that must fail then. A line that is no longer there fails too, so the list keeps up with the code.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.live import ROOT

_NOT_INHERITED = ("COVERAGE_", "PYTEST_", "PYTHONDONTWRITEBYTECODE")
DOORS = ("tests/test_exchange.py", "tests/test_views.py")
PIPELINE = ("tests/test_pipeline.py",)


class Fault(NamedTuple):
    """One line gone wrong."""

    name: str
    path: str
    line: str
    becomes: str
    caught_by: tuple[str, ...]


def guard(name: str, line: str) -> list[Fault]:
    """Take one guard out of the pipeline: that must be noticed through each door, and without any."""
    return [
        Fault(f"no {name}", "pipeline.py", line, line.replace("if ", "if False and ", 1), (by,))
        for by in (*DOORS, *PIPELINE)
    ]


# Of the contract's engines only the embedded one: the real Gateway behind the other has none of these faults.
EMBEDDED = ("-k", "embedded")
FLOWS = ("tests/contract/test_flows.py", *EMBEDDED)
TASKS = ("tests/contract/test_tasks.py", *EMBEDDED)
STATEMENTS = "engines/embedded/statements.py"
IGNORED_VERDICT = """        if isinstance(lease, Verdict):
            return (yield from self._pass_secret(route, head, call, Uncounted()))
        if isinstance(lease, Verdict):"""
FAULTS = [
    *guard("method guard", "if not is_method_allowed(head):"),
    *guard("media type guard", "if not is_media_type_json(head):"),
    *guard("rate limit", "if not verdict.allowed:"),
    *guard("authentication", "if not (yield Authenticate(head, route.secret)):"),
    *guard("limit of a declared length", "if _declared_length(head) > request.limit_bytes:")[::2],
    *[
        Fault("no in-flight limit", "pipeline.py", "        if isinstance(lease, Verdict):", IGNORED_VERDICT, (by,))
        for by in (
            DOORS[0],
            *PIPELINE,
            "tests/doors/test_guards.py::test_the_ninth_in_flight_is_refused_until_one_ends",
        )
    ],
    *guard("schema", "if isinstance(action, Fault):\n            call.action"),
    Fault(
        "throttle after authentication",
        "pipeline.py",
        "            verdict: Verdict = yield CountRequest(key)",
        "            yield Authenticate(head, route.secret)\n            verdict: Verdict = yield CountRequest(key)",
        PIPELINE,
    ),
    Fault("slot never freed", "pipeline.py", "            yield GiveSlotBack(lease)\n", "", PIPELINE),
    Fault(
        "slot of an abandoned call never freed",
        "pipeline.py",
        "            lease.release()\n            raise",
        "            raise",
        PIPELINE,
    ),
    Fault(
        "slot kept by a caller that left",
        "exchange.py",
        "            effect.lease.release()",
        "            pass",
        DOORS[:1],
    ),
    Fault(
        "no body limit at the ASGI door",
        "servers/asgi_body.py",
        "if self.received_bytes > limit_bytes:",
        "if False:",
        DOORS[:1],
    ),
    Fault(
        "no body limit at the WSGI door",
        "servers/wsgi_stream.py",
        "    if len(body) > limit_bytes:",
        "    if False:",
        ("tests/servers/test_wsgi_stream.py",),
    ),
    Fault(
        "no body deadline at the ASGI door",
        "servers/asgi_body.py",
        "asyncio.timeout(timeout_seconds)",
        "asyncio.timeout(3600)",
        (f"{DOORS[0]}::test_a_body_that_stalls_is_answered_at_its_deadline",),
    ),
    Fault("refusals unread at the ASGI door", "exchange.py", "            await self._body.linger()\n", "", DOORS[:1]),
    Fault(
        "compare-and-swap without the revision",
        STATEMENTS,
        "AND session_key = %s AND revision = %s AND",
        "AND session_key = %s AND %s >= 0 AND",
        FLOWS,
    ),
    Fault("revision stands still", STATEMENTS, "revision = revision + 1", "revision = revision", FLOWS),
    Fault(
        "owner not checked by reads",
        STATEMENTS,
        'WHERE flow_id = %s AND session_key = %s")',
        "WHERE flow_id = %s AND %s <> ''\")",
        TASKS,
    ),
    Fault(
        "owner not checked by changes",
        STATEMENTS,
        "WHERE flow_id = %s AND session_key = %s AND revision",
        "WHERE flow_id = %s AND %s <> '' AND revision",
        TASKS,
    ),
    Fault(
        "latest is the latest created",
        STATEMENTS,
        "ORDER BY updated_at_ms DESC, id DESC LIMIT 1",
        "ORDER BY created_at_ms DESC, id DESC LIMIT 1",
        FLOWS,
    ),
    Fault(
        "resume keeps what was waited for",
        "engines/embedded/changes.py",
        '        "wait_json": _NULL,\n        **_NOT_BLOCKED,\n        **_text',
        "        **_NOT_BLOCKED,\n        **_text",
        FLOWS,
    ),
    Fault(
        "tasks run after a cancel request",
        "engines/embedded/tasks.py",
        "if flow.cancel_requested_at_ms is not None:",
        "if False:",
        TASKS,
    ),
    Fault(
        "cancelled over active children",
        "engines/embedded/cancellation.py",
        "if locked.has_active_task():",
        "if False:",
        ("tests/contract/test_cancel.py", *EMBEDDED),
    ),
    Fault(
        "refusals extend the window",
        "guards/limits/windows.py",
        "        return window, refused(seconds)",
        "        return now_ms << COUNT_BITS | rules.rate, refused(seconds)",
        ("tests/guards/limits/test_contract.py",),
    ),
    Fault(
        "one request too many",
        "guards/limits/windows.py",
        "if count >= rules.rate:",
        "if count > rules.rate:",
        ("tests/guards/limits/test_contract.py",),
    ),
    Fault(
        "anybody may name the client",
        "guards/client_address.py",
        "if not trusted_proxies or address is None or not _is_in(address, trusted_proxies):",
        "if address is None:",
        ("tests/guards/test_client_address.py",),
    ),
    Fault(
        "a wrong bearer falls through",
        "guards/authentication.py",
        "        return authorization[len(_SCHEME) :].strip(WHITE_SPACE)",
        "        pass",
        ("tests/guards/test_authentication.py",),
    ),
    Fault(
        "a secret in sight",
        "secrets/refs.py",
        "value: str = field(repr=False)",
        "value: str",
        ("tests/conf", "tests/secrets"),
    ),
    Fault(
        "commands inherit the environment",
        "secrets/processes.py",
        "env=dict(program.environ)",
        "env=None",
        ("tests/secrets/test_exec.py",),
    ),
    Fault(
        "files that others may read",
        "secrets/trust.py",
        "if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO) & ~(stat.S_IXGRP | stat.S_IXOTH):",
        "if False:",
        ("tests/secrets/test_files.py",),
    ),
    Fault(
        "the owner in an answer",
        "outcomes/envelope.py",
        '"routeId": route_id',
        '"routeId": route_id, "sessionKey": "agent:main:main"',
        ("tests/outcomes",),
    ),
    Fault("dropped calls uncounted", "calls/batch.py", "OWN_ROWS = 10", "OWN_ROWS = 9", ("tests/calls",)),
]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """One copy for all faults, one after another: what Python compiled for one of them is there for the next."""
    folder = tmp_path_factory.mktemp("tree")
    for name in ("openclaw_webhooks", "project", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "faults"))
    for name in ("pyproject.toml", "manage.py", "docs", "README.md"):
        (folder / name).symlink_to(ROOT / name)
    return folder


@contextlib.contextmanager
def _replaced(source: pathlib.Path, fault: Fault) -> Iterator[None]:
    text = source.read_text(encoding="utf-8")
    assert text.count(fault.line) == 1, f"{fault.path} has this {text.count(fault.line)} times: {fault.line}"
    compiled = pathlib.Path(importlib.util.cache_from_source(str(source)))
    try:
        # Python compares seconds and sizes, which may be equal here; so nothing compiled is left to compare with.
        compiled.unlink(missing_ok=True)
        source.write_text(text.replace(fault.line, fault.becomes), encoding="utf-8")
        yield
    finally:
        source.write_text(text, encoding="utf-8")
        compiled.unlink(missing_ok=True)


@pytest.mark.parametrize(
    "fault", FAULTS, ids=[f"{fault.name} ({fault.caught_by[0].rpartition('/')[2]})" for fault in FAULTS]
)
def test_is_caught(fault: Fault, tree: pathlib.Path) -> None:
    source = tree / "openclaw_webhooks" / fault.path
    with _replaced(source, fault):
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *fault.caught_by],
            cwd=tree,
            env={name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert (done.returncode, "FAILED tests/" in done.stdout) == (1, True), done.stdout[-2000:] + done.stderr[-2000:]
