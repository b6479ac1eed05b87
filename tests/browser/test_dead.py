"""What is dead is told by the pages: a database without tables, one that is no database any more, a stopped server of
databases, and a real Gateway that is killed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver

from tests.bridge.gateways import running_bridge
from tests.browser.conftest import ROUTES, serve_with_admin
from tests.browser.pages import ADMIN
from tests.browser.test_admin import OVERVIEW, call, create
from tests.postgres import PostgresServer, running_postgres

PROBES = {"OPENCLAW_WEBHOOKS_MONITORING_NETWORKS": "127.0.0.0/8"}


def test_a_database_without_a_table_is_told_with_what_to_do(tmp_path: Path, browser: webdriver.Chrome) -> None:
    with serve_with_admin(tmp_path, browser, **PROBES) as (server, pages):
        with sqlite3.connect(next(server.data_dir.glob("*.sqlite3"))) as connection:
            connection.execute("ALTER TABLE openclaw_webhooks_flow RENAME TO gone")
        assert "The database does not answer as it should" in pages.wait_for(
            OVERVIEW, lambda text: "does not answer" in text
        )
        assert "manage.py migrate" in pages.open("/readyz")
        assert call(server, "list_flows")[0] == 503


def test_a_file_that_is_no_database_any_more_is_told_by_every_page(tmp_path: Path, browser: webdriver.Chrome) -> None:
    with serve_with_admin(tmp_path, browser, **PROBES) as (server, pages):
        database = next(server.data_dir.glob("*.sqlite3"))
        create(server)
        for file in server.data_dir.glob("*.sqlite3*"):
            file.write_bytes(b"no database " * 4096)
        for address in (OVERVIEW, f"{ADMIN}/call/", f"{ADMIN}/flow/"):
            text = pages.wait_for(address, lambda text: "does not answer" in text)
            assert "Look whether it runs" in text, address
        assert "does not answer as it should" in pages.open("/readyz")
        assert call(server, "list_flows")[0] == 503
        assert database.exists()


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        yield server


def test_a_stopped_postgresql_is_told_and_comes_back(
    tmp_path: Path, browser: webdriver.Chrome, postgres: PostgresServer
) -> None:
    settings = {**PROBES, "DATABASE_URL": postgres.url}
    with serve_with_admin(tmp_path, browser, **settings) as (server, pages):
        create(server)
        assert "1 accepted" in pages.wait_for(OVERVIEW, lambda text: "1 accepted" in text)
        postgres.stop("immediate")
        text = pages.wait_for(OVERVIEW, lambda text: "does not answer" in text)
        assert "The database does not answer. Look whether it runs" in text
        assert "database" in pages.open("/readyz")
        assert call(server, "list_flows")[0] == 503
        postgres.start()
        assert "serving" in pages.wait_for(OVERVIEW, lambda text: "serving" in text)


def test_a_gateway_shows_its_flows_is_acted_on_and_is_told_when_it_dies(
    tmp_path: Path, browser: webdriver.Chrome
) -> None:
    with running_bridge(tmp_path / "gateway", routes=ROUTES) as bridge:
        environ = {"OPENCLAW_WEBHOOKS_ENGINE": "bridge", "OPENCLAW_WEBHOOKS_BRIDGE_URL": bridge.url}
        with serve_with_admin(tmp_path, browser, **environ) as (server, pages):
            assert "have no flows yet" in pages.open(f"{ADMIN}/flow/")
            flow = create(server, "Of the Gateway")
            assert "Of the Gateway" in pages.open(f"{ADMIN}/flow/")
            pages.photograph("gateway-flows-1280")
            assert pages.find_faults() == []
            pages.wait_for(f"{ADMIN}/call/?q={flow['flowId']}", lambda text: flow["flowId"][:8] in text)
            text = pages.open(f"{ADMIN}/flow/{flow['flowId']}/change/")
            assert "keeps no earlier revisions" in text
            assert "create_flow" in text
            pages.photograph("gateway-flow-1280")
            assert pages.find_faults() == []
            pages.click("Finish")
            text = pages.click("Finish")
            assert "Finish: the flow is succeeded now, at revision 1." in text
            assert "alice" in text
            assert call(server, "get_flow", flowId=flow["flowId"])[1]["result"]["flow"]["status"] == "succeeded"
            bridge.process.stop()
            text = pages.wait_for(OVERVIEW, lambda text: "The engine does not answer" in text)
            assert "Look at its Gateway" in text
            for address in (f"{ADMIN}/flow/", f"{ADMIN}/flow/{flow['flowId']}/change/"):
                assert "The engine does not answer" in pages.open(address), address
            assert call(server, "list_flows")[0] == 503
