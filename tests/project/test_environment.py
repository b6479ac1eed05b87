from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from django.core.cache.backends.redis import RedisCache
from django.utils.module_loading import import_string
from hypothesis import given
from hypothesis import strategies as st

from project.caches import TIMEOUT_SECONDS, build_caches
from project.environment import EnvironmentProblem, ServerEnvironment, count_cores, parse_environment

VARIABLES = (
    "OPENCLAW_WEBHOOKS_BIND",
    "OPENCLAW_WEBHOOKS_WORKERS",
    "OPENCLAW_WEBHOOKS_CPU_AFFINITY",
    "OPENCLAW_WEBHOOKS_THREADS",
    "OPENCLAW_WEBHOOKS_INTERFACE",
    "OPENCLAW_WEBHOOKS_DATA_DIR",
    "OPENCLAW_WEBHOOKS_ENGINE",
    "OPENCLAW_WEBHOOKS_SQLITE_SYNCHRONOUS",
    "DATABASE_URL",
    "REDIS_URL",
    "SECRET_KEY",
    "ALLOWED_HOSTS",
    "DEBUG",
    "OPENCLAW_WEBHOOKS_LIMITS_FAIL_OPEN",
    "OPENCLAW_WEBHOOKS_RATE_LIMIT_HEADERS",
)


HOST_TOKEN = "a-token-of-the-tests"


def parse(**environ: str) -> ServerEnvironment:
    parsed = parse_environment(environ)
    assert isinstance(parsed, ServerEnvironment), [str(problem) for problem in parsed]
    return parsed


def problems_of(**environ: str) -> list[str]:
    parsed = parse_environment(environ)
    assert isinstance(parsed, list)
    return [str(problem) for problem in parsed]


def test_an_empty_environment_gives_the_documented_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    server = parse()
    assert (server.binds[0].host, server.binds[0].port) == ("127.0.0.1", 8787)
    assert server.workers == count_cores()
    assert (server.threads, server.interface, server.engine, server.debug) == (16, "asgi", "embedded", False)
    assert server.data_folder == tmp_path / "data"
    assert server.secret_key is None
    assert server.allowed_hosts == ("localhost", "127.0.0.1", "[::1]")
    assert server.database["NAME"] == str(tmp_path / "data" / "openclaw-webhooks.sqlite3")


def test_sqlite_gets_what_several_processes_need() -> None:
    database = parse(DATABASE_URL="sqlite:////var/lib/x/db.sqlite3").database
    assert database["NAME"] == "/var/lib/x/db.sqlite3"
    assert database["CONN_MAX_AGE"] is None
    assert database["OPTIONS"] == {
        "transaction_mode": "IMMEDIATE",
        "timeout": 10,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-1024;",
    }


def test_sqlite_can_be_made_to_survive_a_power_cut() -> None:
    options = parse(OPENCLAW_WEBHOOKS_SQLITE_SYNCHRONOUS="full").database["OPTIONS"]
    assert "synchronous=FULL" in options["init_command"]


def test_postgresql_is_taken_from_its_url() -> None:
    database = parse(DATABASE_URL="postgresql://me:p%40ss@db.example:5433/flows?sslmode=require").database
    assert (database["HOST"], database["PORT"], database["NAME"]) == ("db.example", 5433, "flows")
    assert (database["USER"], database["PASSWORD"]) == ("me", "p@ss")
    assert database["OPTIONS"] == {"sslmode": "require"}
    assert database["CONN_MAX_AGE"] is None
    assert database["CONN_HEALTH_CHECKS"] is True


def test_postgresql_over_a_unix_socket() -> None:
    database = parse(DATABASE_URL="postgresql://me@%2Fvar%2Frun%2Fpg/flows").database
    assert database["HOST"] == "/var/run/pg"


@pytest.mark.parametrize(
    ("variable", "value", "attribute", "expected"),
    [
        ("OPENCLAW_WEBHOOKS_WORKERS", " 3 ", "workers", 3),
        ("OPENCLAW_WEBHOOKS_CPU_AFFINITY", "off", "cpu_affinity", False),
        ("OPENCLAW_WEBHOOKS_THREADS", "1", "threads", 1),
        ("OPENCLAW_WEBHOOKS_INTERFACE", "wsgi", "interface", "wsgi"),
        ("OPENCLAW_WEBHOOKS_DATA_DIR", "/var/lib/webhooks", "data_folder", Path("/var/lib/webhooks")),
        ("OPENCLAW_WEBHOOKS_ENGINE", "embedded", "engine", "embedded"),
        ("SECRET_KEY", "given", "secret_key", "given"),
        ("ALLOWED_HOSTS", "a.example, .b.example", "allowed_hosts", ("a.example", ".b.example")),
        ("DEBUG", "On", "debug", True),
        ("DEBUG", "0", "debug", False),
        ("DEBUG", "  ", "debug", False),
    ],
)
def test_a_variable_is_heeded(variable: str, value: str, attribute: str, expected: Any) -> None:
    assert getattr(parse(**{variable: value}), attribute) == expected


