"""Random bodies against a real server: never a 5xx, never a traceback, and every 400 says what is wrong."""

from __future__ import annotations

import http.client
import json
import os
import pathlib
import re
from collections import Counter
from typing import Any

import pytest
from hypothesis import strategies as st

from tests.actions.bodies import ACTION_BODIES, ANY_BODIES, collect_bodies
from tests.live import LIVE, SECRET, Door, serve

BODIES = int(os.environ.get("RANDOM_BODIES", "500"))
NAMED = re.compile(r"([A-Za-z]\w*(\.\w+)*: .)|Unrecognized keys?: .|Invalid input: expected object")


@pytest.fixture(scope="module")
def bodies() -> list[Any]:
    return collect_bodies(BODIES, st.one_of(ACTION_BODIES, ACTION_BODIES, ANY_BODIES))


@pytest.mark.parametrize("door", ["gunicorn-asgi", "gunicorn-wsgi"])
def test_random_bodies_are_answered_or_refused_in_words(door: Door, bodies: list[Any], tmp_path: pathlib.Path) -> None:
    statuses: Counter[int] = Counter()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {SECRET}"}
    with serve(door, tmp_path, workers=1) as server:
        for number, body in enumerate(bodies):
            if number % 100 == 0:
                source = f"127.120.{number // 20_000}.{number // 100 % 200 + 1}"
                connection = http.client.HTTPConnection(*server.address, timeout=20, source_address=(source, 0))
            connection.request("POST", LIVE, json.dumps(body), headers)
            response = connection.getresponse()
            raw = response.read()
            if number % 100 == 99:
                connection.close()
            statuses[response.status] += 1
            assert response.status in {200, 202, 400, 404, 409}, (body, raw)
            if response.status == 400:
                assert raw == b"invalid request body" or NAMED.match(json.loads(raw)["error"]), (body, raw)
        connection.close()
        log = server.log
    assert "Traceback" not in log
    assert {200, 400, 404} <= set(statuses)
