from collections.abc import Iterator

import pytest

from tests.servers.serving import HOOKS, Server, serve


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """One gunicorn with the hooks, for all tests that do not stop it."""
    with serve(*HOOKS) as running:
        yield running
