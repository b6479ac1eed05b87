"""What a page that fails says."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, IntegrityError, OperationalError
from django.http import HttpRequest

from project.errors import serve_error


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (OperationalError("could not connect to db.internal as bob"), 503, "DATABASE_URL"),
        (DatabaseError("file is not a database"), 503, "is whole"),
        (IntegrityError("x"), 500, "Server Error"),
        (ValueError("x"), 500, "Server Error"),
    ],
)
def test_a_cause_that_can_be_mended_is_named(error: Exception, status: int, text: str) -> None:
    try:
        raise error
    except type(error):
        response = serve_error(HttpRequest())
    assert response.status_code == status
    assert text in response.content.decode()
    assert "bob" not in response.content.decode()
