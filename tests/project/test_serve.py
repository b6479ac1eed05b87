"""The stand-alone server in processes of its own: what a newcomer, an operator and a faulty file see."""

from __future__ import annotations

import http.client
import json
import re
import signal
import socket
import sqlite3
import stat
import subprocess
import time
from contextlib import closing
from dataclasses import dataclass
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.live import LIVE, SECRET, manage, one_route, write_config
from tests.project.servers import Started, refuse, start

LISTENING = "listening at"
INTERFACES = ("asgi", "wsgi")
STOP_SECONDS = 5


def curl_line(output: str) -> str:
    (line,) = [line.strip() for line in output.splitlines() if line.strip().startswith("curl ")]
    return line


def paste(line: str) -> dict[str, object]:
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=20, check=True)
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


def recorded_calls(home: Path) -> int:
    with closing(sqlite3.connect(home / "data" / "openclaw-webhooks.sqlite3")) as database:
        (count,) = database.execute("SELECT count(*) FROM openclaw_webhooks_call").fetchone()
        return int(count)


@dataclass(frozen=True, slots=True)
class Page:
    status: int
    headers: http.client.HTTPMessage
    body: bytes


def ask(port: int, path: str, *, method: str = "GET", body: str | None = None, **headers: str) -> Page:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request(method, path, body, named)
        answer = connection.getresponse()
        return Page(answer.status, answer.headers, answer.read())


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def assert_private(home: Path) -> None:
    """A start leaves one folder, and everything in it is its owner's alone."""
    data = home / "data"
    assert list(home.iterdir()) == [data]
    assert mode_of(data) == 0o700
    assert {"openclaw.json", "openclaw-webhooks.sqlite3", "secret-key"} <= {path.name for path in data.iterdir()}
    assert {mode_of(path) for path in data.iterdir()} == {0o600}


def log_in(port: int, password: str) -> int:
    """Log in to the admin as a browser does; return the status of the answer, 302 where it worked."""
    cookies = SimpleCookie(ask(port, "/admin/login/").headers["Set-Cookie"])
    token = cookies["openclaw_webhooks_csrf"].value
    form = urlencode({"username": "admin", "password": password, "csrfmiddlewaretoken": token, "next": "/admin/"})
    cookie = f"openclaw_webhooks_csrf={token}"
    kind = "application/x-www-form-urlencoded"
    return ask(port, "/admin/login/", method="POST", body=form, Cookie=cookie, Content_Type=kind).status


def test_a_newcomer_starts_pastes_and_starts_again(tmp_path: Path) -> None:
    with start(tmp_path) as first:
        first.wait_for(LISTENING)
        answer = paste(curl_line(first.output))
        assert answer["ok"] is True
        (password,) = re.findall(r"user admin, password (\S+) \(shown this once\)", first.output)
        assert log_in(first.port, password) == 302
        assert first.stop(signal.SIGTERM) < STOP_SECONDS
    assert first.process.returncode == 0
    assert_private(tmp_path)
    (secret,) = re.findall(r"Bearer ([\w-]+)", first.output)
    assert recorded_calls(tmp_path) == 1

    with start(tmp_path) as second:
        began = time.monotonic()
        assert second.wait_for(LISTENING) - began < STOP_SECONDS
        assert second.stop(signal.SIGINT) < STOP_SECONDS
    assert secret not in second.output
    assert password not in second.output
    assert "YOUR_SECRET" in curl_line(second.output)
    assert "agent:main:main" in second.output
    assert "Worth a look" not in first.output + second.output


def test_a_configuration_of_the_users_own_is_used_and_never_written(tmp_path: Path) -> None:
    (tmp_path / ".openclaw").mkdir()
    own = one_route(tmp_path / ".openclaw")
    before = own.read_bytes()
    with start(tmp_path) as server:
        server.wait_for(LISTENING)
        server.stop(signal.SIGTERM)
    assert LIVE in server.output
    assert SECRET not in server.output
    assert own.read_bytes() == before
    assert not (tmp_path / "data" / "openclaw.json").exists()


def test_what_is_unwise_is_told_and_stops_nothing(tmp_path: Path) -> None:
    unset = {"source": "env", "provider": "default", "id": "NOT_SET_ANYWHERE"}
    config = write_config(tmp_path, {"unset": {"sessionKey": "a", "secret": unset}})
    with start(tmp_path, environ={"OPENCLAW_CONFIG_PATH": str(config)}) as server:
        server.wait_for(LISTENING)
        server.stop(signal.SIGTERM)
    (line,) = [line for line in server.lines if "requests get 401" in line]
    assert line.strip().startswith("plugins.entries.webhooks.config.routes.unset.secret")
    assert "environment variable NOT_SET_ANYWHERE" in server.output
    assert '"Authorization: Bearer $NOT_SET_ANYWHERE"' in curl_line(server.output)


def test_a_faulty_file_is_every_problem_on_a_line_and_exit_1(tmp_path: Path) -> None:
    faulty = write_config(tmp_path, {"one": {"secret": "s"}, "two": {"sessionKey": " ", "secret": "s", "pad": 1}})
    status, output = refuse(tmp_path, OPENCLAW_CONFIG_PATH=str(faulty))
    assert status == 1
    lines = output.splitlines()
    prefix = "plugins.entries.webhooks.config.routes"
    assert {line.partition(": ")[0] for line in lines} == {
        f"{prefix}.one.sessionKey",
        f"{prefix}.two.sessionKey",
        f"{prefix}.two.pad",
    }
    assert "Traceback" not in output


