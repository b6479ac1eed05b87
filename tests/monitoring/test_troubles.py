"""As a new operator would: each trouble made for real, and its cause and remedy read in four places.

The places are the overview, ``webhooks_check --all``, ``/readyz`` and the log. A caller's mistake is no reason to take
a server out of service: ``/readyz`` then answers 200 and tells it in its notes.
"""

from __future__ import annotations

import http.cookiejar
import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from tests.live import LIVE, ROOT, SECRET, Server, manage, serve, write_config
from tests.monitoring.scraping import TOKEN, WATCHED, ask
from tests.postgres import running_postgres

PASSWORD = "a-password-of-the-tests-1"
OVERVIEW = "/admin/openclaw_webhooks/route/"
CREATE = {"action": "create_flow", "goal": "Review inbound queue"}


@dataclass(frozen=True)
class Case:
    """A trouble, how it is made, and what each place must say; ``*`` stands for any text between."""

    name: str
    make: Callable[[Server], object]
    overview: str
    check: str
    ready: str
    log: str
    is_ready: bool = True
    exit_status: int = 0
    secret: Any = SECRET
    environ: Mapping[str, str] = field(default_factory=dict)


def send_wrong_secret(server: Server) -> None:
    assert server.call(LIVE, {"action": "list_flows"}, secret="wrong", source="127.0.0.7")[0] == 401


def send_right_secret(server: Server) -> None:
    assert server.call(LIVE, {"action": "list_flows"}, source="127.0.0.7")[0] == 401


def send_too_much(server: Server) -> None:
    sent = {server.call(LIVE, {"action": "find_latest_flow"}, source="127.0.0.9")[0] for _ in range(125)}
    assert sent == {200, 429}


def change_twice(server: Server) -> None:
    flow_id = server.call(LIVE, CREATE)[1]["result"]["flow"]["flowId"]
    change = {"action": "set_waiting", "flowId": flow_id, "expectedRevision": 0}
    assert [server.call(LIVE, change)[0] for _ in range(2)] == [200, 409]


def ask_in_vain(server: Server) -> None:
    assert server.call(LIVE, CREATE)[0] == 503


WRONG = "401, the latest at * from 127.0.0.7: a wrong secret, or none. Give the caller the route's"
EXEC = "does not resolve*: the command ended with exit code 1. Run the provider's command by hand"
LIMIT = "429, the latest at * from 127.0.0.9: more requests than the window allows. Let the caller wait for Retry-After"
CONFLICT = "revision_conflict, somebody changed the flow * `manage.py webhooks_flows history live *` names the writers"
GATEWAY = (
    "does not answer: cannot connect to unix:*no-gateway.sock * Look at its Gateway: start it*webhooks_gateway check"
)
CASES = [
    Case("a wrong secret", send_wrong_secret, WRONG, WRONG, WRONG, "client=127.0.0.7 *a wrong secret, or none. Give"),
    Case(
        "an exec ref that does not resolve",
        send_right_secret,
        *[EXEC] * 4,
        exit_status=1,
        secret={"source": "exec", "provider": "vault", "id": "ci"},
    ),
    Case(
        "a caller at its limit",
        send_too_much,
        *[LIMIT] * 3,
        "client=127.0.0.9 *more requests than the window allows. Let the caller wait for Retry-After",
    ),
    Case("a conflicting writer", change_twice, *[CONFLICT] * 4),
    Case(
        "a dead Gateway",
        ask_in_vain,
        *[GATEWAY] * 3,
        "The bridge to the Gateway fails: cannot connect to *nothing was stored*`manage.py webhooks_check --all` say",
        is_ready=False,
        exit_status=1,
        environ={
            "OPENCLAW_WEBHOOKS_ENGINE": "bridge",
            "OPENCLAW_WEBHOOKS_BRIDGE_URL": "unix:///tmp/ocw-no-gateway.sock",
            "OPENCLAW_WEBHOOKS_BRIDGE_TOKEN": "a-token-of-the-tests",
        },
    ),
]


