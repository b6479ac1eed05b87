from collections.abc import Iterator

import pytest

from tests.servers.serving import HOOKS, TURN_TAKING, Server, serve


@pytest.fixture(scope="session", params=["gthread", TURN_TAKING], ids=["gthread", "turns"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """One gunicorn with the hooks, for all tests that do not stop it; under gunicorn's worker and under ours."""
    with serve(*HOOKS, "-k", request.param) as running:
        yield running