def test_the_address_listened_on_is_an_allowed_host_unless_it_is_every_address() -> None:
    assert parse(OPENCLAW_WEBHOOKS_BIND="10.1.2.3:80").allowed_hosts[-1] == "10.1.2.3"
    assert parse(OPENCLAW_WEBHOOKS_BIND="0.0.0.0:80").allowed_hosts == ("localhost", "127.0.0.1", "[::1]")


@pytest.mark.parametrize(
    ("variable", "value", "part"),
    [
        ("OPENCLAW_WEBHOOKS_BIND", "8787", "HOST:PORT"),
        ("OPENCLAW_WEBHOOKS_BIND", "127.0.0.1:0", "port from 1 to 65535"),
        ("OPENCLAW_WEBHOOKS_BIND", "127.0.0.1:65536", "port from 1 to 65535"),
        ("OPENCLAW_WEBHOOKS_BIND", "unix:relative.sock", "absolute path"),
        ("OPENCLAW_WEBHOOKS_BIND", "unix:/no/such/folder/x.sock", "does not exist"),
        ("OPENCLAW_WEBHOOKS_BIND", "unix:/tmp/" + "x" * 120, "at most 107 bytes"),
        ("OPENCLAW_WEBHOOKS_WORKERS", "0", "from 1 to 256"),
        ("OPENCLAW_WEBHOOKS_WORKERS", "many", "from 1 to 256"),
        ("OPENCLAW_WEBHOOKS_WORKERS", "٣", "from 1 to 256"),
        ("OPENCLAW_WEBHOOKS_CPU_AFFINITY", "auto", "must be on or off"),
        ("OPENCLAW_WEBHOOKS_THREADS", "-1", "from 1 to 1024"),
        ("OPENCLAW_WEBHOOKS_THREADS", "9" * 5000, "from 1 to 1024"),
        ("OPENCLAW_WEBHOOKS_INTERFACE", "ASGI", "asgi or wsgi"),
        ("OPENCLAW_WEBHOOKS_DATA_DIR", "/dev/null", "must be a folder"),
        ("OPENCLAW_WEBHOOKS_ENGINE", "gateway", "embedded"),
        ("OPENCLAW_WEBHOOKS_SQLITE_SYNCHRONOUS", "OFF", "NORMAL or FULL"),
        ("DATABASE_URL", "mysql://localhost/x", "sqlite:/// or postgresql://"),
        ("DATABASE_URL", "db.sqlite3", "sqlite:/// or postgresql://"),
        ("DATABASE_URL", "sqlite://db.sqlite3", "three slashes"),
        ("DATABASE_URL", "sqlite://:memory:", "path of a file"),
        ("DATABASE_URL", "sqlite:///", "path of a file"),
        ("DATABASE_URL", "sqlite:////tmp", "is a folder"),
        ("DATABASE_URL", "postgresql://localhost", "name of a database"),
        ("DATABASE_URL", "postgresql://localhost:port/x", "not a URL"),
        ("REDIS_URL", "localhost:6379", "redis://HOST"),
        ("REDIS_URL", "redis://localhost:port", "not a URL"),
        ("OPENCLAW_WEBHOOKS_LIMITS_FAIL_OPEN", "maybe", "on or off"),
        ("OPENCLAW_WEBHOOKS_RATE_LIMIT_HEADERS", "maybe", "on or off"),
        ("ALLOWED_HOSTS", "https://a.example", "without scheme"),
        ("ALLOWED_HOSTS", ",", "host names"),
        ("SECRET_KEY", "${SECRET_KEY}", "nothing has replaced"),
        ("DEBUG", "perhaps", "on or off"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_the_variable(variable: str, value: str, part: str) -> None:
    (line,) = problems_of(**{variable: value})
    assert line.startswith(f"{variable}: ")
    assert part in line
    assert "\n" not in line


def test_all_wrong_values_are_reported_together() -> None:
    lines = problems_of(OPENCLAW_WEBHOOKS_WORKERS="x", DEBUG="x", DATABASE_URL="x")
    assert {line.partition(":")[0] for line in lines} == {"OPENCLAW_WEBHOOKS_WORKERS", "DEBUG", "DATABASE_URL"}


def test_a_database_password_is_in_no_message_and_no_repr() -> None:
    canary = "canary-password"
    assert canary not in str(problems_of(DATABASE_URL=f"mysql://me:{canary}@localhost/x"))
    assert canary not in str(problems_of(DATABASE_URL=f"postgresql://me:{canary}@localhost:x/x"))
    server = parse(DATABASE_URL=f"postgresql://me:{canary}@localhost/x", SECRET_KEY=canary)
    assert canary not in repr(server)


def test_postgresql_without_its_driver_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("project.databases.find_spec", lambda _name: None)
    (line,) = problems_of(DATABASE_URL="postgresql://localhost/x")
    assert "openclaw-webhooks[postgres]" in line


def test_a_shared_server_keeps_the_windows_and_its_password_to_itself() -> None:
    canary = "canary,pass;word"
    server = parse(REDIS_URL=f"redis://:{canary}@localhost/1")
    caches = build_caches(server.redis_url)
    assert issubclass(import_string(caches["default"]["BACKEND"]), RedisCache)
    assert caches["default"]["LOCATION"] == [f"redis://:{canary}@localhost/1"]
    assert caches["default"]["OPTIONS"]["socket_timeout"] == TIMEOUT_SECONDS
    assert canary not in repr([server, caches])
    assert canary not in str(problems_of(REDIS_URL=f"redis://:{canary}@localhost:x"))


def test_without_a_shared_server_no_cache_is_shared() -> None:
    assert "locmem" in build_caches(parse().redis_url)["default"]["BACKEND"]


def test_a_shared_server_without_its_driver_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("project.environment.find_spec", lambda _name: None)
    (line,) = problems_of(REDIS_URL="redis://localhost")
    assert "openclaw-webhooks[redis]" in line


def test_what_is_no_utf8_is_named() -> None:
    assert problems_of(OPENCLAW_WEBHOOKS_DATA_DIR="/data-\udcff") == ["OPENCLAW_WEBHOOKS_DATA_DIR: must be UTF-8"]


@given(st.dictionaries(st.sampled_from(VARIABLES), st.text(st.characters(exclude_characters="\0"), max_size=40)))
def test_any_environment_parses_or_names_its_faults(environ: dict[str, str]) -> None:
    parsed = parse_environment(environ)
    if isinstance(parsed, list):
        assert parsed
        assert all(isinstance(problem, EnvironmentProblem) and problem.variable in environ for problem in parsed)


@pytest.mark.parametrize("name", ["?", "#", "100%", "a b", "%41"])
def test_the_data_folder_may_have_any_name(name: str, tmp_path: Path) -> None:
    server = parse_environment({"OPENCLAW_WEBHOOKS_DATA_DIR": str(tmp_path / name)})
    assert isinstance(server, ServerEnvironment)
    assert server.database["NAME"] == str(tmp_path / name / "openclaw-webhooks.sqlite3")


def test_the_bridge_engine_needs_to_know_where_the_bridge_is() -> None:
    assert problems_of(OPENCLAW_WEBHOOKS_ENGINE="bridge") == [
        "OPENCLAW_WEBHOOKS_ENGINE: bridge needs OPENCLAW_WEBHOOKS_BRIDGE_URL"
    ]
    url = "unix:///run/openclaw/bridge.sock"
    server = parse_environment({"OPENCLAW_WEBHOOKS_ENGINE": "bridge", "OPENCLAW_WEBHOOKS_BRIDGE_URL": url})
    assert isinstance(server, ServerEnvironment)
    assert (server.engine, server.bridge_url) == ("bridge", url)


@pytest.mark.parametrize(
    ("cores", "environ", "workers", "cpus_left"),
    [
        (4, {"OPENCLAW_WEBHOOKS_HOST_TOKEN": HOST_TOKEN}, 3, 1),
        (1, {"OPENCLAW_WEBHOOKS_HOST_TOKEN": HOST_TOKEN}, 1, 1),
        (4, {"OPENCLAW_WEBHOOKS_HOST_TOKEN": HOST_TOKEN, "OPENCLAW_WEBHOOKS_WORKERS": "4"}, 4, 1),
        (4, {"OPENCLAW_WEBHOOKS_HOST_TOKEN": HOST_TOKEN, "OPENCLAW_WEBHOOKS_INTERFACE": "wsgi"}, 4, 0),
        (4, {}, 4, 0),
    ],
)
def test_a_gateway_that_hosts_the_server_is_left_a_core(
    cores: int, environ: dict[str, str], workers: int, cpus_left: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("project.environment.count_cores", lambda: cores)
    server = parse(**environ)
    assert (server.workers, server.cpus_left) == (workers, cpus_left)


def test_several_addresses_are_separated_by_commas(tmp_path: Path) -> None:
    server = parse_environment({"OPENCLAW_WEBHOOKS_BIND": f"unix:{tmp_path}/app.sock, 127.0.0.1:8788"})
    assert isinstance(server, ServerEnvironment)
    assert [bind.gunicorn_value for bind in server.binds] == [f"unix:{tmp_path}/app.sock", "127.0.0.1:8788"]


def test_where_the_kernel_does_not_say_which_cores_are_ours_all_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    assert count_cores() == os.cpu_count()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OPENCLAW_WEBHOOKS_DATA_DIR", "~nobody-of-that-name/data"),
        ("OPENCLAW_WEBHOOKS_BIND", "unix:~nobody-of-that-name/socket"),
        ("DATABASE_URL", "sqlite:///~nobody-of-that-name/db"),
    ],
)
def test_the_home_of_a_stranger_is_a_clear_fault(name: str, value: str) -> None:
    (line,) = problems_of(**{name: value})
    assert line.startswith(name)
    assert "not known here" in line