class Operator:
    """Somebody with an account, who looks at pages without a browser."""

    def __init__(self, server: Server, environ: Mapping[str, str]) -> None:
        """Make the account and sign in."""
        self._url = f"http://127.0.0.1:{server.address[1]}"
        command = [sys.executable, "manage.py", "createsuperuser", "--noinput", "--skip-checks"]
        subprocess.run(
            [*command, "--username=alice", "--email=a@b.example"],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], **environ, "DJANGO_SUPERUSER_PASSWORD": PASSWORD},
            check=True,
            capture_output=True,
            timeout=60,
        )
        cookies = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(cookies))
        self.read("/admin/login/")
        (token,) = [str(cookie.value) for cookie in cookies if "csrf" in cookie.name]
        form = {"username": "alice", "password": PASSWORD, "csrfmiddlewaretoken": token, "next": OVERVIEW}
        self._opener.open(f"{self._url}/admin/login/", urllib.parse.urlencode(form).encode(), timeout=30)

    def read(self, path: str) -> str:
        """Return the text of a page."""
        try:
            with self._opener.open(self._url + path, timeout=30) as answer:
                page = answer.read().decode()
        except urllib.error.HTTPError as error:
            page = error.read().decode()
        return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", page)))


def says(text: str, wanted: str) -> bool:
    return re.search(".*?".join(re.escape(part) for part in wanted.split("*")), text, re.DOTALL) is not None


def expect(read: Callable[[], str], wanted: str) -> None:
    """Look again for a while: a call is in the record half a second after its end, advice lasts five seconds."""
    deadline = time.monotonic() + 30
    while not says(text := read(), wanted):
        assert time.monotonic() < deadline, f"{wanted!r} is not in {text[-3000:]!r}"
        time.sleep(0.3)


def check_everywhere(server: Server, case: Case, operator: Operator, environ: Mapping[str, str]) -> None:
    expect(lambda: operator.read(OVERVIEW), case.overview)
    status, told = manage(server.data_dir, "webhooks_check", "--all", environ=environ)
    assert says(told, case.check), told
    assert status == case.exit_status, told
    expect(lambda: json.dumps(json.loads(ask(server, "/readyz", token=TOKEN)[1]), ensure_ascii=False), case.ready)
    # Each worker looks once a second for itself.
    expect(lambda: str(ask(server, "/readyz", token=TOKEN)[0]), "200" if case.is_ready else "503")
    status, told = ask(server, "/readyz", token=TOKEN)
    assert json.loads(told)["ready"] is (status == 200)
    assert set(json.loads(ask(server, "/readyz")[1])) == {"ready"}, "details are for operators"
    expect(lambda: server.log, case.log)
    assert SECRET not in server.log + told


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_cause_and_remedy_are_named_everywhere(case: Case, tmp_path: Path) -> None:
    providers = {"providers": {"vault": {"source": "exec", "command": "/bin/false"}}}
    config = write_config(
        tmp_path, {"live": {"sessionKey": "agent:main:live", "secret": case.secret}}, secrets=providers
    )
    environ = {**WATCHED, **case.environ}
    with serve("gunicorn-asgi", tmp_path, config=config, workers=2, environ=environ) as server:
        own = {"OPENCLAW_CONFIG_PATH": str(config), "OPENCLAW_WEBHOOKS_DATA_DIR": str(server.data_dir)}
        operator = Operator(server, {**environ, **own})
        case.make(server)
        check_everywhere(server, case, operator, {**environ, **own})


def test_a_dead_database_is_named_everywhere(tmp_path: Path) -> None:
    with running_postgres() as postgres:
        environ = {**WATCHED, "DATABASE_URL": postgres.url}
        with serve("gunicorn-asgi", tmp_path, workers=2, environ=environ) as server:
            environ["OPENCLAW_CONFIG_PATH"] = str(tmp_path / "openclaw.json")
            operator = Operator(server, {**environ, "OPENCLAW_WEBHOOKS_DATA_DIR": str(server.data_dir)})
            postgres.stop("immediate")
            ask_in_vain(server)
            cause = "The database does not answer"
            case = Case(
                "a dead database",
                ask_in_vain,
                f"{cause}. Look whether it runs*whether DATABASE_URL is right",
                f"{cause} as it should (OperationalError). Look whether it runs",
                f"{cause} as it should (OperationalError). Look whether it runs",
                "calls cannot be recorded for now *Look whether the database runs",
                is_ready=False,
                exit_status=1,
            )
            check_everywhere(server, case, operator, environ)
