"""One server per door for the whole session of a test process; each test speaks from addresses of its own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from tests.live import DOORS, Door, Server, serve

_sources = (f"127.77.{high}.{low}" for high, low in itertools.product(range(256), range(1, 250)))


@pytest.fixture(scope="session", params=DOORS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    door: Door = request.param
    with serve(door, tmp_path_factory.mktemp(door), workers=1) as running:
        yield running


@pytest.fixture
def source() -> str:
    """A loopback address that no other test has used, so that no limit couples two tests."""
    return next(_sources)