def test_a_file_that_is_named_and_missing_is_not_replaced_by_a_starter(tmp_path: Path) -> None:
    status, output = refuse(tmp_path, OPENCLAW_CONFIG_PATH=str(tmp_path / "data" / "openclaw.json"))
    assert status == 1
    assert str(tmp_path / "data" / "openclaw.json") in output
    assert not (tmp_path / "data" / "openclaw.json").exists()


def test_wrong_variables_are_a_line_each_and_exit_1(tmp_path: Path) -> None:
    status, output = refuse(tmp_path, OPENCLAW_WEBHOOKS_THREADS="none", DEBUG="perhaps")
    assert status == 1
    assert [line.partition(":")[0] for line in output.splitlines()] == ["OPENCLAW_WEBHOOKS_THREADS", "DEBUG"]
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("variables", "line"),
    [
        ({"DATABASE_URL": "postgresql://me:canary@127.0.0.1:1/x"}, "DATABASE_URL: the database cannot be used: "),
        (
            {"DATABASE_URL": "sqlite:////no/such/folder/db"},
            "DATABASE_URL: the database cannot be used: there is no folder '/no/such/folder'",
        ),
        ({"OPENCLAW_WEBHOOKS_DATA_DIR": "/proc/none"}, "OPENCLAW_WEBHOOKS_DATA_DIR: "),
        ({"OPENCLAW_WEBHOOKS_DATA_DIR": "/proc/none", "SECRET_KEY": "x"}, "OPENCLAW_WEBHOOKS_DATA_DIR: "),
    ],
)
def test_what_cannot_be_reached_is_one_line_and_exit_1(tmp_path: Path, variables: dict[str, str], line: str) -> None:
    status, output = refuse(tmp_path, **variables)
    assert status == 1
    assert output.startswith(line)
    assert len(output.splitlines()) == 1
    assert "canary" not in output


def test_a_taken_address_is_found_out_before_any_secret_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        status, output = refuse(tmp_path, OPENCLAW_WEBHOOKS_BIND=address)
    assert (status, output) == (1, f"OPENCLAW_WEBHOOKS_BIND: cannot listen on {address}: Address already in use")
    assert not (tmp_path / "data" / "openclaw.json").exists()


def test_a_unix_socket_is_served_and_the_line_to_paste_knows_it(tmp_path: Path) -> None:
    path = tmp_path / "w.sock"
    with start(tmp_path, environ={"OPENCLAW_WEBHOOKS_BIND": f"unix:{path}"}) as server:
        server.wait_for(LISTENING)
        assert paste(curl_line(server.output))["ok"] is True
        assert mode_of(path) == 0o770
        # The commands know where the server listens, too.
        environ = {"OPENCLAW_WEBHOOKS_BIND": f"unix:{path}"}
        status, told = manage(tmp_path / "data", "webhooks_send", "starter", "list_flows", environ=environ)
        assert (status, json.loads(told)["ok"]) == (0, True)
        server.stop(signal.SIGTERM)


@pytest.mark.parametrize("interface", INTERFACES)
def test_the_admin_and_its_files_are_served(tmp_path: Path, interface: str) -> None:
    with start(tmp_path, environ={"OPENCLAW_WEBHOOKS_INTERFACE": interface}) as server:
        server.wait_for(LISTENING)
        assert ask(server.port, "/").headers["Location"] == "/admin/"
        style = ask(server.port, "/static/admin/css/base.css")
        assert (style.status, style.headers["Content-Type"]) == (200, 'text/css; charset="utf-8"')
        assert b"--primary" in style.body
        assert ask(server.port, "/static/admin/css/none.css").status == 404
        unchanged = ask(server.port, "/static/admin/css/base.css", If_None_Match=style.headers["ETag"])
        assert (unchanged.status, unchanged.body) == (304, b"")
        # Neither header means anything to gunicorn: whom to believe is the app's to say.
        page = ask(server.port, "/admin/login/", X_Forwarded_Proto="https", Script_Name="/x")
        assert b'action="/admin/login/"' in page.body
        assert page.headers["X-Frame-Options"] == "DENY"
        assert page.headers["X-Content-Type-Options"] == "nosniff"
        assert page.headers["Referrer-Policy"] == "same-origin"
        server.stop(signal.SIGTERM)
    assert "Warning" not in server.output


@pytest.mark.parametrize("interface", INTERFACES)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_is_quick_and_keeps_the_records_in_spite_of_clinging_clients(
    tmp_path: Path, interface: str, number: signal.Signals
) -> None:
    config = one_route(tmp_path)
    environ = {"OPENCLAW_WEBHOOKS_INTERFACE": interface, "OPENCLAW_CONFIG_PATH": str(config)}
    with start(tmp_path, environ=environ) as server:
        server.wait_for(LISTENING)
        with silent(server), idle(server), withholding(server):
            assert server.stop(number) < STOP_SECONDS
    assert recorded_calls(tmp_path) >= 1, server.output


def silent(server: Started) -> socket.socket:
    """Connect and send nothing."""
    return socket.create_connection(("127.0.0.1", server.port))


def idle(server: Started) -> closing[http.client.HTTPConnection]:
    """Make one call and keep the connection."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {SECRET}"}
    connection.request("POST", LIVE, '{"action":"list_flows"}', headers)
    assert connection.getresponse().read()
    return closing(connection)


def withholding(server: Started) -> socket.socket:
    """Send the head of a request and half of its body."""
    connection = silent(server)
    head = f"POST {LIVE} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer {SECRET}\r\n"
    connection.sendall(head.encode() + b'Content-Length: 100\r\n\r\n{"action"')
    return connection
